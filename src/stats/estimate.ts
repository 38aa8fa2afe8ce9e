import { requirePositive } from './require-range.ts';
import type { Summary } from './summary.ts';

/** An estimate whose variance shrinks as 1 / n. */
export interface Estimate {
  readonly estimate: number;
  /** Of the estimate, not of a unit. */
  readonly variance: number;
  /** Units that it was made from. */
  readonly n: number;
}

/**
 * Candidate minus baseline. The variance of the difference is vB / nB + vC / nC; times nB + nC it is the variance
 * that one assigned unit contributes, as if each unit were a draw of the difference itself, which it is under random
 * assignment. So n is of both arms.
 */
export function differenceEstimate(baseline: Summary, candidate: Summary): Estimate {
  return {
    estimate: candidate.mean - baseline.mean,
    variance: baseline.variance / baseline.n + candidate.variance / candidate.n,
    n: baseline.n + candidate.n,
  };
}

/**
 * (candidate - baseline) / baseline of positive means, by the delta method: variance vC / mB^2 + vB mC^2 / mB^4,
 * where v is the variance of a mean.
 */
export function relativeEstimate(baseline: Summary, candidate: Summary): Estimate {
  requirePositive("the baseline's mean", baseline.mean);
  const ratio = candidate.mean / baseline.mean;
  const variance = candidate.variance / candidate.n + (ratio * ratio * baseline.variance) / baseline.n;
  return {
    estimate: ratio - 1,
    variance: variance / (baseline.mean * baseline.mean),
    n: baseline.n + candidate.n,
  };
}
