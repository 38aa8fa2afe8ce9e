/** How far a distribution has moved from a reference: for inputs and outputs of a model over time. */
import { requireCount, requirePositive, requireSameLength } from './require-range.ts';

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
