import { relativeEstimate } from './estimate.ts';
import { normalCritical } from './normal-tail.ts';
import { requireBetween } from './require-range.ts';
import type { Summary } from './summary.ts';

export interface RelativeDifference {
  /** (candidate - baseline) / baseline: 0.02 is 2 % more. */
  readonly difference: number;
  readonly standardError: number;
  readonly lower: number;
  readonly upper: number;
}

/**
 * The lift of a positive mean, by the delta method. Good where the baseline's mean is many standard errors from 0.
 * Its p value is that of the absolute difference.
 */
export function relativeDifference(baseline: Summary, candidate: Summary, alpha: number): RelativeDifference {
  requireBetween('alpha', alpha, 0, 1);
  const { estimate: difference, variance } = relativeEstimate(baseline, candidate);
  const standardError = Math.sqrt(variance);
  const halfWidth = normalCritical(alpha / 2) * standardError;
  return { difference, standardError, lower: difference - halfWidth, upper: difference + halfWidth };
}
