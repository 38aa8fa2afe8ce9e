import tCdf from '@stdlib/stats-base-dists-t-cdf';
import tQuantile from '@stdlib/stats-base-dists-t-quantile';
import { requireBetween } from './require-range.ts';

/** P(|T| > |t|) of Student's t, computed as a lower tail so that small ones keep their digits. */
export function studentTwoTails(t: number, degreesOfFreedom: number): number {
  return 2 * tCdf(-Math.abs(t), degreesOfFreedom);
}

/** The t with P(T > t) = tail. */
export function studentCritical(tail: number, degreesOfFreedom: number): number {
  requireBetween('tail', tail, 0, 1);
  return -tQuantile(tail, degreesOfFreedom);
}
