/**
 * Moments of pairs (x, y) with their co-moment, mergeable as those of one quantity are. What x and y are is up to the
 * use: for CUPED x is the covariate from before the experiment, for a ratio metric x is the denominator; y is the
 * metric.
 */
import type { Moments } from './moments.ts';

export interface BivariateMoments {
  readonly n: number;
  readonly meanX: number;
  readonly meanY: number;
  /** The sum of (x - meanX)^2. */
  readonly m2X: number;
  /** The sum of (y - meanY)^2. */
  readonly m2Y: number;
  /** The sum of (x - meanX) (y - meanY). */
  readonly coMoment: number;
}

export interface BivariateAccumulator {
  add(x: number, y: number): void;
  moments(): BivariateMoments;
}

export const noBivariateMoments: BivariateMoments = { n: 0, meanX: 0, meanY: 0, m2X: 0, m2Y: 0, coMoment: 0 };

export function createBivariateMoments(start: BivariateMoments = noBivariateMoments): BivariateAccumulator {
  let { n, meanX, meanY, m2X, m2Y, coMoment } = start;
  return {
    add(x, y) {
      n++;
      const deviationX = x - meanX;
      const deviationY = y - meanY;
      meanX += deviationX / n;
      meanY += deviationY / n;
      m2X += deviationX * (x - meanX);
      m2Y += deviationY * (y - meanY);
      coMoment += deviationX * (y - meanY);
    },
    moments: () => ({ n, meanX, meanY, m2X, m2Y, coMoment }),
  };
}

export function mergeBivariateMoments(first: BivariateMoments, second: BivariateMoments): BivariateMoments {
  const n = first.n + second.n;
  if (n === 0) return noBivariateMoments;
  const deviationX = second.meanX - first.meanX;
  const deviationY = second.meanY - first.meanY;
  const weight = (first.n * second.n) / n;
  return {
    n,
    meanX: first.meanX + (deviationX * second.n) / n,
    meanY: first.meanY + (deviationY * second.n) / n,
    m2X: first.m2X + second.m2X + deviationX * deviationX * weight,
    m2Y: first.m2Y + second.m2Y + deviationY * deviationY * weight,
    coMoment: first.coMoment + second.coMoment + deviationX * deviationY * weight,
  };
}

/** The moments of y alone. */
export function momentsOfY({ n, meanY, m2Y }: BivariateMoments): Moments {
  return { n, mean: meanY, m2: m2Y };
}
