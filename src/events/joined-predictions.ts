/**
 * Predictions with what came of them, out of the prediction log: for reports, and for training.
 *
 * A prediction and its feedback lie in one partition, in any order: feedback may be there before the prediction is
 * written. So each partition is read twice, first for the feedback, then for the predictions. In memory are the
 * feedback of one partition and a few blocks. What is appended after the first read is not seen.
 */
import type { AssignmentHow } from '../project/rollout.ts';
import type { AcceptedEvent } from './event.ts';
import type { EventLog, LogRecord } from './event-log.ts';
import { exposureType, feedbackType, predictionType } from './prediction-events.ts';
import type { BlockShape, LoggedAssignment, LoggedValue, RecordParts } from './prediction-events.ts';

/** What came of a request, or of one of its rows. */
export interface Feedback {
  readonly id: string;
  readonly requestId: string;
  /** Undefined = the request as a whole. */
  readonly row: number | undefined;
  readonly label: string | number | boolean | undefined;
  readonly reward: number | undefined;
  readonly click: boolean | undefined;
  readonly timeMs: number;
}

export interface LoggedFeatures {
  readonly binding: string;
  readonly view: string;
  /** At the time of the prediction, or at its `as_of`; undefined = missing, or too old. */
  readonly ageMs: number | undefined;
  readonly values: Readonly<Record<string, LoggedValue>>;
}

export interface LoggedRow {
  readonly fields: Readonly<Record<string, LoggedValue>>;
  /** By binding: the join keys' values; one that is missing, or was left out, has no entry. */
  readonly keys: Readonly<Record<string, readonly LoggedValue[]>>;
  readonly outputs: Readonly<Record<string, LoggedValue>>;
  /** Undefined = not in the sample of requests that have them. */
  readonly features: readonly LoggedFeatures[] | undefined;
  /** Of this row, and of the request as a whole, in the order in which they came. */
  readonly feedback: readonly Feedback[];
}

export interface JoinedPrediction {
  readonly kind: 'prediction';
  readonly requestId: string;
  readonly endpoint: string;
  readonly variant: string;
  readonly model: string;
  readonly version: string;
  readonly timeMs: number;
  readonly asOfMs: number | undefined;
  readonly latencyMs: number;
  readonly propensity: number;
  /** Undefined = no experiment, canary or bandit had a say. */
  readonly assignment: Assignment | undefined;
  readonly rows: readonly LoggedRow[];
  /** Of all its rows, and of the request as a whole, in the order in which they came. */
  readonly feedback: readonly Feedback[];
}

/** Why a variant answered. */
export interface Assignment {
  readonly experiment: string;
  readonly policyVersion: number;
  readonly unit: string;
  readonly how: AssignmentHow;
  readonly isBot: boolean;
}

/** A unit was given a variant, for the first time under a version of the rollout. */
export interface Exposure extends Assignment {
  readonly kind: 'exposure';
  readonly endpoint: string;
  readonly variant: string;
  readonly propensity: number;
  readonly requestId: string;
  readonly timeMs: number;
}

/** The log has no such request (any more, or not yet, or it is not in the sample), or the request no such row. */
export interface UnmatchedFeedback {
  readonly kind: 'unmatched';
  readonly reason: 'no_prediction' | 'no_row';
  readonly feedback: Feedback;
}

export interface UnreadableRecord {
  readonly kind: 'unreadable';
  readonly partition: number;
  readonly offset: number;
  readonly problem: string;
}

export type JoinedRecord = JoinedPrediction | Exposure | UnmatchedFeedback | UnreadableRecord;

const READ_LIMITS = { recordsMax: 256, bytesMax: 4 * 1024 * 1024 };

/** Told after each read: how many records are read of how many. Each is read twice, and counts twice. */
export type OnRead = (done: number, total: number) => void;

/** @throws MillraceError STORE_FAILED */
export async function* joinPredictions(
  log: EventLog,
  onRead: OnRead = () => {},
): AsyncGenerator<JoinedRecord> {
  const sizes = await log.sizes();
  const total = 2 * sizes.reduce((sum, { firstOffset, nextOffset }) => sum + nextOffset - firstOffset, 0);
  let done = 0;
  const onRecords = (count: number): void => onRead((done += count), total);
  for (const [partition, { firstOffset, nextOffset }] of sizes.entries()) {
    const range = { from: firstOffset, to: nextOffset, onRecords };
    const feedbackOf = await readFeedback(log, partition, range);
    for await (const record of records(log, partition, range)) {
      if (record.event?.type.name === feedbackType.name) continue;
      yield* joinRecord(record, partition, feedbackOf);
    }
    for (const feedback of [...feedbackOf.values()].flat())
      yield { kind: 'unmatched', reason: 'no_prediction', feedback };
  }
}

/**
 * The exposures alone: each record is read once, and predictions are not taken apart.
 * @throws MillraceError STORE_FAILED
 */
export async function* readExposures(log: EventLog, onRead: OnRead = () => {}): AsyncGenerator<Exposure> {
  const sizes = await log.sizes();
  const total = sizes.reduce((sum, { firstOffset, nextOffset }) => sum + nextOffset - firstOffset, 0);
  let done = 0;
  const onRecords = (count: number): void => onRead((done += count), total);
  for (const [partition, { firstOffset, nextOffset }] of sizes.entries()) {
    const range = { from: firstOffset, to: nextOffset, onRecords };
    for await (const { event } of records(log, partition, range))
      if (event?.type.name === exposureType.name) yield exposureFrom(event);
  }
}

interface OffsetRange {
  readonly from: number;
  readonly to: number;
  readonly onRecords: (count: number) => void;
}

async function* records(
  log: EventLog,
  partition: number,
  { from, to, onRecords }: OffsetRange,
): AsyncGenerator<LogRecord> {
  for (let offset = from; offset < to;) {
    const read = await log.read(partition, offset, READ_LIMITS);
    for (const record of read.records) if (record.offset < to) yield record;
    // Nothing is left of what was there: it was dropped meanwhile.
    if (read.nextOffset === offset) return;
    onRecords(Math.min(read.nextOffset, to) - offset);
    offset = read.nextOffset;
  }
}

async function readFeedback(
  log: EventLog,
  partition: number,
  range: OffsetRange,
): Promise<Map<string, Feedback[]>> {
  const feedbackOf = new Map<string, Feedback[]>();
  for await (const { event } of records(log, partition, range)) {
    if (event?.type.name !== feedbackType.name) continue;
    const feedback = feedbackFrom(event);
    const known = feedbackOf.get(feedback.requestId);
    if (known === undefined) feedbackOf.set(feedback.requestId, [feedback]);
    else known.push(feedback);
  }
  return feedbackOf;
}

function feedbackFrom({ id, timeMs, values }: AcceptedEvent): Feedback {
  const [requestId, row, label, reward, click] = values;
  return {
    id,
    requestId: requestId as string,
    row: (row as number | null) ?? undefined,
    label: typeof label === 'string' ? (JSON.parse(label) as string | number | boolean) : undefined,
    reward: (reward as number | null) ?? undefined,
    click: (click as boolean | null) ?? undefined,
    timeMs,
  };
}

/** The predictions of a block; takes their feedback out of the map. */
function* joinRecord(
  { event, offset, problem }: LogRecord,
  partition: number,
  feedbackOf: Map<string, Feedback[]>,
): Generator<JoinedRecord> {
  if (event?.type.name === exposureType.name) {
    yield exposureFrom(event);
    return;
  }
  if (event?.type.name !== predictionType.name) {
    yield { kind: 'unreadable', partition, offset, problem: problem ?? 'it is no event of this log' };
    return;
  }
  const [endpoint, variant, model, version, shapeJson, , lines] = event.values as readonly string[];
  const named = { endpoint, variant, model, version } as BlockNames;
  const shape = JSON.parse(shapeJson as string) as BlockShape;
  for (const line of (lines as string).split('\n')) {
    const parts = JSON.parse(line) as RecordParts;
    const [requestId] = parts;
    const feedback = feedbackOf.get(requestId) ?? [];
    feedbackOf.delete(requestId);
    const prediction = predictionFrom(named, shape, parts, feedback);
    yield prediction;
    for (const each of feedback)
      if ((each.row ?? 0) >= prediction.rows.length)
        yield { kind: 'unmatched', reason: 'no_row', feedback: each };
  }
}

type BlockNames = Pick<JoinedPrediction, 'endpoint' | 'variant' | 'model' | 'version'>;

function predictionFrom(
  named: BlockNames,
  shape: BlockShape,
  [requestId, timeMs, asOfMs, latencyMs, propensity, rows, outputs, features, assignment]: RecordParts,
  feedback: readonly Feedback[],
): JoinedPrediction {
  return {
    kind: 'prediction',
    requestId,
    ...named,
    timeMs,
    asOfMs: asOfMs ?? undefined,
    latencyMs,
    propensity,
    assignment: assignmentFrom(assignment),
    rows: rows.map((values, r): LoggedRow => {
      const fields = byName(shape.fields, values);
      return {
        fields,
        keys: keysFrom(shape, fields),
        outputs: byName(shape.outputs, outputs[r] ?? []),
        features: features === null ? undefined : featuresFrom(shape, features[r] ?? []),
        feedback: feedback.filter(({ row }) => row === undefined || row === r),
      };
    }),
    feedback: feedback.filter(({ row }) => row === undefined || row < rows.length),
  };
}

function assignmentFrom(logged: LoggedAssignment | null | undefined): Assignment | undefined {
  if (logged === null || logged === undefined) return undefined;
  const [experiment, policyVersion, unit, how, isBot] = logged;
  return { experiment, policyVersion, unit, how, isBot };
}

function exposureFrom({ values, timeMs }: AcceptedEvent): Exposure {
  const [experiment, endpoint, policyVersion, unit, variant, propensity, how, isBot, requestId] = values;
  return {
    kind: 'exposure',
    experiment: experiment as string,
    endpoint: endpoint as string,
    policyVersion: policyVersion as number,
    unit: unit as string,
    variant: variant as string,
    propensity: propensity as number,
    how: how as AssignmentHow,
    isBot: isBot as boolean,
    requestId: requestId as string,
    timeMs,
  };
}

function byName(names: readonly string[], values: readonly LoggedValue[]): Record<string, LoggedValue> {
  return Object.fromEntries(names.map((name, i) => [name, values[i] ?? null]));
}

function keysFrom({ bindings }: BlockShape, fields: LoggedRow['fields']): LoggedRow['keys'] {
  return Object.fromEntries(
    bindings.flatMap(({ name, keyFields }) => {
      const key = keyFields.map((field) => fields[field] ?? null);
      return key.includes(null) ? [] : [[name, key]];
    }),
  );
}

function featuresFrom({ reads }: BlockShape, row: readonly (readonly LoggedValue[])[]): LoggedFeatures[] {
  return reads.map(({ binding, view, features }, i) => {
    const [ageMs = null, ...values] = row[i] ?? [];
    return { binding, view, ageMs: (ageMs as number | null) ?? undefined, values: byName(features, values) };
  });
}
