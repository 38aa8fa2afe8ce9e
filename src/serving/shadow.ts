/**
 * A variant that predicts what another has answered, after the answer, on the very same rows. It runs in a thread that
 * gives way to all others. Nothing that goes wrong here reaches a caller, and nothing waits for it.
 *
 * Invariants:
 * - What is taken on ends: compared, failed, or given up after a while, also if the model hangs or the store never
 *   answers. Then nothing is kept of it.
 * - It is bounded what is taken on and has not ended; the rest is shed and counted, and so is all of it while the event
 *   loop has no time to spare or rows of callers wait for a model.
 *
 * Cost on the event loop: see docs/performance.md; of a request, ROWS_MAX rows at most.
 */
import { MillraceError } from '../errors.ts';
import type { Row, RowSource } from '../features/online-store.ts';
import { createBatcher } from '../inference/batcher.ts';
import type { BatchCaller, Batcher, RunOutputs, TensorData } from '../inference/batcher.ts';
import type { ModelSession } from '../inference/session.ts';
import type { ModelVersion } from '../project/project.ts';
import type { Value } from '../project/value.ts';
import type { AnswerField, AnswerPart } from './answer.ts';
import { comparedRows, numbersOf } from './compared-rows.ts';
import type { ServedPrediction } from './log-entry.ts';
import type { Plan } from './plan.ts';
import { createSharedReads } from './shared-reads.ts';
import type { SharedReads } from './shared-reads.ts';
import type { ShadowTurns } from './shadow-turns.ts';

/** What a shadow says of one request. It may not throw. */
export interface ShadowListener {
  compared(compared: ShadowAnswer): void;
  failed(error: unknown): void;
}

/** The output that is compared, of the same rows. */
export interface ShadowAnswer {
  readonly primary: readonly number[];
  readonly shadow: readonly number[];
  readonly shadowMs: number;
}

export interface ShadowRunner {
  /** Whether `run` would take a request on. */
  hasRoom(): boolean;
  /** @returns whether it is run; false = shed */
  run(task: ShadowTask, listener: ShadowListener): boolean;
  /** Drops what waits, of which no listener hears any more, and waits for the run that is under way. */
  close(): Promise<void>;
}

export interface ShadowTask {
  readonly primary: Plan;
  /** What is compared, of the primary and of the shadow. */
  readonly primaryField: AnswerField;
  readonly shadowField: AnswerField;
  /** With one row at least. */
  readonly served: ServedPrediction;
  /** Of the primary, by row and read. */
  readonly entityRows: readonly (readonly Row[])[];
}

export interface ShadowParts {
  /** Of the variant as it would answer. */
  readonly plan: Plan;
  readonly version: ModelVersion;
  readonly session: ModelSession;
  readonly widths: readonly number[];
  readonly outputWidthsMin: readonly number[];
  readonly source: RowSource;
  readonly turns: ShadowTurns;
  /** Whether rows of callers wait for a model. */
  readonly isBusy: () => boolean;
  /** Time after which a request is given up. */
  readonly timeoutMs?: number;
}

/** Of one request: comparing a row takes about a microsecond of the event loop. */
export const SHADOW_ROWS_MAX = 128;
/** Requests that have not ended. */
const PENDING_MAX = 256;
/** And their rows. */
const PENDING_ROWS_MAX = 4096;
const TIMEOUT_MS = 10_000;
/** Of the event loop, for a run in a thread, there and back. */
const RUN_MS = 0.05;

export function createShadowRunner(parts: ShadowParts): ShadowRunner {
  return new TurnRunner(parts);
}

class TurnRunner implements ShadowRunner {
  readonly parts: ShadowParts;
  readonly batcher: Batcher;
  readonly reads: SharedReads;
  readonly timeoutMs: number;
  isClosed = false;
  private pending = 0;
  private pendingRows = 0;

  constructor(parts: ShadowParts) {
    const { session, version, widths, outputWidthsMin, plan, source, turns } = parts;
    this.parts = parts;
    this.timeoutMs = parts.timeoutMs ?? TIMEOUT_MS;
    this.reads = createSharedReads(plan.reads, source);
    this.batcher = createBatcher(onAccount(session, turns), {
      ...version.batching,
      widths,
      outputWidthsMin,
    });
  }

  hasRoom(): boolean {
    const { turns, isBusy } = this.parts;
    // What was given up after its time waits still for a run that hangs.
    const hasPlace =
      this.pending < PENDING_MAX && Math.max(this.pendingRows, this.batcher.queueRows) < PENDING_ROWS_MAX;
    return hasPlace && !this.isClosed && turns.hasTime() && !isBusy();
  }

  run(task: ShadowTask, listener: ShadowListener): boolean {
    if (!this.hasRoom()) return false;
    const { turns } = this.parts;
    const startMs = performance.now();
    const prediction = new ShadowPrediction(this, task, listener);
    this.pending++;
    this.pendingRows += prediction.rowCount;
    // In a turn to come: the answers of this one leave first.
    turns.later(() => prediction.start());
    turns.spend(performance.now() - startMs);
    return true;
  }

  ended(rowCount: number): void {
    this.pending--;
    this.pendingRows -= rowCount;
  }

  async close(): Promise<void> {
    this.isClosed = true;
    await this.batcher.close();
    await this.parts.session.release();
  }
}

/** Counts its runs, also those that fail: a batch that is rejected is run in halves, down to each request. */
function onAccount(session: ModelSession, turns: ShadowTurns): ModelSession {
  const { path, inputs, outputs, refusedOutputs, threads } = session;
  return {
    path,
    inputs,
    outputs,
    refusedOutputs,
    threads,
    get isAlive() {
      return session.isAlive;
    },
    async run(tensors, fetch) {
      turns.spend(RUN_MS);
      return session.run(tensors, fetch);
    },
    release: async () => session.release(),
  };
}

class ShadowPrediction implements BatchCaller {
  readonly rowCount: number;
  readonly fetch: readonly number[];
  private readonly runner: TurnRunner;
  private readonly listener: ShadowListener;
  private readonly primaryPlan: Plan;
  private readonly field: AnswerField;
  /** Of the primary; what else there is of its answer is not kept. */
  private readonly primary: readonly number[];
  private readonly asOfMs: number;
  private readonly isHistorical: boolean;
  /** As given to the primary, until they are in the tensors. */
  private rows: readonly (readonly Value[])[];
  private entityRows: readonly (readonly Row[])[];
  private readonly answers: AnswerPart[] = [];
  private unanswered: number;
  private isOver = false;
  private startedMs = 0;
  private readonly timer: NodeJS.Timeout;

  constructor(runner: TurnRunner, task: ShadowTask, listener: ShadowListener) {
    const { served, entityRows, primary, primaryField, shadowField } = task;
    const picked = comparedRows(served.rows.length, SHADOW_ROWS_MAX);
    this.runner = runner;
    this.fetch = runner.parts.plan.fetch;
    this.listener = listener;
    this.primaryPlan = primary;
    this.field = shadowField;
    this.primary = numbersOf(served.parts, primaryField, picked);
    this.asOfMs = served.asOfMs ?? served.timeMs;
    this.isHistorical = served.asOfMs !== undefined;
    this.rows = picked.map((r) => served.rows[r] as readonly Value[]);
    this.entityRows = picked.map((r) => entityRows[r] as readonly Row[]);
    this.rowCount = picked.length;
    this.unanswered = picked.length;
    this.timer = setTimeout(() => this.giveUp(), runner.timeoutMs).unref();
  }

  start(): void {
    const { reads, parts } = this.runner;
    if (this.isGone()) {
      this.end();
      return;
    }
    try {
      const own = reads.of(this.primaryPlan.reads);
      if (own.isComplete) {
        this.submit(own.take(this.entityRows));
        return;
      }
      const found = own.read(this.rows, this.entityRows, this.asOfMs, this.isHistorical);
      found.then(
        (rows) => parts.turns.later(() => this.submit(rows)),
        (error: unknown) => this.fail(error),
      );
    } catch (error) {
      this.fail(error);
    }
  }

  fill(tensors: readonly TensorData[], at: number, row: number): void {
    const values = this.rows[row] as readonly Value[];
    this.runner.parts.plan.transforms.fill(tensors, at, values, this.entityRows[row] as Row[], this.asOfMs);
  }

  answer(outputs: RunOutputs, at: number, row: number, count: number): void {
    this.answers.push({ row, at, count, outputs });
    this.unanswered -= count;
    if (this.unanswered > 0 || this.isOver) return;
    const shadowMs = performance.now() - this.startedMs;
    this.runner.parts.turns.later(() => this.compare(shadowMs));
  }

  isGone(): boolean {
    return this.isOver || this.runner.isClosed;
  }

  fail(error: unknown): void {
    if (this.end()) this.listener.failed(error);
  }

  private submit(entityRows: readonly (readonly Row[])[]): void {
    if (this.isGone()) {
      this.end();
      return;
    }
    this.entityRows = entityRows;
    try {
      this.startedMs = performance.now();
      this.runner.batcher.submit(this, this.rowCount);
    } catch (error) {
      this.fail(error);
    }
    this.letGo();
  }

  private compare(shadowMs: number): void {
    if (!this.end()) return;
    this.answers.sort((a, b) => a.row - b.row);
    const rows = this.primary.map((_, r) => r);
    const shadow = numbersOf(this.answers, this.field, rows);
    this.listener.compared({ primary: this.primary, shadow, shadowMs });
  }

  private giveUp(): void {
    const sentence = `A shadow has not predicted a request within ${this.runner.timeoutMs} ms.`;
    this.fail(new MillraceError('DEADLINE_EXCEEDED', sentence));
  }

  private letGo(): void {
    this.rows = [];
    this.entityRows = [];
  }

  /** @returns whether the listener is to be told */
  private end(): boolean {
    if (this.isOver) return false;
    this.isOver = true;
    clearTimeout(this.timer);
    this.letGo();
    this.runner.ended(this.rowCount);
    return !this.runner.isClosed;
  }
}
