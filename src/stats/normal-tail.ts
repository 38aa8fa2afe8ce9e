/**
 * Tails of the normal distribution. A tail is always computed as a tail: 1 minus the rest would be 0 from 8.3
 * standard deviations on.
 */
import normalCdf from '@stdlib/stats-base-dists-normal-cdf';
import normalQuantile from '@stdlib/stats-base-dists-normal-quantile';
import { requireBetween } from './require-range.ts';

/** P(Z > z). */
export function normalTail(z: number): number {
  return normalCdf(-z, 0, 1);
}

/** P(|Z| > |z|). */
export function normalTwoTails(z: number): number {
  return 2 * normalTail(Math.abs(z));
}

/** The z with P(Z > z) = tail. Its relative error grows to 2e-9 at a tail of 1e-10. */
export function normalCritical(tail: number): number {
  requireBetween('tail', tail, 0, 1);
  return -normalQuantile(tail, 0, 1);
}

export function normalDensity(z: number): number {
  return Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
}
