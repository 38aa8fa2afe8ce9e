/**
 * The values of a metric by unit, in the form in which they can be compared: what the delta method and CUPED need is made
 * here, so that arms, stretches of time and groups of another experiment are summed up in one way.
 *
 *   proportion   each unit has one value, 0 or 1
 *   mean         each unit has one value
 *   ratio        y by x, each summed up for a unit: several predictions of a unit are not independent
 *   adjusted     y is the unit's share in the metric, x its own value before it was exposed (CUPED)
 */
import { createBivariateMoments, momentsOfY } from '../stats/bivariate-moments.ts';
import type { BivariateMoments } from '../stats/bivariate-moments.ts';
import { cuped } from '../stats/cuped.ts';
import { ratioMetric } from '../stats/ratio-metric.ts';
import { summaryOfMoments } from '../stats/summary.ts';
import type { Summary } from '../stats/summary.ts';
import type { ExperimentDefinition } from './definition.ts';
import type { Strata } from './strata.ts';
import { PRE_SUM, PRE_WEIGHT, SUM, valueOf, WEIGHT } from './unit-table.ts';
import type { ExposedUnit, UnitTable } from './unit-table.ts';

export type MetricForm = 'proportion' | 'mean' | 'ratio' | 'adjusted';

type See = (unit: ExposedUnit, x: number, y: number) => void;

export interface MetricSample {
  readonly form: MetricForm;
  /** Each unit that has a value: of the arms, and of the holdout. */
  visit(see: See): void;
}

/** What of a unit is added up: y by x, and the same of before. */
interface UnitParts {
  readonly units: () => Iterable<ExposedUnit>;
  readonly y: (unit: ExposedUnit) => number;
  readonly x: (unit: ExposedUnit) => number;
  readonly preY: (unit: ExposedUnit) => number;
  readonly preX: (unit: ExposedUnit) => number;
}

export function sampleOf(
  definition: ExperimentDefinition,
  metric: number,
  table: UnitTable,
  strata: Strata,
): MetricSample {
  const parts = partsOf(definition, metric, table);
  const isIn = (unit: ExposedUnit): boolean =>
    (parts.x(unit) !== 0 || parts.y(unit) !== 0) && (table.isCounted(unit) || isHeldOut(table, unit));
  const visit = (see: See): void => {
    for (const unit of parts.units()) if (isIn(unit)) see(unit, parts.x(unit), parts.y(unit));
  };
  const form = formOf(visit);
  const preMs = definition.metrics[metric]?.preMs;
  return (
    (preMs === undefined ? undefined : adjusted(parts, visit, table.armCount, strata)) ?? { form, visit }
  );
}

export function isHeldOut(table: UnitTable, unit: ExposedUnit): boolean {
  return unit.arm === table.armCount && !table.isLeftOutBot(unit) && !unit.isForcedAway;
}

function partsOf(definition: ExperimentDefinition, metric: number, table: UnitTable): UnitParts {
  const source = definition.metrics[metric]?.source;
  const isBandit = definition.kind === 'bandit';
  const part = (which: number) => (unit: ExposedUnit) => valueOf(unit, metric, which);
  if (source?.kind === 'ratio') {
    const [numerator, denominator] = [source.numerator, source.denominator].map((name) =>
      partsOf(
        definition,
        definition.metrics.findIndex((each) => each.name === name),
        table,
      ),
    ) as [UnitParts, UnitParts];
    return { ...numerator, units: () => table.all(), x: denominator.y, preX: denominator.preY };
  }
  if (source?.kind === 'events') {
    const weight = (unit: ExposedUnit): number =>
      isBandit && unit.arm < table.armCount ? 1 / unit.propensity : 1;
    return {
      units: () => table.firsts(),
      y: (unit) => weight(unit) * valueOf(unit, metric, SUM),
      x: weight,
      preY: part(PRE_SUM),
      preX: () => 1,
    };
  }
  return {
    units: () => table.all(),
    y: part(SUM),
    x: part(WEIGHT),
    preY: part(PRE_SUM),
    preX: part(PRE_WEIGHT),
  };
}

function formOf(visit: (see: See) => void): MetricForm {
  let isSingle = true;
  let isBinary = true;
  visit((_, x, y) => {
    isSingle &&= x === 1;
    isBinary &&= y === 0 || y === 1;
  });
  if (!isSingle) return 'ratio';
  return isBinary ? 'proportion' : 'mean';
}

/**
 * A ratio is a sum over units of (y - R x) / mean x, plus R: that of each arm in each stratum, and, of the values before,
 * that of all together. It is linear, so CUPED works on it as on a mean.
 * @returns undefined where no unit has a value of before, or all have the same
 */
function adjusted(
  { preX, preY }: UnitParts,
  visit: (see: See) => void,
  armCount: number,
  strata: Strata,
): MetricSample | undefined {
  const cells = armCount * strata.count;
  const cellOf = (unit: ExposedUnit): number =>
    unit.arm === armCount ? cells : strata.of(unit) * armCount + unit.arm;
  const now = Array.from({ length: cells + 1 }, () => createBivariateMoments());
  const before = createBivariateMoments();
  visit((unit, x, y) => {
    now[cellOf(unit)]?.add(x, y);
    before.add(preX(unit), preY(unit));
  });
  const linears = now.map((each) => linearOf(each.moments()));
  const linearBefore = linearOf(before.moments());
  if (linearBefore === undefined) return undefined;
  let isVaried = false;
  const visitAdjusted = (see: See): void => {
    visit((unit, x, y) => {
      const linear = linears[cellOf(unit)];
      if (linear !== undefined) see(unit, linearBefore(preX(unit), preY(unit)), linear(x, y));
    });
  };
  let first: number | undefined;
  visitAdjusted((_, x) => {
    first ??= x;
    isVaried ||= x !== first;
  });
  return isVaried ? { form: 'adjusted', visit: visitAdjusted } : undefined;
}

function linearOf({ meanX, meanY }: BivariateMoments): ((x: number, y: number) => number) | undefined {
  if (!(meanX > 0)) return undefined;
  const ratio = meanY / meanX;
  return (x, y) => (y - ratio * x) / meanX + ratio;
}

/** @param groupOf the group of a unit, or -1 */
export function groupMoments(
  sample: MetricSample,
  groupCount: number,
  groupOf: (unit: ExposedUnit) => number,
): BivariateMoments[] {
  const groups = Array.from({ length: groupCount }, () => createBivariateMoments());
  sample.visit((unit, x, y) => groups[groupOf(unit)]?.add(x, y));
  return groups.map((each) => each.moments());
}

const isEnough = ({ n }: BivariateMoments): boolean => n >= 2;

/** One for each group that are to be compared; undefined where there are too few units to say how they vary. */
export function summariesOf(form: MetricForm, groups: readonly BivariateMoments[]): (Summary | undefined)[] {
  if (form === 'adjusted') {
    const { summaries } = groups.some(isEnough) ? cuped(groups.filter(isEnough)) : { summaries: [] };
    let next = 0;
    return groups.map((group) => (isEnough(group) ? summaries[next++] : undefined));
  }
  return groups.map((group) => {
    if (!isEnough(group)) return undefined;
    if (form === 'ratio') return group.meanX > 0 ? ratioMetric(group) : undefined;
    return summaryOfMoments(momentsOfY(group));
  });
}

/** The share of the variance that CUPED takes away. */
export function varianceReduction(form: MetricForm, groups: readonly BivariateMoments[]): number | undefined {
  const enough = groups.filter(isEnough);
  return form === 'adjusted' && enough.length > 0 ? 1 - cuped(enough).varianceLeft : undefined;
}
