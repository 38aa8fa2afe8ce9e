/**
 * An interval for a quantile that holds at every look at once, exactly and whatever the distribution, from the counts
 * of a histogram with fixed bins. The quantile lies above a bin's end if the share of values up to there is below q,
 * which is a question about a Bernoulli variable, answered by one-sided sequences at alpha / 2. The answers for all
 * ends need not hold together: only the two ends around the true quantile can be the cause of a miss, since counts
 * rise with the end, so nothing is lost for many bins.
 */
import { isShareBelow } from './bernoulli-sequence.ts';
import { requireBetween, requireCount, requireSameLength } from './require-range.ts';

export interface Histogram {
  /** The upper end of each bin, included in it, ascending; the last may be Infinity. In the unit of the values. */
  readonly ends: readonly number[];
  readonly counts: readonly number[];
}

export interface QuantileSequence {
  /** The quantile is above this; -Infinity if nothing is known. */
  readonly lower: number;
  /** The end of the bin in which the sample's quantile is; NaN without values. */
  readonly estimate: number;
  /** The quantile is at most this; Infinity if nothing is known. */
  readonly upper: number;
}

export function quantileSequence({ ends, counts }: Histogram, q: number, alpha: number): QuantileSequence {
  requireBetween('q', q, 0, 1);
  requireBetween('alpha', alpha, 0, 1);
  requireSameLength('ends and counts', ends, counts);
  const n = totalOf(ends, counts);
  let lower = -Infinity;
  let estimate = Number.NaN;
  let upTo = 0;
  for (const [bin, end] of ends.entries()) {
    upTo += counts[bin] as number;
    const isEstimate = Number.isNaN(estimate) && upTo > 0 && upTo >= q * n;
    if (isEstimate) estimate = end;
    // The share up to here is certainly below q, so the quantile is above.
    if (isShareBelow(q, { successes: upTo, n }, alpha / 2)) lower = end;
    // The share beyond is certainly below 1 - q, so the quantile is at most this.
    if (isShareBelow(1 - q, { successes: n - upTo, n }, alpha / 2)) return { lower, estimate, upper: end };
  }
  return { lower, estimate, upper: Infinity };
}

function totalOf(ends: readonly number[], counts: readonly number[]): number {
  let n = 0;
  for (const [bin, count] of counts.entries()) {
    requireCount('count', count);
    if (bin > 0 && !((ends[bin] as number) > (ends[bin - 1] as number))) {
      throw new RangeError(`ends must ascend, and ${ends[bin]} follows ${ends[bin - 1]}`);
    }
    n += count;
  }
  return n;
}
