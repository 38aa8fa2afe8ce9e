/**
 * An interval for a quantile that holds at every look at once, exactly and whatever the distribution, from the counts
 * of a histogram with fixed bins. The quantile lies above a bin's end if the share of values up to there is below q,
 * which is a question about a Bernoulli variable, answered by one-sided sequences at alpha / 2. The answers for all
 * ends need not hold together: only the two ends around the true quantile can be the cause of a miss, since counts
 * rise with the end, so nothing is lost for many bins. Cost: some 20 evaluations, whatever the number of bins.
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
  const upTo = cumulated(ends, counts);
  const n = upTo.at(-1) ?? 0;
  // The shares up to these ends are certainly below q, so the quantile is above.
  const below = firstWhere(upTo, (successes) => !isShareBelow(q, { successes, n }, alpha / 2));
  // The share beyond this end is certainly below 1 - q, so the quantile is at most this.
  const above = firstWhere(upTo, (sum) => isShareBelow(1 - q, { successes: n - sum, n }, alpha / 2));
  const estimate = firstWhere(upTo, (sum) => sum > 0 && sum >= q * n);
  return {
    lower: ends[below - 1] ?? -Infinity,
    estimate: ends[estimate] ?? Number.NaN,
    upper: ends[above] ?? Infinity,
  };
}

/** By halving, since sums only rise: the tests hold from some sum on. */
function firstWhere(sums: readonly number[], test: (sum: number) => boolean): number {
  let low = 0;
  let high = sums.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (test(sums[middle] as number)) high = middle;
    else low = middle + 1;
  }
  return low;
}

function cumulated(ends: readonly number[], counts: readonly number[]): readonly number[] {
  let sum = 0;
  return counts.map((count, bin) => {
    requireCount('count', count);
    if (bin > 0 && !((ends[bin] as number) > (ends[bin - 1] as number))) {
      throw new RangeError(`ends must ascend, and ${ends[bin]} follows ${ends[bin - 1]}`);
    }
    sum += count;
    return sum;
  });
}
