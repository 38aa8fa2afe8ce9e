import type { BivariateMoments } from './bivariate-moments.ts';
import { requireRange } from './require-range.ts';
import type { Summary } from './summary.ts';

export interface Cuped {
  /** The slope of the metric on the covariate; 0 if the covariate does not vary. */
  readonly theta: number;
  /** The share of the metric's variance that is left: 1 minus the squared correlation within arms. */
  readonly varianceLeft: number;
  /** One for each arm, adjusted. */
  readonly summaries: readonly Summary[];
}

/**
 * CUPED (Deng, Xu, Kohavi and Walker 2013): y - theta (x - mean of x), where x was known before the experiment, so no
 * arm can have changed it. Theta is cov(y, x) / var(x) within arms, pooled over them: one theta for all arms, or
 * their difference would be biased; from within arms, so that the effect itself is no part of it. Means stay in the
 * unit of the metric.
 *
 * @param arms x the covariate, y the metric, of one unit each
 */
export function cuped(arms: readonly BivariateMoments[]): Cuped {
  let n = 0;
  let sumX = 0;
  let m2X = 0;
  let m2Y = 0;
  let coMoment = 0;
  for (const arm of arms) {
    requireRange('n', arm.n, 2, Infinity);
    n += arm.n;
    sumX += arm.n * arm.meanX;
    m2X += arm.m2X;
    m2Y += arm.m2Y;
    coMoment += arm.coMoment;
  }
  const theta = m2X > 0 ? coMoment / m2X : 0;
  const meanX = sumX / n;
  return {
    theta,
    varianceLeft: m2Y > 0 ? Math.max(1 - (theta * coMoment) / m2Y, 0) : 1,
    summaries: arms.map((arm) => ({
      n: arm.n,
      mean: arm.meanY - theta * (arm.meanX - meanX),
      variance: Math.max(arm.m2Y - 2 * theta * arm.coMoment + theta * theta * arm.m2X, 0) / (arm.n - 1),
    })),
  };
}
