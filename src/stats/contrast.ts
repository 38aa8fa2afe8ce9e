import { requireBetween, requireFinite, requireRange, requireSameLength } from './require-range.ts';
import { studentCritical, studentTwoTails } from './student-t-tail.ts';
import type { Summary } from './summary.ts';

/** An effect with what is known of it. */
export interface Comparison {
  /** In the unit of the metric. */
  readonly difference: number;
  readonly standardError: number;
  readonly degreesOfFreedom: number;
  /** The difference in standard errors. */
  readonly statistic: number;
  /** Two-sided. */
  readonly p: number;
  /** Bounds that miss the true difference with a chance of alpha, if it is looked at once. */
  readonly lower: number;
  readonly upper: number;
}

/**
 * A weighted sum of means of independent groups, tested against 0 without the assumption that their variances are
 * equal (Welch; degrees of freedom by Satterthwaite). Where no group varies, the difference is taken as certain.
 */
function contrast(summaries: readonly Summary[], coefficients: readonly number[], alpha: number): Comparison {
  requireBetween('alpha', alpha, 0, 1);
  requireSameLength('groups and coefficients', summaries, coefficients);
  let difference = 0;
  let variance = 0;
  let spread = 0;
  for (const [index, summary] of summaries.entries()) {
    requireSummary(summary);
    const coefficient = coefficients[index] as number;
    const part = (coefficient * coefficient * summary.variance) / summary.n;
    difference += coefficient * summary.mean;
    variance += part;
    spread += (part * part) / (summary.n - 1);
  }
  if (variance === 0) return certain(difference);
  const standardError = Math.sqrt(variance);
  const degreesOfFreedom = (variance * variance) / spread;
  const statistic = difference / standardError;
  const halfWidth = studentCritical(alpha / 2, degreesOfFreedom) * standardError;
  return {
    difference,
    standardError,
    degreesOfFreedom,
    statistic,
    p: studentTwoTails(statistic, degreesOfFreedom),
    lower: difference - halfWidth,
    upper: difference + halfWidth,
  };
}

/** Candidate minus baseline, by Welch's t-test. */
export function welchTest(baseline: Summary, candidate: Summary, alpha: number): Comparison {
  return contrast([baseline, candidate], [-1, 1], alpha);
}

/** Two means where much else is alike: on a day, in a country. */
export interface MeanStratum {
  /** Of the difference; together 1. */
  readonly weight: number;
  readonly baseline: Summary;
  readonly candidate: Summary;
}

/** The weighted sum of the differences within strata; with one stratum it is `welchTest`. */
export function stratifiedWelchTest(strata: readonly MeanStratum[], alpha: number): Comparison {
  return contrast(
    strata.flatMap(({ baseline, candidate }) => [baseline, candidate]),
    strata.flatMap(({ weight }) => [-weight, weight]),
    alpha,
  );
}

/** Means of one metric where users are in two experiments at once. */
export interface FourCells {
  readonly neither: Summary;
  readonly onlyFirst: Summary;
  readonly onlySecond: Summary;
  readonly both: Summary;
}

/**
 * How much the effect of the one experiment differs with the arm of the other: the effect of the second where the
 * first is on, minus its effect where the first is off. 0 if the effects add up.
 */
export function interactionTest(cells: FourCells, alpha: number): Comparison {
  const { neither, onlyFirst, onlySecond, both } = cells;
  return contrast([neither, onlyFirst, onlySecond, both], [1, -1, -1, 1], alpha);
}

function requireSummary({ n, mean, variance }: Summary): void {
  requireRange('n', n, 2, Infinity);
  requireFinite('mean', mean);
  requireRange('variance', variance, 0, Number.MAX_VALUE);
}

function certain(difference: number): Comparison {
  return {
    difference,
    standardError: 0,
    degreesOfFreedom: Infinity,
    statistic: difference === 0 ? 0 : Math.sign(difference) * Infinity,
    p: difference === 0 ? 1 : 0,
    lower: difference,
    upper: difference,
  };
}
