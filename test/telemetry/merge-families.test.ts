import { describe, expect, it } from 'vitest';
import { mergeFamilies, totalsOf } from '../../src/telemetry/merge-families.ts';
import type { AcrossProcesses, MetricFamily } from '../../src/telemetry/merge-families.ts';
import { createMetrics, renderFamilies } from '../../src/telemetry/metrics.ts';

function gauge(value: number, aggregator: AcrossProcesses): MetricFamily {
  return { name: 'open', help: 'Open.', type: 'gauge', aggregator, values: [{ labels: {}, value }] };
}

function merged(aggregator: AcrossProcesses): number | undefined {
  const processes = [3, 1, 5].map((value) => [gauge(value, aggregator)]);
  return mergeFamilies(processes)[0]?.values[0]?.value;
}

describe('metrics of several processes', () => {
  it('add up counters and histograms by their labels, in whatever order these were bound', async () => {
    const one = createMetrics();
    const other = createMetrics();
    one.counter('test_total', 'Test.', { route: 'a', status: '200' }).add(2);
    other.counter('test_total', 'Test.', { status: '200', route: 'a' }).add(3);
    other.counter('test_total', 'Test.', { route: 'a', status: '500' }).add(1);
    one.histogram('test_rows', 'Rows.', [1, 10], {}).observe(1);
    other.histogram('test_rows', 'Rows.', [1, 10], {}).observe(20);
    const families = mergeFamilies([await one.families('counts'), await other.families('counts')]);
    const text = await renderFamilies(families);
    one.close();
    other.close();
    expect(text).toContain('test_total{route="a",status="200"} 5');
    expect(text).toContain('test_total{route="a",status="500"} 1');
    expect(text.match(/^# TYPE test_total counter$/gm)).toHaveLength(1);
    expect(text).toContain('test_rows_bucket{le="1"} 1');
    expect(text).toContain('test_rows_bucket{le="+Inf"} 2');
    expect(text).toContain('test_rows_sum 21');
    expect(text).toContain('test_rows_count 2');
  });

  it('follow the rule of each gauge', () => {
    expect(merged('sum')).toBe(9);
    expect(merged('max')).toBe(5);
    expect(merged('min')).toBe(1);
    expect(merged('average')).toBe(3);
    expect(merged('first')).toBe(3);
    expect(merged('omit')).toBeUndefined();
  });

  it('show the longest delay of the event loop, and the memory of all', async () => {
    const metrics = createMetrics();
    const families = await metrics.families('all');
    metrics.close();
    const rules = new Map(families.map(({ name, aggregator }) => [name, aggregator]));
    expect(rules.get('millrace_event_loop_delay_seconds')).toBe('max');
    expect(rules.get('process_resident_memory_bytes')).toBe('sum');
    expect(rules.get('process_cpu_seconds_total')).toBe('sum');
  });

  it('keep the totals of a process that has ended, and not its gauges', () => {
    const total: MetricFamily = { ...gauge(2, 'sum'), name: 'done_total', type: 'counter' };
    expect(totalsOf([gauge(7, 'sum'), total])).toEqual([total]);
  });

  it('can be asked for their counts without beginning a gauge anew', async () => {
    const metrics = createMetrics();
    let reads = 0;
    metrics.gauge('test_open', 'Open.', () => [{ labels: {}, value: ++reads }]);
    await metrics.families('counts');
    expect(reads).toBe(0);
    await metrics.families('all');
    metrics.close();
    expect(reads).toBe(1);
  });
});
