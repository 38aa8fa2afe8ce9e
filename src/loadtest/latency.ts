/** Latencies in a histogram of microseconds: three digits, 1 us to 120 s, 160 KB however many are recorded. */
import { build } from 'hdr-histogram-js';
import type { Histogram } from 'hdr-histogram-js';

/** All in microseconds. */
export interface LatencySummary {
  readonly count: number;
  readonly meanUs: number;
  readonly p50Us: number;
  readonly p90Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly maxUs: number;
}

/** A share of the requests, and the latency that it stays within. */
export interface LatencyQuantile {
  readonly quantile: number;
  readonly latencyUs: number;
}

/** Longer ones are recorded as this. */
const LATENCY_US_MAX = 120_000_000;

/** Shares for a curve on an axis of "one in N requests": ten points for each factor of ten. */
const curveQuantiles = Array.from({ length: 51 }, (_, i) => 1 - 10 ** (-i / 10));

export interface LatencyRecorder {
  record(latencyUs: number): void;
  summary(): LatencySummary;
  /** The distribution, as far as there are requests to tell it. */
  curve(): LatencyQuantile[];
}

export function createLatencyRecorder(): LatencyRecorder {
  const histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: LATENCY_US_MAX,
    numberOfSignificantValueDigits: 3,
  });
  return {
    record(latencyUs) {
      histogram.recordValue(Math.min(Math.max(1, Math.round(latencyUs)), LATENCY_US_MAX));
    },
    summary: () => summaryOf(histogram),
    curve: () =>
      curveQuantiles
        .filter((quantile) => (1 - quantile) * histogram.totalCount >= 1)
        .map((quantile) => ({ quantile, latencyUs: valueAt(histogram, quantile) })),
  };
}

function summaryOf(histogram: Histogram): LatencySummary {
  return {
    count: histogram.totalCount,
    meanUs: histogram.totalCount === 0 ? 0 : Math.round(histogram.mean),
    p50Us: valueAt(histogram, 0.5),
    p90Us: valueAt(histogram, 0.9),
    p99Us: valueAt(histogram, 0.99),
    p999Us: valueAt(histogram, 0.999),
    maxUs: histogram.totalCount === 0 ? 0 : histogram.maxValue,
  };
}

/** The library answers with the upper end of a bucket, which may lie above the largest value. */
function valueAt(histogram: Histogram, quantile: number): number {
  if (histogram.totalCount === 0) return 0;
  return Math.min(histogram.getValueAtPercentile(quantile * 100), histogram.maxValue);
}
