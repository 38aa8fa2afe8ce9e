/**
 * How far the distribution function of a sample may be from the true one, at every value and every look at once,
 * whatever the distribution: sup |F_t - F| < 0.85 sqrt((ln ln(e t) + 0.8 ln(1612 / alpha)) / t) for all t >= 1 with a
 * chance of 1 - alpha (Howard and Ramdas 2022, a form of the bound of Dvoretzky, Kiefer and Wolfowitz). Values must
 * be independent.
 */
import { requireBetween, requireCount } from './require-range.ts';

/** At most 1, which is what a distance can be; 1 without values. */
export function dkwSequence(n: number, alpha: number): number {
  requireBetween('alpha', alpha, 0, 1);
  requireCount('n', n);
  if (n < 1) return 1;
  return Math.min(1, 0.85 * Math.sqrt((Math.log1p(Math.log(n)) + 0.8 * Math.log(1612 / alpha)) / n));
}
