/**
 * A variant that predicts what another has answered, after the answer, on the very same rows. It runs in a thread that
 * gives way to all others, behind a short queue: what does not fit is shed and counted. Nothing that goes wrong here
 * reaches a caller, and nothing waits for it.
 */
import type { EntityKey, Row, RowSource } from '../features/online-store.ts';
import { createBatcher } from '../inference/batcher.ts';
import type { BatchCaller, Batcher, OutputData, TensorData } from '../inference/batcher.ts';
import type { ModelSession } from '../inference/session.ts';
import type { ModelVersion } from '../project/project.ts';
import type { Value } from '../project/value.ts';
import type { AnswerField, AnswerPart } from './answer.ts';
import type { ServedPrediction } from './log-entry.ts';
import type { Plan, PlanRead } from './plan.ts';

/** What a shadow says of one request. */
export interface ShadowListener {
  compared(values: readonly number[], shadowMs: number): void;
  failed(error: unknown): void;
}

export interface ShadowRunner {
  /** @returns whether it is run; false = shed */
  run(task: ShadowTask, listener: ShadowListener): boolean;
  /** Waits for the run that is under way. */
  close(): Promise<void>;
}

export interface ShadowTask {
  readonly primary: Plan;
  readonly served: ServedPrediction;
  /** Of the primary, by row and read. */
  readonly entityRows: readonly (readonly Row[])[];
}

export interface ShadowParts {
  /** Of the variant as it would answer. */
  readonly plan: Plan;
  readonly field: AnswerField;
  readonly version: ModelVersion;
  readonly session: ModelSession;
  readonly widths: readonly number[];
  readonly outputWidthsMin: readonly number[];
  readonly source: RowSource;
}

/** Requests that wait for the end of the turn, or for their rows, or are in the queue of the thread. */
const PENDING_MAX = 256;
/** What waits for the thread: a queue that is longer compares nothing that is newer. */
const QUEUE_ROWS_MAX = 4096;

export function createShadowRunner(parts: ShadowParts): ShadowRunner {
  const { session, version, widths, outputWidthsMin } = parts;
  const batcher = createBatcher(session, {
    ...version.batching,
    widths,
    outputWidthsMin,
    queueRowsMax: QUEUE_ROWS_MAX,
  });
  let pending = 0;
  let isClosed = false;
  return {
    run(task, listener) {
      if (isClosed || pending >= PENDING_MAX || batcher.queueRows >= QUEUE_ROWS_MAX) return false;
      pending++;
      const done: ShadowListener = {
        compared(values, shadowMs) {
          pending--;
          listener.compared(values, shadowMs);
        },
        failed(error) {
          pending--;
          listener.failed(error);
        },
      };
      // In a turn of its own: the answers of this one leave first.
      setImmediate(() => void new ShadowPrediction(parts, batcher, task, done).start());
      return true;
    },
    async close() {
      isClosed = true;
      await batcher.close();
      await session.release();
    },
  };
}

class ShadowPrediction implements BatchCaller {
  private readonly parts: ShadowParts;
  private readonly batcher: Batcher;
  private readonly task: ShadowTask;
  private readonly listener: ShadowListener;
  private readonly asOfMs: number;
  private entityRows: readonly (readonly Row[])[] = [];
  private readonly answers: AnswerPart[] = [];
  private unanswered: number;
  private isOver = false;
  private startedMs = 0;

  constructor(parts: ShadowParts, batcher: Batcher, task: ShadowTask, listener: ShadowListener) {
    this.parts = parts;
    this.batcher = batcher;
    this.task = task;
    this.listener = listener;
    this.asOfMs = task.served.asOfMs ?? task.served.timeMs;
    this.unanswered = task.served.rows.length;
  }

  async start(): Promise<void> {
    try {
      this.entityRows = await this.gather();
      this.startedMs = performance.now();
      this.batcher.submit(this, this.task.served.rows.length);
    } catch (error) {
      this.end(() => this.listener.failed(error));
    }
  }

  fill(tensors: readonly TensorData[], at: number, row: number): void {
    const values = this.task.served.rows[row] as readonly Value[];
    this.parts.plan.transforms.fill(tensors, at, values, this.entityRows[row] as Row[], this.asOfMs);
  }

  answer(outputs: readonly OutputData[], at: number, row: number, count: number): void {
    this.answers.push({ row, at, count, outputs });
    this.unanswered -= count;
    if (this.unanswered > 0) return;
    this.answers.sort((a, b) => a.row - b.row);
    const values = numbersOf(this.answers, this.parts.field);
    this.end(() => this.listener.compared(values, performance.now() - this.startedMs));
  }

  isGone(): boolean {
    return this.isOver;
  }

  fail(error: unknown): void {
    this.end(() => this.listener.failed(error));
  }

  private end(tell: () => void): void {
    if (this.isOver) return;
    this.isOver = true;
    tell();
  }

  /** The rows that the primary has read are taken from it; what only the shadow reads is as of the same time. */
  private async gather(): Promise<readonly (readonly Row[])[]> {
    const { plan, source } = this.parts;
    const { primary, served, entityRows } = this.task;
    const same = plan.reads.map((read) => primary.reads.findIndex((other) => isSameRead(read, other)));
    const isHistorical = served.asOfMs !== undefined;
    const rows = served.rows.map((_, r) => same.map((i) => (i === -1 ? undefined : entityRows[r]?.[i])));
    for (const [i, read] of plan.reads.entries()) {
      if (same[i] !== -1) continue;
      const keys = served.rows.map((values) => read.key(values));
      const known = [...new Set(keys.filter((key): key is EntityKey => key !== undefined))];
      const asked = known.map((key) => ({ view: read.view, key }));
      const found = await source.read(asked, this.asOfMs, isHistorical);
      const rowOf = new Map(known.map((key, k) => [key, found[k] ?? null]));
      for (const [r, key] of keys.entries()) {
        const row = key === undefined ? null : (rowOf.get(key) ?? null);
        const status = read.status(row, this.asOfMs, isHistorical);
        (rows[r] as (Row | undefined)[])[i] = status === 'PRESENT' ? (row as Row) : read.emptyRow;
      }
    }
    return rows as readonly (readonly Row[])[];
  }
}

/** Of one view, found by the same request fields. */
function isSameRead(one: PlanRead, other: PlanRead): boolean {
  return one.view === other.view && one.keyFields.join() === other.keyFields.join();
}

/** One number a row; a vector counts by its first element, what is no number as NaN. */
export function numbersOf(parts: readonly AnswerPart[], field: AnswerField): number[] {
  const { output, column = 0 } = field;
  return parts.flatMap(({ outputs, at, count }) => {
    const { data, width } = outputs[output] as OutputData;
    return Array.from({ length: count }, (_, i) => {
      const value = data[(at + i) * width + column];
      return typeof value === 'string' ? Number.NaN : Number(value);
    });
  });
}
