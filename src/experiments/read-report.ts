/**
 * Reads the report of an experiment out of the logs: the exposures of the prediction log, then its predictions with what
 * came of them, then the event log if a metric asks for it. Each is a stream; in memory are the units (unit-table.ts), the
 * names of units of other experiments, and the feedback of one partition.
 */
import type { EventLog } from '../events/event-log.ts';
import { readExposures } from '../events/joined-predictions.ts';
import { createBivariateMoments } from '../stats/bivariate-moments.ts';
import { createOtherExposures } from './collisions.ts';
import { compareArms, fixedTest } from './compare-arms.ts';
import type { ArmResult } from './compare-arms.ts';
import { comparedStrata, strataFrom } from './compared-strata.ts';
import { conclude } from './conclude.ts';
import type { JudgedContrast } from './conclude.ts';
import { crossingsOf } from './crossings.ts';
import type { ExperimentDefinition } from './definition.ts';
import { groupMoments, isHeldOut, sampleOf, summariesOf, varianceReduction } from './metric-sample.ts';
import type { MetricSample } from './metric-sample.ts';
import { needsEvents, readEvents } from './read-events.ts';
import type { EventSource } from './read-events.ts';
import { readOutcomes } from './read-outcomes.ts';
import type {
  ArmUnits,
  ExperimentReport,
  MetricReport,
  OtherRun,
  UnitCounts,
  UnitOutcomes,
} from './report.ts';
import { sampleRatio } from './sample-ratio.ts';
import { strataOf } from './strata.ts';
import type { Strata } from './strata.ts';
import { createTimeLine, runningIntervals, runningUnits } from './time-line.ts';
import type { TimeLine } from './time-line.ts';
import { createUnitTable } from './unit-table.ts';
import type { ExposureFilter, UnitTable } from './unit-table.ts';
import { weightedArms } from './weighted-arms.ts';

export interface ReportSources {
  readonly predictions: EventLog;
  /** Undefined where no metric asks for events, or there is no log of them. */
  readonly events: EventSource | undefined;
}

export interface ReportOptions extends ExposureFilter {
  /** Other experiments of the project, for the order of their variants. */
  readonly others: readonly ExperimentDefinition[];
  /** The only other experiment that is compared with; undefined = all that have the same units. */
  readonly against: string | undefined;
}

/** Told while a log is read, as `step`. */
export type OnProgress = (done: number, total: number, step: string) => void;

/** @throws MillraceError STORE_FAILED */
export async function readReport(
  definition: ExperimentDefinition,
  { predictions, events: source }: ReportSources,
  options: ReportOptions,
  onProgress: OnProgress = () => {},
): Promise<ExperimentReport> {
  const { others, against, ...asked } = options;
  const filter = { ...asked, versions: asked.versions ?? definition.versions };
  const table = createUnitTable(definition, filter);
  const otherExposures = createOtherExposures(definition, others, against, filter);
  const during = (step: string) => (done: number, total: number) => onProgress(done, total, step);
  for await (const exposure of readExposures(predictions, during('exposures'))) {
    if (exposure.experiment === definition.name) table.expose(exposure);
    else otherExposures.note(exposure);
  }
  table.settle();
  const outcomes = await readOutcomes(predictions, definition, filter, table, during('predictions'));
  const events =
    source === undefined || !needsEvents(definition.metrics)
      ? undefined
      : await readEvents(source, definition.metrics, filter, table, during('events'));
  const strata = strataOf(definition, table);
  const samples = samplesOf(definition, table, strata, events !== undefined);
  const timeLine = createTimeLine(table);
  const ratio = sampleRatio(definition, table);
  const { kind, name, endpoint, alpha } = definition;
  const arms = armsOf(definition, table, strata);
  return {
    kind,
    name,
    endpoint,
    alpha,
    filter,
    otherRuns: otherRunsOf(definition, filter.versions),
    ...timesOf(table),
    isStratified: strata.count > 1,
    units: countUnits(table),
    arms,
    crossings: crossingsOf(arms),
    holdout: holdoutOf(table),
    sampleRatio: ratio,
    running: runningUnits(timeLine, table),
    outcomes,
    events,
    metrics: metricsOf(definition, { table, strata, timeLine, samples }, ratio.isMismatch),
    metricsWithoutEvents: definition.metrics
      .map((metric) => metric.name)
      .filter((each) => !samples.some((sample) => sample.name === each)),
    collisions: otherExposures.collisions(table, samples),
  };
}

/** Of the same name, of which this report has nothing. */
function otherRunsOf(
  { olderRuns = [] }: ExperimentDefinition,
  versions: ReadonlySet<number> | undefined,
): OtherRun[] {
  return olderRuns.flatMap(({ kind, versions: own }): OtherRun[] => {
    const all = [...(own ?? [])].toSorted((a, b) => a - b);
    return all.some((version) => versions?.has(version) === true) ? [] : [{ kind, versions: all }];
  });
}

interface NamedSample {
  readonly index: number;
  readonly name: string;
  readonly sample: MetricSample;
}

/** Without the event log, metrics of events would all be 0: they are left out. */
function samplesOf(
  definition: ExperimentDefinition,
  table: UnitTable,
  strata: Strata,
  hasEvents: boolean,
): NamedSample[] {
  const { metrics } = definition;
  const isMissing = (name: string): boolean => {
    const source = metrics.find((metric) => metric.name === name)?.source;
    if (source?.kind === 'ratio') return isMissing(source.numerator) || isMissing(source.denominator);
    return source?.kind === 'events' && !hasEvents;
  };
  return metrics.flatMap(({ name }, index) =>
    isMissing(name) ? [] : [{ index, name, sample: sampleOf(definition, index, table, strata) }],
  );
}

interface ReadUnits {
  readonly table: UnitTable;
  readonly strata: Strata;
  readonly timeLine: TimeLine;
  readonly samples: readonly NamedSample[];
}

function metricsOf(
  definition: ExperimentDefinition,
  { table, strata, timeLine, samples }: ReadUnits,
  isBlocked: boolean,
): MetricReport[] {
  const { armCount } = table;
  const { alpha } = definition;
  const compared = samples.map(({ index, sample }) => {
    const metric = definition.metrics[index] as ExperimentDefinition['metrics'][number];
    const cells = armCount * strata.count;
    const groups = groupMoments(sample, cells + 1, (unit) =>
      unit.arm === armCount ? cells : strata.of(unit) * armCount + unit.arm,
    );
    const arms = groups.slice(0, cells);
    const heldOut = groups.slice(cells);
    return {
      metric,
      sample,
      heldOut: heldOut[0]?.n === 0 ? undefined : { units: heldOut[0]?.n ?? 0, mean: meanOf(sample, heldOut) },
      reduction: varianceReduction(sample.form, arms),
      weighted: weightedArms(definition, index, sample),
      ...compareArms(sample.form, strataFrom(sample.form, arms, armCount), metric.goal, alpha),
    };
  });
  const judged = conclude(
    compared.map(({ metric: { goal }, contrasts }) => ({ goal, contrasts })),
    alpha,
    isBlocked,
  );
  return compared.map(({ metric, sample, arms, heldOut, reduction, weighted }, i) => {
    const { name, goal, source, preMs } = metric;
    const contrasts = judged[i] ?? [];
    const running = runningIntervals(timeLine, sample, { armCount, strata }, alpha);
    return {
      name,
      goal,
      source,
      preMs,
      form: sample.form,
      arms: isBlocked ? arms.map(withoutWinner) : arms,
      holdout: heldOut,
      contrasts,
      versionsLeftOut: versionsLeftOut(strata, contrasts),
      running: contrasts.map(({ arm }) => running[arm - 1] ?? []),
      varianceReduction: reduction,
      weighted,
    };
  });
}

/** Under which an arm has too few units, so that they are not in every difference. */
function versionsLeftOut({ versions, count }: Strata, contrasts: readonly JudgedContrast[]): number[] {
  if (count < 2) return [];
  return versions.filter((_, i) => contrasts.some(({ strata }) => !strata.includes(i)));
}

/** Of arms that are not what they should be none is the best. */
function withoutWinner(arm: ArmResult): ArmResult {
  return { ...arm, chanceBest: undefined, expectedLoss: undefined };
}

/** As it is: CUPED is for what is compared. */
function meanOf({ form }: MetricSample, groups: Parameters<typeof summariesOf>[1]): number | undefined {
  return summariesOf(form === 'adjusted' ? 'mean' : form, groups)[0]?.mean;
}

function timesOf(
  table: UnitTable,
): Pick<ExperimentReport, 'versions' | 'firstExposureMs' | 'lastExposureMs'> {
  const versions = new Set<number>();
  let first = Infinity;
  let last = -Infinity;
  for (const { version, firstMs } of table.all()) {
    versions.add(version);
    first = Math.min(first, firstMs);
    last = Math.max(last, firstMs);
  }
  const isEmpty = versions.size === 0;
  return {
    versions: [...versions].toSorted((a, b) => a - b),
    firstExposureMs: isEmpty ? undefined : first,
    lastExposureMs: isEmpty ? undefined : last,
  };
}

function countUnits(table: UnitTable): UnitCounts {
  const counts = { exposed: 0, counted: 0, crossed: 0, bots: 0, forcedAway: 0, random: 0, elsewhere: 0 };
  for (const unit of table.firsts()) {
    counts.exposed++;
    if (table.isCounted(unit)) {
      counts.counted++;
      if (unit.isCrossed) counts.crossed++;
    }
    if (unit.isBot) counts.bots++;
    if (unit.isForcedAway) counts.forcedAway++;
    if (unit.how === 'random') counts.random++;
    if (unit.arm < 0) counts.elsewhere++;
  }
  return { ...counts, forced: table.forcedUnits() };
}

function armsOf({ arms, alpha }: ExperimentDefinition, table: UnitTable, strata: Strata): ArmUnits[] {
  const counts = arms.map(() => ({ units: 0, predictions: 0, withOutcome: 0, crossed: 0, bots: 0 }));
  const told = Array.from({ length: strata.count * arms.length }, () => createBivariateMoments());
  for (const unit of table.all()) {
    const count = counts[unit.arm];
    if (count === undefined) continue;
    if (table.isLeftOutBot(unit)) count.bots++;
    else if (table.isCounted(unit)) {
      count.units++;
      if (unit.isCrossed) count.crossed++;
      count.predictions += unit.predictions;
      count.withOutcome += unit.withOutcome;
      const cell = strata.of(unit) * arms.length + unit.arm;
      if (unit.predictions > 0) told[cell]?.add(unit.predictions, unit.withOutcome);
    }
  }
  const known = strataFrom(
    'ratio',
    told.map((each) => each.moments()),
    arms.length,
  );
  return arms.map((arm, i) => {
    const compared = i === 0 ? [] : comparedStrata(known, [0, i]);
    const outcomeP = compared.length === 0 ? undefined : fixedTest('ratio', compared, alpha).p;
    return { ...arm, ...(counts[i] as (typeof counts)[0]), outcomeP };
  });
}

function holdoutOf(table: UnitTable): UnitOutcomes | undefined {
  const holdout = { units: 0, predictions: 0, withOutcome: 0 };
  for (const unit of table.all()) {
    if (!isHeldOut(table, unit)) continue;
    holdout.units++;
    holdout.predictions += unit.predictions;
    holdout.withOutcome += unit.withOutcome;
  }
  return holdout.units === 0 ? undefined : holdout;
}
