/** Adds up, for each unit, what came of its predictions: since its first exposure, and before it. */
import type { EventLog } from '../events/event-log.ts';
import { joinPredictions } from '../events/joined-predictions.ts';
import type { JoinedPrediction, OnRead } from '../events/joined-predictions.ts';
import type { Metric } from '../project/rollout.ts';
import type { ExperimentDefinition } from './definition.ts';
import { metricValues } from './metric-value.ts';
import type { MetricValues } from './metric-value.ts';
import { COUNT, PRE_SUM, PRE_WEIGHT, SUM, WEIGHT } from './unit-table.ts';
import type { ExposedUnit, ExposureFilter, UnitTable } from './unit-table.ts';

export interface OutcomeCounts {
  /** Of this experiment, whatever is left out of them. */
  readonly predictions: number;
  readonly withOutcome: number;
  /** A tester asked for the variant. */
  readonly forced: number;
  /** The log does not have the first exposure of their unit (any more), or it is before the time that is looked at. */
  readonly withoutExposure: number;
  /** Outcomes that say nothing in numbers. */
  readonly unusable: number;
  /** Of the whole log: feedback without its prediction, or its row. */
  readonly unmatched: number;
  readonly unreadable: number;
  /** Of the first record that cannot be read. */
  readonly problem: string;
}

interface PredictionMetric {
  readonly index: number;
  readonly preMs: number | undefined;
  readonly valuesOf: (prediction: JoinedPrediction) => MetricValues;
}

/** @throws MillraceError STORE_FAILED */
export async function readOutcomes(
  log: EventLog,
  definition: ExperimentDefinition,
  filter: ExposureFilter,
  table: UnitTable,
  onRead: OnRead = () => {},
): Promise<OutcomeCounts> {
  const counts = { ...noCounts };
  const metrics = definition.metrics.flatMap(predictionMetric);
  const preMsMax = Math.max(0, ...metrics.map(({ preMs = 0 }) => preMs));
  const isBandit = definition.kind === 'bandit';

  function addOutcomes(unit: ExposedUnit, prediction: JoinedPrediction): void {
    // In a bandit chances change all the time: what was likely counts less.
    const weight = isBandit ? 1 / prediction.propensity : 1;
    for (const { index, valuesOf } of metrics) {
      const { values, unusable } = valuesOf(prediction);
      counts.unusable += unusable;
      for (const value of values) {
        table.add(unit, index, SUM, weight * value);
        table.add(unit, index, WEIGHT, weight);
        table.add(unit, index, COUNT, 1);
      }
    }
  }

  function addOwn(prediction: JoinedPrediction, unitName: string): void {
    const unit = table.find(unitName, prediction.variant);
    const hasOutcome = prediction.feedback.length > 0;
    counts.predictions++;
    if (hasOutcome) counts.withOutcome++;
    if (unit === undefined) {
      counts.withoutExposure++;
      return;
    }
    const isOwn =
      unit.arm === definition.arms.length || definition.arms[unit.arm]?.variant === prediction.variant;
    if (!isOwn) table.cross(unit);
    table.addPrediction(unit, hasOutcome);
    addOutcomes(unit, prediction);
  }

  function addEarlier(prediction: JoinedPrediction): void {
    const name = unitNameOf(prediction, definition);
    const unit = name === undefined ? undefined : table.findFirst(name);
    if (unit === undefined) return;
    const agoMs = unit.firstMs - prediction.timeMs;
    for (const { index, preMs = 0, valuesOf } of metrics) {
      if (agoMs <= 0 || agoMs > preMs) continue;
      for (const value of valuesOf(prediction).values) {
        table.add(unit, index, PRE_SUM, value);
        table.add(unit, index, PRE_WEIGHT, 1);
      }
    }
  }

  for await (const record of joinPredictions(log, onRead)) {
    if (record.kind === 'unmatched') counts.unmatched++;
    if (record.kind === 'unreadable' && counts.unreadable++ === 0) counts.problem = record.problem;
    if (record.kind !== 'prediction' || record.endpoint !== definition.endpoint) continue;
    if (record.timeMs >= filter.toMs) continue;
    const { assignment } = record;
    if (assignment?.experiment !== definition.name) {
      if (preMsMax > 0) addEarlier(record);
    } else if (assignment.how === 'forced') counts.forced++;
    else if (filter.versions?.has(assignment.policyVersion) ?? true) addOwn(record, assignment.unit);
  }
  return counts;
}

const noCounts = {
  predictions: 0,
  withOutcome: 0,
  forced: 0,
  withoutExposure: 0,
  unusable: 0,
  unmatched: 0,
  unreadable: 0,
  problem: '',
};

function predictionMetric({ source, preMs }: Metric, index: number): PredictionMetric[] {
  if (source.kind !== 'feedback' && source.kind !== 'score') return [];
  return [{ index, preMs, valuesOf: (prediction) => metricValues(source, prediction) }];
}

/** Before an experiment nothing was assigned; then the unit is in the request, if it is a field that is kept. */
function unitNameOf(
  { assignment, rows }: JoinedPrediction,
  { unit }: ExperimentDefinition,
): string | undefined {
  if (assignment !== undefined) return assignment.unit;
  const value = unit?.kind === 'field' ? (rows[0]?.fields[unit.name] ?? null) : null;
  return value === null || typeof value === 'object' ? undefined : String(value);
}
