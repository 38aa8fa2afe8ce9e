/**
 * How many units an experiment needs, and what it can find. Sizes are for one arm and are not
 * rounded. Tests are two-sided, for one look at the end.
 */
import { normalCritical } from './normal-tail.ts';
import { requireBetween, requireFinite, requirePositive, requireRange } from './require-range.ts';

export interface ErrorRates {
  /** The chance to see an effect where there is none. */
  readonly alpha: number;
  /** The chance to see the effect that is there. */
  readonly power: number;
}

/**
 * Units an arm to find that a share p becomes p + d: ((z_(alpha/2) sqrt(2 p (1 - p)) + z_beta sqrt(p (1 - p) + (p +
 * d) (1 - p - d))) / d)^2.
 */
export function sampleSizeOfProportions(baseline: number, difference: number, rates: ErrorRates): number {
  requireShare(baseline, difference);
  const { alpha, power } = requireRates(rates);
  const { without, within } = spreadOfProportions(baseline, difference);
  return ((normalCritical(alpha / 2) * without + normalCritical(1 - power) * within) / difference) ** 2;
}

/**
 * The smallest rise of a share p that n units an arm find; 1 - p or more cannot be found, which is a NaN. By
 * bisection: the needed size falls as the difference rises.
 */
export function detectableDifferenceOfProportions(baseline: number, n: number, rates: ErrorRates): number {
  requirePositive('n', n);
  let missed = 0;
  let found = 1 - baseline;
  if (sampleSizeOfProportions(baseline, found, rates) > n) return Number.NaN;
  for (let step = 0; step < 100; step++) {
    const middle = (missed + found) / 2;
    if (middle === 0 || sampleSizeOfProportions(baseline, middle, rates) > n) missed = middle;
    else found = middle;
  }
  return found;
}

/** Units an arm to find a difference of means: 2 s^2 (z_(alpha/2) + z_beta)^2 / d^2. */
export function sampleSizeOfMeans(variance: number, difference: number, rates: ErrorRates): number {
  requirePositive('variance', variance);
  requireDifference(difference);
  return (2 * variance * criticalSum(rates) ** 2) / (difference * difference);
}

/** The smallest difference of means that n units an arm find. */
export function detectableDifferenceOfMeans(variance: number, n: number, rates: ErrorRates): number {
  requirePositive('variance', variance);
  requirePositive('n', n);
  return criticalSum(rates) * Math.sqrt((2 * variance) / n);
}

function spreadOfProportions(baseline: number, difference: number): { without: number; within: number } {
  const changed = baseline + difference;
  const variance = baseline * (1 - baseline);
  return {
    without: Math.sqrt(2 * variance),
    within: Math.sqrt(variance + Math.max(changed * (1 - changed), 0)),
  };
}

function criticalSum(rates: ErrorRates): number {
  const { alpha, power } = requireRates(rates);
  return normalCritical(alpha / 2) + normalCritical(1 - power);
}

/** Power below alpha / 2 would need a negative size. */
function requireRates(rates: ErrorRates): ErrorRates {
  requireBetween('alpha', rates.alpha, 0, 1);
  requireBetween('power', rates.power, rates.alpha, 1);
  return rates;
}

function requireShare(baseline: number, difference: number): void {
  requireBetween('baseline', baseline, 0, 1);
  requireDifference(difference);
  requireRange('baseline + difference', baseline + difference, 0, 1);
}

function requireDifference(difference: number): void {
  requireFinite('difference', difference);
  if (difference === 0) throw new RangeError('difference must not be 0');
}
