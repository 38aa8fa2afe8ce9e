/**
 * Replays a file of events in the order of time, and makes a row of a training table for each: the model's inputs for
 * the request that the event stands for, as they were just before it, and what came of it (the label). Only then is the
 * event taken in, so no row has seen its own event or a later one. Of events at the same time, each sees those before it
 * in the file.
 *
 * Training and serving share one code path: tiles of streaming, and Prediction up to the tensors.
 */
import { MillraceError } from '../errors.ts';
import type { RowSource } from '../features/online-store.ts';
import type { Endpoint, EventField, EventType } from '../project/project.ts';
import { decodeValue, Refusal } from '../project/value.ts';
import type { Value } from '../project/value.ts';
import type { EventFile, FileEvent } from '../streaming/event-file.ts';
import { createReplayedTiles } from '../streaming/replayed-tiles.ts';
import type { TilePlan } from '../streaming/tile-plan.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { EventCondition, EventNumber } from '../transforms/compile.ts';
import type { RequestSource } from './event-request.ts';
import { createTrainingRows } from './training-rows.ts';
import type { Cell, TrainingInputs } from './training-rows.ts';

export interface TrainingTableOptions {
  readonly events: EventFile;
  readonly type: EventType;
  readonly endpoint: Endpoint;
  /** By index of the request field. */
  readonly request: readonly RequestSource[];
  readonly model: Parameters<typeof createTrainingRows>[2];
  readonly inputs: TrainingInputs;
  /** Of the streaming views that the inputs read. */
  readonly plans: readonly TilePlan[];
  /** Rows of the other views. */
  readonly loaded: RowSource;
  readonly label: EventNumber;
  /** Events for which it does not hold get no row; they are taken in all the same. */
  readonly where: EventCondition | undefined;
  /** Fields of the event that become columns. */
  readonly keep: readonly EventField[];
  /** Events before this time get no row; they are taken in. */
  readonly fromMs: number;
  /** Reading ends at this time. */
  readonly toMs: number;
  readonly metrics: Metrics;
}

export interface TrainingRow {
  /** One per column of `trainingColumns`. */
  readonly cells: readonly Value[];
  readonly label: number | bigint | null;
}

export interface ReplayedChunk {
  /** Events that were taken in, and those that were too early to get a row too. */
  readonly events: number;
  readonly rows: readonly TrainingRow[];
}

export const AS_OF_COLUMN = 'as_of';
export const LABEL_COLUMN = 'label';

export function trainingColumns({ keep, inputs }: Pick<TrainingTableOptions, 'keep' | 'inputs'>): string[] {
  return [AS_OF_COLUMN, ...keep.map(({ name }) => name), ...inputs.columns, LABEL_COLUMN];
}

/** @throws MillraceError LOAD_FAILED, REPLAY_FAILED, STORE_FAILED */
export async function* replayEvents(options: TrainingTableOptions): AsyncGenerator<ReplayedChunk, void> {
  const { events, type, endpoint, model, inputs, plans, loaded, metrics, where, fromMs, toMs } = options;
  const tiles = createReplayedTiles(plans);
  const source: RowSource = {
    get: (view, key, asOfMs, isHistorical) =>
      view.stream === undefined ? loaded.get(view, key, asOfMs, isHistorical) : tiles.get(view, key, asOfMs),
    read: async (keys, asOfMs, isHistorical) => loaded.read(keys, asOfMs, isHistorical),
    staleMs: () => 0,
  };
  const training = createTrainingRows(inputs, endpoint, model, { source, metrics });
  let last: FileEvent | undefined;
  for await (const chunk of events.chunks()) {
    const rows: TrainingRow[] = [];
    let count = 0;
    let isOver = false;
    for (const event of chunk) {
      if (last !== undefined && event.timeMs < last.timeMs) throw unordered(event, last);
      last = event;
      isOver = event.timeMs >= toMs;
      if (isOver) break;
      if (event.timeMs >= fromMs && (where === undefined || where(event.values))) {
        const request = requestOf(options, event);
        rows.push(trainingRow(options, event, await training.row(request, event.timeMs)));
      }
      tiles.apply({ type, values: event.values }, event.timeMs);
      count += 1;
    }
    yield { events: count, rows };
    if (isOver) return;
  }
}

function trainingRow(
  { keep, label }: TrainingTableOptions,
  { timeMs, values }: FileEvent,
  inputs: readonly Cell[],
): TrainingRow {
  const kept = keep.map(({ index, type }) => shownValue(values[index] ?? null, type.scalar));
  const judged = label(values);
  const outcome = typeof judged === 'boolean' ? Number(judged) : judged;
  return {
    cells: [isoTime(timeMs), ...kept, ...inputs, outcome],
    label: outcome,
  };
}

function shownValue(value: Value, scalar: string): Value {
  return scalar === 'timestamp' && typeof value === 'number' ? isoTime(value) : value;
}

function requestOf({ endpoint, request }: TrainingTableOptions, { place, values }: FileEvent): Value[] {
  return endpoint.request.map(({ name, type, optional }, index) => {
    const source = request[index];
    const value = source === undefined ? null : (values[source.index] ?? null);
    if (value === null && optional) return null;
    const decoded = value === null ? new Refusal('is missing') : decodeValue(type, value);
    if (!(decoded instanceof Refusal)) return decoded;
    throw new MillraceError(
      'REPLAY_FAILED',
      `${place}: the event makes no request of the endpoint "${endpoint.name}": ${source?.name ?? name} ${decoded.reason}; leave such events out of the table with --where`,
    );
  });
}

function unordered(event: FileEvent, last: FileEvent): MillraceError {
  return new MillraceError(
    'REPLAY_FAILED',
    `${event.place}: the event of ${isoTime(event.timeMs)} comes after one of ${isoTime(last.timeMs)}; sort the file by time`,
  );
}

function isoTime(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
