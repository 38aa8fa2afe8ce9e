/** What is left of the highest goodput when a server is offered far more: the point of refusing the rest quickly. */
import type { Measurement } from './measurement.ts';

export interface Overload {
  readonly ratePerSecond: number;
  /** Shares of the highest goodput that was measured: what was offered, and what was answered with 200. */
  readonly offeredShare: number;
  readonly goodputShare: number;
  /** The 99th percentile of the answers with 429; null when there were none. */
  readonly rejectedP99Us: number | null;
  /** Of the server, behind this rate and behind the highest goodput; null where it does not tell. */
  readonly memoryBytes: number | null;
  readonly peakMemoryBytes: number | null;
}

/** From here on a rate is an overload, not the rounding of the peak. */
const OFFERED_SHARE_MIN = 1.5;

/** By rate, lowest first; empty when no rate was that high, or no closed loop looked for the peak. */
export function overloadsOf(measurements: readonly Measurement[]): Overload[] {
  const [best] = measurements.toSorted((a, b) => b.goodputPerSecond - a.goodputPerSecond);
  const isPeakKnown = measurements.some(({ offeredPerSecond }) => offeredPerSecond === null);
  const peak = isPeakKnown ? (best?.goodputPerSecond ?? 0) : 0;
  return measurements.flatMap(({ offeredPerSecond, goodputPerSecond, rejectedLatency, memoryBytes }) => {
    if (offeredPerSecond === null || !(offeredPerSecond >= OFFERED_SHARE_MIN * peak) || peak === 0) return [];
    const overload = {
      ratePerSecond: offeredPerSecond,
      offeredShare: offeredPerSecond / peak,
      goodputShare: goodputPerSecond / peak,
      rejectedP99Us: rejectedLatency.count === 0 ? null : rejectedLatency.p99Us,
      memoryBytes,
      peakMemoryBytes: best?.memoryBytes ?? null,
    };
    return [overload];
  });
}
