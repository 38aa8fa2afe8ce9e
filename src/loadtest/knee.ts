/**
 * The knee: the highest rate that the server still serves well. A rate is served well when at least 95 % of it is
 * answered with 200 and the p99 latency stays within a limit. Without a limit from the caller it is ten times the
 * median of the lowest rate, and at least 10 ms: a multiple alone would take the noise of an idle machine for a knee.
 *
 * A sweep tries shares of the saturating rate, then halves the gap above the best one, then goes beyond.
 */

/** One rate that was tried. */
export interface SweepPoint {
  readonly offeredPerSecond: number;
  readonly goodputPerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Of the measurement: when it says more about the load generator than about the server. */
  readonly warnings: readonly string[];
}

export interface Knee {
  readonly ratePerSecond: number;
  readonly p99Us: number;
  /** The limit that decided. */
  readonly p99UsMax: number;
  /** Of this rate and of the first above it. With any, the load generator may be the limit, not the server. */
  readonly warnings: readonly string[];
  /** Lower rates that were not served well: the knee may lie below them. */
  readonly failedBelow: readonly number[];
}

/** Of the saturating rate. */
export const sweepShares: readonly number[] = [0.1, 0.25, 0.5, 0.7, 0.85, 1];
/** Where the server must still answer as many as it can, and refuse the rest. */
export const overloadShares: readonly number[] = [2, 3];

const GOODPUT_SHARE_MIN = 0.95;
const P99_OF_MEDIAN = 10;
const P99_US_LIMIT_MIN = 10_000;

export function kneeLimitUs(points: readonly SweepPoint[]): number {
  const [lowest] = byRate(points);
  return Math.max(P99_US_LIMIT_MIN, P99_OF_MEDIAN * (lowest?.p50Us ?? 0));
}

/** Undefined when no rate was served well. */
export function findKnee(points: readonly SweepPoint[], p99UsMax: number): Knee | undefined {
  const sorted = byRate(points);
  const at = sorted.findLastIndex((point) => isServedWell(point, p99UsMax));
  const best = sorted[at];
  if (best === undefined) return undefined;
  const failed = sorted.slice(0, at).filter((point) => !isServedWell(point, p99UsMax));
  return {
    ratePerSecond: best.offeredPerSecond,
    p99Us: best.p99Us,
    p99UsMax,
    warnings: [...new Set(sorted.slice(at, at + 2).flatMap(({ warnings }) => warnings))],
    failedBelow: failed.map(({ offeredPerSecond }) => offeredPerSecond),
  };
}

/** The middle between the knee and the next rate above it; undefined where that is not known any closer. */
export function rateToTryNext(points: readonly SweepPoint[], p99UsMax: number): number | undefined {
  const sorted = byRate(points);
  const best = sorted.findLastIndex((point) => isServedWell(point, p99UsMax));
  const [below, above] = [sorted[best]?.offeredPerSecond ?? 0, sorted[best + 1]?.offeredPerSecond];
  return above === undefined ? undefined : (below + above) / 2;
}

function isServedWell({ offeredPerSecond, goodputPerSecond, p99Us }: SweepPoint, p99UsMax: number): boolean {
  return goodputPerSecond >= GOODPUT_SHARE_MIN * offeredPerSecond && p99Us <= p99UsMax;
}

function byRate(points: readonly SweepPoint[]): SweepPoint[] {
  return points.toSorted((a, b) => a.offeredPerSecond - b.offeredPerSecond);
}
