/**
 * Intervals for means that hold at every look at once: all of them together miss the truth with a chance of at most
 * alpha, so one may look at any time and stop when one likes. They are asymptotic (Waudby-Smith, Arbour, Sinha,
 * Kennedy and Ramdas 2021, after Robbins): the variance is estimated, so begin to look at some hundred units an arm.
 * For shares there are exact bounds, in bernoulli-sequence.ts.
 */
import type { Estimate } from './estimate.ts';
import type { Interval } from './interval.ts';
import { mixtureSprt } from './mixture-sprt.ts';
import { requireBetween, requirePositive, requireRange } from './require-range.ts';

export interface SequenceDesign {
  /** The chance to miss the truth, over all looks. */
  readonly alpha: number;
  /**
   * The number of units (of all arms together) at which the interval shall be as narrow as it can be. Fixed before
   * the first look.
   */
  readonly optimalN: number;
}

export interface ConfidenceSequence extends Interval {
  readonly estimate: number;
  /** The least alpha whose interval excludes 0 with the same rho; valid at any look. */
  readonly p: number;
}

/**
 * rho = sqrt((-2 ln alpha + ln(-2 ln alpha + 1)) / N): the mixture that makes the interval narrowest near N units.
 */
export function sequenceRho({ alpha, optimalN }: SequenceDesign): number {
  requireBetween('alpha', alpha, 0, 1);
  requirePositive('optimalN', optimalN);
  const doubled = -2 * Math.log(alpha);
  return Math.sqrt((doubled + Math.log(doubled + 1)) / optimalN);
}

/** s sqrt(2 (n rho^2 + 1) / (n rho)^2 ln(sqrt(n rho^2 + 1) / alpha)), where s is the standard deviation of a unit. */
export function sequenceHalfWidth(standardDeviation: number, n: number, design: SequenceDesign): number {
  return halfWidth(standardDeviation, n, design, (root) => Math.log(root / design.alpha));
}

export function confidenceSequence(estimate: Estimate, design: SequenceDesign): ConfidenceSequence {
  const rho = sequenceRho(design);
  if (isUnknown(estimate)) return { estimate: estimate.estimate, lower: -Infinity, upper: Infinity, p: 1 };
  const deviation = Math.sqrt(estimate.variance * estimate.n);
  const width = sequenceHalfWidth(deviation, estimate.n, design);
  const { p } = mixtureSprt(estimate.estimate, estimate.variance, (deviation * rho) ** 2);
  return {
    estimate: estimate.estimate,
    lower: estimate.estimate - width,
    upper: estimate.estimate + width,
    p,
  };
}

/**
 * Two bounds of which each by itself holds at every look with a chance of 1 - alpha: for a question with one side,
 * such as whether a harm stays below a limit. Half width as above, with ln(1 + sqrt(n rho^2 + 1) / (2 alpha)), and
 * rho for 2 alpha.
 */
export function oneSidedSequences(estimate: Estimate, design: SequenceDesign): Interval {
  requireBetween('alpha', design.alpha, 0, 0.5);
  if (isUnknown(estimate)) return { lower: -Infinity, upper: Infinity };
  const deviation = Math.sqrt(estimate.variance * estimate.n);
  const twice = { ...design, alpha: 2 * design.alpha };
  const width = halfWidth(deviation, estimate.n, twice, (root) => Math.log1p(root / twice.alpha));
  return { lower: estimate.estimate - width, upper: estimate.estimate + width };
}

/**
 * A sample without any spread says nothing of the spread to come: an interval of no width would be a false certainty.
 */
function isUnknown({ variance, n }: Estimate): boolean {
  return !(n > 0 && variance > 0 && variance < Infinity);
}

function halfWidth(
  standardDeviation: number,
  n: number,
  design: SequenceDesign,
  log: (root: number) => number,
): number {
  requireRange('standardDeviation', standardDeviation, 0, Number.MAX_VALUE);
  requirePositive('n', n);
  const rho = sequenceRho(design);
  const spread = n * rho * rho + 1;
  return standardDeviation * Math.sqrt(((2 * spread) / (n * rho) ** 2) * log(Math.sqrt(spread)));
}
