import { describe, expect, it } from 'vitest';
import { createMetrics } from '../../src/telemetry/metrics.ts';

describe('metrics', () => {
  it('renders counters, histograms and gauges in the Prometheus text format', async () => {
    const metrics = createMetrics();
    const ok = metrics.counter('test_requests_total', 'Requests.', { route: 'a', status: '200' });
    ok.add(2);
    metrics.counter('test_requests_total', 'Requests.', { route: 'a', status: '200' }).add(1);
    metrics.counter('test_requests_total', 'Requests.', { route: 'a "quoted"\n', status: '500' }).add(1);
    const rows = metrics.histogram('test_rows', 'Rows.', [1, 10], { model: 'm' });
    for (const value of [1, 2, 10, 11]) rows.observe(value);
    metrics.gauge('test_open', 'Open.', () => [{ labels: {}, value: 7 }]);
    const text = await metrics.render();
    metrics.close();
    expect(text).toContain('# TYPE test_requests_total counter');
    expect(text).toContain('test_requests_total{route="a",status="200"} 3');
    expect(text).toContain('test_requests_total{route="a \\"quoted\\"\\n",status="500"} 1');
    expect(text).toContain('test_rows_bucket{model="m",le="1"} 1');
    expect(text).toContain('test_rows_bucket{model="m",le="10"} 3');
    expect(text).toContain('test_rows_bucket{model="m",le="+Inf"} 4');
    expect(text).toContain('test_rows_sum{model="m"} 24');
    expect(text).toContain('test_rows_count{model="m"} 4');
    expect(text).toContain('test_open 7');
    expect(text).toMatch(/millrace_event_loop_delay_seconds\{quantile="0.99"\} \d/);
    expect(text).toContain('process_resident_memory_bytes');
  });
});
