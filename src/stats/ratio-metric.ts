import type { BivariateMoments } from './bivariate-moments.ts';
import { requirePositive, requireRange } from './require-range.ts';
import type { Summary } from './summary.ts';

/**
 * A ratio of sums, such as clicks per page view, whose denominator is not the unit that was assigned: sum of y / sum
 * of x. By the delta method (Deng, Knoblich and Lu 2018) the variance of a unit is vY / mX^2 + vX mY^2 / mX^4 - 2 cov
 * mY / mX^3.
 *
 * @param moments x the denominator, y the numerator, summed up for each unit
 */
export function ratioMetric({ n, meanX, meanY, m2X, m2Y, coMoment }: BivariateMoments): Summary {
  requireRange('n', n, 2, Infinity);
  requirePositive('the mean of the denominator', meanX);
  const ratio = meanY / meanX;
  const deviations = m2Y - 2 * ratio * coMoment + ratio * ratio * m2X;
  return { n, mean: ratio, variance: Math.max(deviations, 0) / (n - 1) / (meanX * meanX) };
}
