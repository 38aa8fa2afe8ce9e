import { expect, it } from 'vitest';
import { createLatencyRecorder } from '../../src/loadtest/latency.ts';
import type { Measurement } from '../../src/loadtest/measurement.ts';
import { overloadsOf } from '../../src/loadtest/overload.ts';

function measured(
  offeredPerSecond: number | null,
  goodputPerSecond: number,
  rejectedUs?: number,
): Measurement {
  const rejected = createLatencyRecorder();
  if (rejectedUs !== undefined) rejected.record(rejectedUs);
  return {
    load: offeredPerSecond === null ? 'closed loop' : 'open loop',
    offeredPerSecond,
    durationMs: 1000,
    throughputPerSecond: offeredPerSecond ?? goodputPerSecond,
    goodputPerSecond,
    latency: createLatencyRecorder().summary(),
    latencyCurve: [],
    rejectedLatency: rejected.summary(),
    outcomes: { ok: 1, rejected: 0, timedOut: 0, connectionErrors: 0, otherErrors: 0, failures: [] },
    sender: { busyShare: 0.1, lag: null, waitedShare: 0 },
    batchRows: null,
    memoryBytes: goodputPerSecond * 1000,
    warnings: [],
  };
}

it('compares what is answered far above the peak with the peak', () => {
  const measurements = [
    measured(null, 900),
    measured(800, 1000),
    measured(2000, 950, 500),
    measured(3000, 400),
  ];
  expect(overloadsOf(measurements)).toEqual([
    {
      ratePerSecond: 2000,
      offeredShare: 2,
      goodputShare: 0.95,
      rejectedP99Us: 500,
      memoryBytes: 950_000,
      peakMemoryBytes: 1_000_000,
    },
    {
      ratePerSecond: 3000,
      offeredShare: 3,
      goodputShare: 0.4,
      rejectedP99Us: null,
      memoryBytes: 400_000,
      peakMemoryBytes: 1_000_000,
    },
  ]);
});

it('takes the rates around the peak for no overload', () => {
  expect(overloadsOf([measured(null, 1000), measured(1000, 990), measured(1400, 1000)])).toEqual([]);
});

it('says nothing where no closed loop looked for the peak', () => {
  expect(overloadsOf([measured(800, 800), measured(2000, 900)])).toEqual([]);
});

it('says nothing where nothing was answered', () => {
  expect(overloadsOf([])).toEqual([]);
  expect(overloadsOf([measured(null, 0), measured(1000, 0)])).toEqual([]);
});
