/**
 * Reads the report of an experiment out of the logs: the exposures of the prediction log, then its predictions with what
 * came of them, then the event log if a metric asks for it. Each is a stream; in memory are the units (unit-table.ts), the
 * names of units of other experiments, and the feedback of one partition.
 */
import type { EventLog } from '../events/event-log.ts';
import { readExposures } from '../events/joined-predictions.ts';
import { createBivariateMoments } from '../stats/bivariate-moments.ts';
import { welchTest } from '../stats/contrast.ts';
import { createOtherExposures } from './collisions.ts';
import { compareArms } from './compare-arms.ts';
import type { ArmResult } from './compare-arms.ts';
import { conclude } from './conclude.ts';
import type { ExperimentDefinition } from './definition.ts';
import { groupMoments, isHeldOut, sampleOf, summariesOf, varianceReduction } from './metric-sample.ts';
import type { MetricSample } from './metric-sample.ts';
import { needsEvents, readEvents } from './read-events.ts';
import type { EventSource } from './read-events.ts';
import { readOutcomes } from './read-outcomes.ts';
import type { ArmUnits, ExperimentReport, MetricReport, UnitCounts, UnitOutcomes } from './report.ts';
import { sampleRatio } from './sample-ratio.ts';
import { createTimeLine, runningIntervals, runningUnits } from './time-line.ts';
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
  const { others, against, ...filter } = options;
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
  const samples = samplesOf(definition, table, events !== undefined);
  const ratio = sampleRatio(definition, table);
  const { kind, name, endpoint, alpha } = definition;
  return {
    kind,
    name,
    endpoint,
    alpha,
    filter,
    ...timesOf(table),
    units: countUnits(table),
    arms: armsOf(definition, table),
    holdout: holdoutOf(table),
    sampleRatio: ratio,
    running: runningUnits(createTimeLine(table), table),
    outcomes,
    events,
    metrics: metricsOf(definition, table, samples, ratio.isMismatch),
    metricsWithoutEvents: definition.metrics
      .map((metric) => metric.name)
      .filter((each) => !samples.some((sample) => sample.name === each)),
    collisions: otherExposures.collisions(table, samples),
  };
}

interface NamedSample {
  readonly index: number;
  readonly name: string;
  readonly sample: MetricSample;
}

/** Without the event log, metrics of events would all be 0: they are left out. */
function samplesOf(definition: ExperimentDefinition, table: UnitTable, hasEvents: boolean): NamedSample[] {
  const { metrics } = definition;
  const isMissing = (name: string): boolean => {
    const source = metrics.find((metric) => metric.name === name)?.source;
    if (source?.kind === 'ratio') return isMissing(source.numerator) || isMissing(source.denominator);
    return source?.kind === 'events' && !hasEvents;
  };
  return metrics.flatMap(({ name }, index) =>
    isMissing(name) ? [] : [{ index, name, sample: sampleOf(definition, index, table) }],
  );
}

function metricsOf(
  definition: ExperimentDefinition,
  table: UnitTable,
  samples: readonly NamedSample[],
  isBlocked: boolean,
): MetricReport[] {
  const { armCount } = table;
  const { alpha } = definition;
  const timeLine = createTimeLine(table);
  const compared = samples.map(({ index, sample }) => {
    const metric = definition.metrics[index] as ExperimentDefinition['metrics'][number];
    const groups = groupMoments(sample, armCount + 1, ({ arm }) => arm);
    const arms = groups.slice(0, armCount);
    const heldOut = groups.slice(armCount);
    return {
      metric,
      sample,
      heldOut: heldOut[0]?.n === 0 ? undefined : { units: heldOut[0]?.n ?? 0, mean: meanOf(sample, heldOut) },
      reduction: varianceReduction(sample.form, arms),
      weighted: weightedArms(definition, index, sample),
      ...compareArms(sample.form, arms, metric.goal, alpha),
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
    const running = runningIntervals(timeLine, sample, armCount, alpha);
    return {
      name,
      goal,
      source,
      preMs,
      form: sample.form,
      arms: isBlocked ? arms.map(withoutWinner) : arms,
      holdout: heldOut,
      contrasts,
      running: contrasts.map(({ arm }) => running[arm - 1] ?? []),
      varianceReduction: reduction,
      weighted,
    };
  });
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
  const counts = { exposed: 0, counted: 0, crossed: 0, bots: 0, random: 0, elsewhere: 0 };
  for (const unit of table.firsts()) {
    counts.exposed++;
    if (table.isCounted(unit)) counts.counted++;
    if (unit.isBot) counts.bots++;
    else if (unit.isCrossed) counts.crossed++;
    if (unit.how === 'random') counts.random++;
    if (unit.arm < 0) counts.elsewhere++;
  }
  return { ...counts, forced: table.forcedUnits() };
}

function armsOf({ arms, alpha }: ExperimentDefinition, table: UnitTable): ArmUnits[] {
  const counts = arms.map(() => ({ units: 0, predictions: 0, withOutcome: 0, crossed: 0, bots: 0 }));
  const coverage = arms.map(() => createBivariateMoments());
  for (const unit of table.all()) {
    const count = counts[unit.arm];
    if (count === undefined) continue;
    if (table.isLeftOutBot(unit)) count.bots++;
    else if (unit.isCrossed) count.crossed++;
    else {
      count.units++;
      count.predictions += unit.predictions;
      count.withOutcome += unit.withOutcome;
      if (unit.predictions > 0) coverage[unit.arm]?.add(unit.predictions, unit.withOutcome);
    }
  }
  const [control, ...treatments] = summariesOf(
    'ratio',
    coverage.map((each) => each.moments()),
  );
  const ps = treatments.map((treatment) =>
    control === undefined || treatment === undefined ? undefined : welchTest(control, treatment, alpha).p,
  );
  return arms.map((arm, i) => ({ ...arm, ...(counts[i] as (typeof counts)[0]), outcomeP: ps[i - 1] }));
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
