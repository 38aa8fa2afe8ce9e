import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { createProgress } from '../../src/cli/progress.ts';
import { formatTable } from '../../src/cli/table.ts';
import { progressNote, tableCells, tableHead } from '../../src/loadtest/figures.ts';
import type { LatencySummary } from '../../src/loadtest/latency.ts';
import type { Measurement } from '../../src/loadtest/measurement.ts';

const latency: LatencySummary = {
  count: 650_000,
  meanUs: 1_230_000,
  p50Us: 1_240_000,
  p90Us: 2_500_000,
  p99Us: 4_970_000,
  p999Us: 4_990_000,
  maxUs: 5_000_000,
};

function measured(load: Measurement['load'], offeredPerSecond: number | null): Measurement {
  return {
    load,
    offeredPerSecond,
    durationMs: 10_000,
    throughputPerSecond: 64_900,
    goodputPerSecond: 61_234,
    latency,
    latencyCurve: [],
    rejectedLatency: { ...latency, count: 0 },
    outcomes: {
      ok: 500_000,
      rejected: 123_456,
      timedOut: 12_345,
      connectionErrors: 0,
      otherErrors: 0,
      failures: [],
    },
    sender: { busyShare: 1, lag: null, waitedShare: 0 },
    batchRows: { runs: 10, rowsMean: 123.4, buckets: [] },
    memoryBytes: null,
    warnings: [],
  };
}

it('fits a table of wide figures into 100 columns', () => {
  const measurements = [
    measured('closed loop', null),
    measured('autocannon', null),
    measured('open loop', 65_000),
  ];
  const lines = formatTable([tableHead, ...measurements.map(tableCells)], '  ').split('\n');
  expect(lines[1]).toMatch(/^ {2}closed +64,900 +61,234 +- /);
  expect(lines[3]).toMatch(
    /^ {2}open 65,000\/s +64,900 +61,234 +1,240 .* 4,970 .* 123,456 +12,345 +123\.4 +100 %$/,
  );
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(100);
});

it('shows p99 beside the bar of a terminal with 80 columns', () => {
  const stream = Object.assign(new PassThrough(), {
    isTTY: true,
    columns: 80,
    getWindowSize: () => [80, 24],
  });
  const progress = createProgress('a name of 20 letters, saturation', stream);
  progress.update(3, 4, progressNote({ elapsedMs: 3, totalMs: 4, goodputPerSecond: 112_345, latency }));
  progress.stop();
  expect(String(stream.read())).toContain('112,345 ok/s, p99 4,970 ms');
});
