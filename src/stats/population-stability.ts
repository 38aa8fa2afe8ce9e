/** How far a distribution has moved from a reference: for inputs and outputs of a model over time. */
import { quantileOfSorted } from './quantile.ts';
import { requireCount, requirePositive, requireRange, requireSameLength } from './require-range.ts';

/**
 * Upper ends, included, of bins that hold about equally many reference values; the last is Infinity, for what lies
 * beyond them later. Values that are often equal make fewer bins.
 */
export function quantileBins(reference: readonly number[], bins: number): readonly number[] {
  requireRange('bins', bins, 2, 1000);
  requireRange('the number of reference values', reference.length, 1, Infinity);
  const sorted = [...reference].sort((a, b) => a - b);
  const inner = Array.from({ length: bins - 1 }, (_, bin) => quantileOfSorted(sorted, (bin + 1) / bins));
  return [...new Set(inner), Infinity];
}

/** How many values each bin holds. Values that are no number are in none. */
export function binCounts(values: Iterable<number>, ends: readonly number[]): readonly number[] {
  const counts = ends.map(() => 0);
  for (const value of values) {
    const bin = binOf(value, ends);
    if (bin < ends.length) counts[bin] = (counts[bin] as number) + 1;
  }
  return counts;
}

/**
 * The population stability index of two binned distributions: the sum of (q - p) ln(q / p) over bins. Below 0.1
 * little has changed, above 0.25 much, by custom. A bin that is empty counts as half a value, so that it is a lot and
 * not infinite.
 */
export function populationStabilityIndex(reference: readonly number[], current: readonly number[]): number {
  requireSameLength('bins', reference, current);
  const before = smoothedShares(reference);
  const after = smoothedShares(current);
  return before.reduce((sum, share, bin) => {
    const now = after[bin] as number;
    return sum + (now - share) * Math.log(now / share);
  }, 0);
}

function smoothedShares(counts: readonly number[]): readonly number[] {
  for (const count of counts) requireCount('count', count);
  requirePositive(
    'the sum of counts',
    counts.reduce((sum, count) => sum + count, 0),
  );
  const smoothed = counts.map((count) => (count === 0 ? 0.5 : count));
  const total = smoothed.reduce((sum, count) => sum + count, 0);
  return smoothed.map((count) => count / total);
}

/** The first bin whose end is not below the value; as many as there are if none is. */
function binOf(value: number, ends: readonly number[]): number {
  let low = 0;
  let high = ends.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ends[middle] as number) >= value) high = middle;
    else low = middle + 1;
  }
  return low;
}
