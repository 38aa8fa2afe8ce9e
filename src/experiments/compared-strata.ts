/** The arms of a metric within each stratum (strata.ts), and what they are together. */
import { mergeBivariateMoments, noBivariateMoments } from '../stats/bivariate-moments.ts';
import type { BivariateMoments } from '../stats/bivariate-moments.ts';
import type { Summary } from '../stats/summary.ts';
import { summariesOf } from './metric-sample.ts';
import type { MetricForm } from './metric-sample.ts';

/** What is known of a metric under one version, by arm. */
export interface Stratum {
  readonly groups: readonly BivariateMoments[];
  /** Undefined where there are too few units to say how they vary. */
  readonly summaries: readonly (Summary | undefined)[];
}

/** @param groups by stratum, and in it by arm */
export function strataFrom(
  form: MetricForm,
  groups: readonly BivariateMoments[],
  armCount: number,
): Stratum[] {
  const summaries = summariesOf(form, groups);
  return Array.from({ length: groups.length / armCount }, (_, i) => ({
    groups: groups.slice(i * armCount, (i + 1) * armCount),
    summaries: summaries.slice(i * armCount, (i + 1) * armCount),
  }));
}

/** Some arms under one version, with its weight: its units by those of all versions that are compared. */
export interface WeightedStratum {
  readonly index: number;
  readonly weight: number;
  readonly groups: readonly BivariateMoments[];
  readonly summaries: readonly Summary[];
}

/** The versions under which each of these arms has at least two units. */
export function comparedStrata(strata: readonly Stratum[], arms: readonly number[]): WeightedStratum[] {
  const compared = strata.flatMap(({ groups, summaries }, index) => {
    const own = arms.flatMap((arm) => summaries[arm] ?? []);
    if (own.length < arms.length) return [];
    const units = own.reduce((sum, { n }) => sum + n, 0);
    return [{ index, units, groups: arms.flatMap((arm) => groups[arm] ?? []), summaries: own }];
  });
  const all = compared.reduce((sum, { units }) => sum + units, 0);
  return compared.map(({ units, ...each }) => ({ ...each, weight: units / all }));
}

/**
 * What an arm would be if it had the same share of the units of each version: its means by the weights. As the summary of
 * so many units whose mean has this variance, so that it is compared as any other.
 */
export function standardized(strata: readonly WeightedStratum[], arm: number): Summary {
  const [only] = strata;
  if (only !== undefined && strata.length === 1) return only.summaries[arm] as Summary;
  let [n, mean, variance] = [0, 0, 0];
  for (const { weight, summaries } of strata) {
    const summary = summaries[arm] as Summary;
    n += summary.n;
    mean += weight * summary.mean;
    variance += (weight * weight * summary.variance) / summary.n;
  }
  return { n, mean, variance: variance * n };
}

/** Of one arm over several versions, as if they were one. */
export function pooled(strata: readonly Pick<Stratum, 'groups'>[], arm: number): BivariateMoments {
  return strata.reduce(
    (sum, { groups }) => mergeBivariateMoments(sum, groups[arm] ?? noBivariateMoments),
    noBivariateMoments,
  );
}
