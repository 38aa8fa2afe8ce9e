/**
 * The semantics of streaming features by a scan over all events: slow, obvious, and the check on the tiles. Sums are
 * exact, in fractions of integers.
 */
import { checkCondition } from '../../src/transforms/check.ts';
import { evaluate } from '../../src/transforms/interpret.ts';
import { parseExpression } from '../../src/transforms/parse.ts';
import type { Aggregation, EventType, FeatureView, SourceExpression } from '../../src/project/project.ts';
import type { Scalar, Value } from '../../src/project/value.ts';
import { exactMean, exactSum, exactVariance } from './exact-moments.ts';

export interface SampleEvent {
  readonly values: readonly Value[];
  readonly timeMs: number;
  readonly offset: number;
}

export interface ReferenceRow {
  readonly eventTimeMs: number;
  /** By index of the feature. */
  readonly values: readonly Value[];
  /** What each feature's aggregate was given, for bounds that depend on it. */
  readonly inputs: readonly (readonly Scalar[])[];
}

const MINUTE_MS = 60_000;

/** From the longest windows to the shortest: the least length, and the tile's. */
const tileSizes = [
  { windowMsMin: 12 * 24 * 60 * MINUTE_MS, tileMs: 24 * 60 * MINUTE_MS },
  { windowMsMin: 12 * 60 * MINUTE_MS, tileMs: 60 * MINUTE_MS },
  { windowMsMin: 60 * MINUTE_MS, tileMs: 5 * MINUTE_MS },
  { windowMsMin: 0, tileMs: MINUTE_MS },
];

export function referenceRow(
  view: FeatureView,
  events: readonly SampleEvent[],
  asOfMs: number,
  isHistorical: boolean,
): ReferenceRow | null {
  const { event, where } = view.stream as NonNullable<FeatureView['stream']>;
  const accepted = events.filter((each) => holds(where, event, each));
  const windows = view.features.map(({ aggregation }) =>
    eventsInWindow(accepted, (aggregation as Aggregation).windowMs, asOfMs, isHistorical),
  );
  const times = windows.flat().map(({ timeMs }) => timeMs);
  if (times.length === 0) return null;
  const inputs = view.features.map((feature, i) => {
    const aggregation = feature.aggregation as Aggregation;
    return inLogicalOrder(windows[i] ?? [])
      .filter((each) => holds(aggregation.where, event, each))
      .map(({ values }) =>
        aggregation.field === undefined ? true : (values[aggregation.field.index] ?? null),
      )
      .filter((value) => value !== null)
      .map((value) => (value === 0 ? 0 : (value as Scalar)));
  });
  const values = view.features.map(({ aggregation }, i) =>
    answer(aggregation as Aggregation, inputs[i] ?? []),
  );
  return { eventTimeMs: Math.max(...times), values, inputs };
}

function holds(condition: SourceExpression | undefined, event: EventType, { values }: SampleEvent): boolean {
  if (condition === undefined) return true;
  const fields = new Map(event.fields.map((field) => [field.name, field]));
  const typed = checkCondition(parseExpression(condition.text), { event: fields });
  return evaluate(typed, { request: [], event: values, rows: new Map(), asOfMs: NaN }) === true;
}

function eventsInWindow(
  events: readonly SampleEvent[],
  windowMs: number,
  asOfMs: number,
  isHistorical: boolean,
): SampleEvent[] {
  const tileMs = tileSizes.find(({ windowMsMin }) => windowMs >= windowMsMin)?.tileMs ?? NaN;
  const startOf = (timeMs: number): number => Math.floor(timeMs / tileMs) * tileMs;
  return events.filter(({ timeMs }) => {
    const startMs = startOf(timeMs);
    if (startMs < startOf(asOfMs - windowMs) || startMs > asOfMs) return false;
    const isKnownWhole = events.every((other) => startOf(other.timeMs) !== startMs || other.timeMs <= asOfMs);
    return !isHistorical || isKnownWhole;
  });
}

function inLogicalOrder(events: readonly SampleEvent[]): SampleEvent[] {
  return events.toSorted((a, b) => a.timeMs - b.timeMs || a.offset - b.offset);
}

/** @param inputs by event time */
function answer({ name, rank, quantile = NaN }: Aggregation, inputs: readonly Scalar[]): Value {
  const numbers = inputs.map(Number);
  switch (name) {
    case 'count':
      return inputs.length;
    case 'count_distinct':
      return new Set(inputs).size;
    case 'sum':
      return exactSum(numbers);
    case 'mean':
      return exactMean(numbers);
    case 'variance':
      return exactVariance(numbers);
    case 'min':
      return ascending(inputs)[0] ?? null;
    case 'max':
      return ascending(inputs).at(-1) ?? null;
    case 'first':
      return inputs[rank - 1] ?? null;
    case 'last':
      return inputs.at(-rank) ?? null;
    case 'top_k':
      return byFrequency(inputs)[rank - 1] ?? null;
    case 'quantile':
      return ascending(numbers)[Math.max(Math.ceil(quantile * numbers.length), 1) - 1] ?? null;
  }
}

function ascending<T extends Scalar>(values: readonly T[]): T[] {
  return values.toSorted((a, b) => (a < b ? -1 : Number(a > b)));
}

function byFrequency(inputs: readonly Scalar[]): Scalar[] {
  const countOf = (value: Scalar): number => inputs.filter((other) => other === value).length;
  return ascending([...new Set(inputs)]).toSorted((a, b) => countOf(b) - countOf(a));
}
