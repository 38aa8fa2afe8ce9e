import { expect, it } from 'vitest';
import { createLatencyRecorder } from '../../src/loadtest/latency.ts';
import type { Measurement } from '../../src/loadtest/measurement.ts';
import { reportHtml } from '../../src/loadtest/report-html.ts';
import type { LoadTestReport } from '../../src/loadtest/report.ts';
import { describeMachine, reportJson } from '../../src/loadtest/report.ts';

function measured(offeredPerSecond: number | null, latencyUs: number): Measurement {
  const recorder = createLatencyRecorder();
  for (let i = 1; i <= 1000; i++) recorder.record((latencyUs * i) / 1000);
  return {
    load: offeredPerSecond === null ? 'closed loop' : 'open loop',
    offeredPerSecond,
    durationMs: 1000,
    throughputPerSecond: offeredPerSecond ?? 12_345,
    goodputPerSecond: offeredPerSecond ?? 12_345,
    latency: recorder.summary(),
    latencyCurve: recorder.curve(),
    rejectedLatency: createLatencyRecorder().summary(),
    outcomes: {
      ok: 990,
      rejected: 7,
      timedOut: 2,
      connectionErrors: 1,
      otherErrors: 0,
      failures: [{ name: '422 MODEL_FAILED', count: 3, example: 'rows[0].<script>"x" is wrong' }],
    },
    sender: { busyShare: 0.42, lag: null, waitedShare: 0 },
    batchRows: {
      runs: 3,
      rowsMean: 1.5,
      buckets: [
        { rowsMax: 1, runs: 2 },
        { rowsMax: 2, runs: 1 },
        { rowsMax: Infinity, runs: 0 },
      ],
    },
    memoryBytes: 200_000_000,
    warnings: ['the load generator sent late'],
  };
}

const report: LoadTestReport = {
  title: 'Fast & <curious>',
  startedAt: '2026-01-02T03:04:05.678Z',
  server: 'http://127.0.0.1:8080',
  command: "millrace loadtest --body '{}'",
  machine: describeMachine(),
  plan: {
    saturate: true,
    sweep: true,
    ratePerSecond: null,
    arrivals: 'poisson',
    seed: 9,
    warmUpMs: 500,
    durationMs: 1000,
    timeoutMs: 2000,
    p99MsMax: null,
    pipelined: 32,
  },
  endedEarly: false,
  scenarios: [
    {
      name: 'one row',
      protocol: 'http',
      connections: 64,
      measurements: [
        measured(null, 800),
        measured(1000, 1000),
        measured(4000, 3000),
        measured(16_000, 900_000),
      ],
      knee: {
        ratePerSecond: 4000,
        p99Us: 2970,
        p99UsMax: 10_000,
        warnings: ['sent late'],
        failedBelow: [1000],
      },
      overloads: [
        {
          ratePerSecond: 16_000,
          offeredShare: 2,
          goodputShare: 0.97,
          rejectedP99Us: 48_200,
          memoryBytes: 215_000_000,
          peakMemoryBytes: 200_000_000,
        },
      ],
    },
    {
      name: 'ws',
      protocol: 'ws',
      connections: 8,
      measurements: [],
      knee: null,
      overloads: [],
      problem: 'no WebSocket here',
    },
  ],
};

it('has the figures, the machine and the charts', () => {
  const html = reportHtml(report);
  for (const figure of ['12,345', '16,000', '2.97', '42 %', process.version, '2026-01-02 03:04:05 UTC'])
    expect(html).toContain(figure);
  expect(html).toMatch(/Knee: <strong>4,000\/s/);
  expect(html).toContain('the load generator may be the limit of the knee, not the server: sent late');
  expect(html).toContain('below the knee, 1,000/s was not served well');
  expect(html).toContain(
    'at 2 times the peak (16,000/s): 97 % of its ok/s, 429 within 48.2 ms (p99), server memory 215 MB (200 at the peak)',
  );
  expect(html).toContain('Could not run: no WebSocket here');
  expect(html.match(/<svg /g)).toHaveLength(4);
  // The latencies of a closed loop are nowhere: 0.8 ms is its highest.
  expect(html).not.toMatch(/>0\.(8|7)\d\d</);
});

it('refers to nothing outside of itself, and holds no script', () => {
  const html = reportHtml(report);
  expect(html).not.toMatch(/<script|<link|<img|\bsrc=|\bhref=|url\(|@import|https?:\/\/(?!127\.0\.0\.1)/i);
});

it('writes what others said as text', () => {
  const html = reportHtml(report);
  expect(html).toContain('Fast &amp; &lt;curious&gt;');
  expect(html).toContain('rows[0].&lt;script&gt;&quot;x&quot; is wrong');
});

it('draws no figure that is not a number', () => {
  const empty = {
    ...report,
    scenarios: report.scenarios.map((each) => ({ ...each, measurements: [], knee: null })),
  };
  for (const each of [report, empty]) expect(reportHtml(each)).not.toMatch(/NaN|Infinity|undefined/);
});

it('says that nothing was measured in place of an empty table', () => {
  const [first] = report.scenarios;
  const scenarios = [{ ...first!, measurements: [], knee: null }];
  const html = reportHtml({ ...report, endedEarly: true, scenarios });
  expect(html).toContain('Nothing was measured.');
  expect(html).not.toContain('<table');
});

it('is written as JSON in snake_case, with a last bucket without a bound', () => {
  const json = JSON.parse(reportJson(report)) as {
    scenarios: { measurements: Record<string, unknown>[]; knee: unknown }[];
  };
  const measurement = json.scenarios[0]?.measurements[1];
  expect(measurement).toMatchObject({
    load: 'open loop',
    offered_per_second: 1000,
    latency: { count: 1000, p99_us: 990, max_us: 1000 },
    outcomes: { ok: 990, rejected: 7, timed_out: 2, connection_errors: 1 },
  });
  expect(json.scenarios[0]?.knee).toMatchObject({ warnings: ['sent late'], failed_below: [1000] });
  expect(measurement?.['batch_rows']).toMatchObject({ buckets: [{ rows_max: 1 }, {}, { rows_max: null }] });
});
