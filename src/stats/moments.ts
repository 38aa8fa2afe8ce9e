/**
 * Count, mean and sum of squared deviations of one quantity: all that a t-test needs. Plain numbers, so that they can
 * be stored as JSON, and merged: moments of parts, merged in any order, are the moments of the whole. Updates are
 * Welford's, merges Chan's (Chan, Golub and LeVeque 1983), so variance keeps its digits where a sum of squares would
 * lose them.
 */

export interface Moments {
  readonly n: number;
  readonly mean: number;
  /** The sum of (x - mean)^2. */
  readonly m2: number;
}

export interface MomentsAccumulator {
  add(value: number): void;
  moments(): Moments;
}

export const noMoments: Moments = { n: 0, mean: 0, m2: 0 };

export function createMoments(start: Moments = noMoments): MomentsAccumulator {
  let { n, mean, m2 } = start;
  return {
    add(value) {
      n++;
      const deviation = value - mean;
      mean += deviation / n;
      m2 += deviation * (value - mean);
    },
    moments: () => ({ n, mean, m2 }),
  };
}

export function mergeMoments(first: Moments, second: Moments): Moments {
  const n = first.n + second.n;
  if (n === 0) return noMoments;
  const deviation = second.mean - first.mean;
  return {
    n,
    mean: first.mean + (deviation * second.n) / n,
    m2: first.m2 + second.m2 + (deviation * deviation * first.n * second.n) / n,
  };
}
