import { normalTwoTails } from './normal-tail.ts';
import { requirePositive, requireShares } from './require-range.ts';
import { wilsonInterval } from './wilson-interval.ts';
import type { Successes } from './successes.ts';

export interface ProportionComparison {
  /** The candidate's share minus the baseline's. */
  readonly difference: number;
  /** Under the hypothesis that the shares are equal. */
  readonly standardError: number;
  readonly statistic: number;
  /** Two-sided. */
  readonly p: number;
  readonly lower: number;
  readonly upper: number;
}

/** Two shares where much else is alike: on a day, in a country. */
export interface ProportionStratum {
  /** Of the difference; together 1. */
  readonly weight: number;
  readonly baseline: Successes;
  readonly candidate: Successes;
}

/**
 * The weighted sum of the differences within strata, with the pooled variance of each; the interval is Newcombe's, of the
 * squared distances to its bounds in each stratum (Yan and Su 2010). With one stratum it is `compareProportions`.
 */
export function compareStratifiedProportions(
  strata: readonly ProportionStratum[],
  alpha: number,
): ProportionComparison {
  requireShares(
    'weights',
    strata.map(({ weight }) => weight),
  );
  let difference = 0;
  let [standardError, below, above] = [0, 0, 0];
  for (const { weight, baseline, candidate } of strata) {
    const own = compareProportions(baseline, candidate, alpha);
    difference += weight * own.difference;
    standardError = Math.hypot(standardError, weight * own.standardError);
    below = Math.hypot(below, weight * (own.difference - own.lower));
    above = Math.hypot(above, weight * (own.upper - own.difference));
  }
  const statistic = standardError === 0 ? 0 : difference / standardError;
  const p = normalTwoTails(statistic);
  return { difference, standardError, statistic, p, lower: difference - below, upper: difference + above };
}

/**
 * Candidate minus baseline of two shares. The p value is that of the pooled z-test. The interval is Newcombe's (1998,
 * method 10), of two Wilson intervals: it never leaves -1 to 1, and holds for small counts. The two may disagree when
 * p is very near to alpha.
 */
export function compareProportions(
  baseline: Successes,
  candidate: Successes,
  alpha: number,
): ProportionComparison {
  requirePositive("the baseline's n", baseline.n);
  requirePositive("the candidate's n", candidate.n);
  const ofBaseline = wilsonInterval(baseline, alpha);
  const ofCandidate = wilsonInterval(candidate, alpha);
  const first = baseline.successes / baseline.n;
  const second = candidate.successes / candidate.n;
  const difference = second - first;
  const pooled = (baseline.successes + candidate.successes) / (baseline.n + candidate.n);
  const standardError = Math.sqrt(pooled * (1 - pooled) * (1 / baseline.n + 1 / candidate.n));
  const statistic = standardError === 0 ? 0 : difference / standardError;
  return {
    difference,
    standardError,
    statistic,
    p: normalTwoTails(statistic),
    lower: difference - Math.hypot(second - ofCandidate.lower, ofBaseline.upper - first),
    upper: difference + Math.hypot(ofCandidate.upper - second, first - ofBaseline.lower),
  };
}
