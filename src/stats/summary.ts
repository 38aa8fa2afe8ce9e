/**
 * What every comparison of means needs to know of an arm. Plain means, means adjusted by CUPED and ratio metrics all
 * become one, so each test and each confidence sequence is written once.
 */
import type { Moments } from './moments.ts';
import { requireRange } from './require-range.ts';

export interface Summary {
  /** Independent units, such as users; never exposures, of which one user has several. */
  readonly n: number;
  readonly mean: number;
  /** Of one unit: the mean's own variance is variance / n. */
  readonly variance: number;
}

/** With the unbiased variance, so of 2 units at least. */
export function summaryOfMoments({ n, mean, m2 }: Moments): Summary {
  requireRange('n', n, 2, Infinity);
  return { n, mean, variance: m2 / (n - 1) };
}
