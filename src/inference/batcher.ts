/**
 * Shares runs between callers. Rows are written as they come into the tensors of the open batch. It is due at the end
 * of the event-loop turn, when it is full, or after a delay; it runs once the model has room, and takes rows until
 * then: the longer rows wait for a busy model, the more of them share a run.
 *
 * Invariants:
 * - A caller gets exactly its own rows back: a slice of the batch, answered or failed once.
 * - What one caller does wrong harms no other. A batch that the model rejects is halved and run again until only the
 *   guilty slices fail: about 2 log2(n) runs more for one of n callers.
 * - A batch's tensors are written by nobody from the start of its run until all its slices are settled. Then they
 *   are kept for the next batch (one, or up to FREE_BYTES_MAX).
 * - Batches run in the order in which they were opened: one in each worker thread, or on the event loop, as many in a
 *   turn of it as take TURN_RUNS_MS together.
 * - Nothing is run for rows that nobody waits for any more, and what would wait too long is refused.
 *
 * Cost: one object per slice and one promise per run; nothing per row. A model with a deadline of its own has one timer
 * per batch.
 */
import { MillraceError } from '../errors.ts';
import { Batch } from './batch.ts';
import type { BatchCaller, InputShape } from './batch.ts';
import { batchRowsMax, expectedInput } from './expected-input.ts';
import { outputsPerRow } from './outputs-per-row.ts';
import type { OutputsPerRow } from './outputs-per-row.ts';
import { createRunEstimate } from './run-estimate.ts';
import type { RunEstimate } from './run-estimate.ts';
import type { ModelSession } from './session.ts';
import { createBuffer } from './tensor-buffer.ts';

export type { BatchCaller, OutputData, RunOutputs } from './batch.ts';
export type { TensorData } from './session.ts';

export interface Batcher {
  /** Most rows of one run. */
  readonly rowsMax: number;
  /** Rows that wait for a run to start. */
  readonly queueRows: number;
  /** Time of a run lately, with that of its answers if the event loop makes both; 0 before the first. */
  readonly runMs: number;
  /**
   * Takes `rowCount` rows (0 is allowed and does nothing) and calls `fill` for each at once. If `fill` throws, the
   * caller's rows are left out, it hears no more of them, and the error goes to the submitter. A caller may submit
   * again once all its rows are settled.
   * @throws MillraceError NOT_READY after `close`, OVERLOADED if the rows would wait too long; an idle model takes
   *   any number
   */
  submit(caller: BatchCaller, rowCount: number): void;
  /**
   * How long rows that come now would wait for their run: as long as the oldest that wait have waited, or as the
   * batches in line take by the time of the last runs, whichever is more. 0 = nobody waits.
   * @param nowMs of `performance.now`
   */
  waitMs(nowMs: number): number;
  /** Starts what waits and resolves when everything submitted so far is settled. */
  drain(): Promise<void>;
  /** Refuses what comes from now on, then drains. The session stays open: it is its owner's. */
  close(): Promise<void>;
}

export type RefusalReason = 'queue_full' | 'too_late';

export interface BatcherOptions {
  /** Most rows of one run. A model that was exported with a batch of 1 gets 1. */
  readonly rowsMax: number;
  /** How long an incomplete batch waits for more rows, in steps of 1 ms; 0 = to the end of the event-loop turn. */
  readonly delayMsMax: number;
  /** Slots per row of each input. */
  readonly widths: readonly number[];
  /** Columns per output that callers read at least; a run with fewer fails instead of giving a neighbour's value. */
  readonly outputWidthsMin?: readonly number[];
  /** Time of a run of a full batch, as the warm-up found it. */
  readonly runMs?: number | undefined;
  /** Most rows that wait while the model is busy; default no limit. */
  readonly queueRowsMax?: number;
  /** Time for an answer: a model with threads refuses rows that could not be answered within it. */
  readonly answerMsMax?: number;
  /** The model's own deadline: rows fail with DEADLINE_EXCEEDED after it. undefined = callers watch the time. */
  readonly timeoutMs?: number | undefined;
  readonly onRefuse?: (reason: RefusalReason) => void;
  /** After each run: its rows, the time from its start to its outputs, and how long the first of its rows waited for it. */
  readonly onRun?: (rows: number, durationMs: number, waitedMs: number) => void;
}

interface Run {
  readonly batch: Batch;
  readonly done: Promise<void>;
}

/**
 * Of the runs on the event loop, with their answers, in one turn of it. A turn under load reads thousands of requests:
 * with one run in each, the model would idle while they wait.
 */
const TURN_RUNS_MS = 20;
/** Of tensors that wait for the next batch: making new ones under load took a tenth of the answers a second. */
const FREE_BYTES_MAX = 4 * 1024 * 1024;

/** @throws Error if a width does not fit the session's inputs: the project's checks come first */
export function createBatcher(session: ModelSession, options: BatcherOptions): Batcher {
  return new TurnBatcher(session, options);
}

class TurnBatcher implements Batcher {
  queueRows = 0;
  readonly rowsMax: number;
  private readonly session: ModelSession;
  private readonly options: BatcherOptions;
  private readonly shapes: readonly InputShape[];
  private readonly estimate: RunEstimate;
  private readonly free: Batch[] = [];
  /** In the order in which they were opened; the open one, if there is one, is the last. */
  private readonly waiting: Batch[] = [];
  /**
   * In the order of their start. Not a map: it makes a new table every few runs, and one that outlives a garbage
   * collection keeps all later ones from the next, until a full collection stops the server for some 8 ms.
   */
  private readonly running: Run[] = [];
  private open: Batch | undefined;
  private immediate: NodeJS.Immediate | undefined;
  private timer: NodeJS.Timeout | undefined;
  private closed = false;
  private refusal: MillraceError | undefined;

  constructor(session: ModelSession, options: BatcherOptions) {
    this.session = session;
    this.options = options;
    this.rowsMax = batchRowsMax(session.inputs, options.rowsMax);
    this.estimate = createRunEstimate(session.threads, options.runMs);
    this.shapes = session.inputs.map((spec, i) => {
      const expected = expectedInput(spec);
      const width = options.widths[i] ?? 0;
      const refusal = expected.refuseWidth(width);
      if (refusal !== undefined) throw new Error(refusal);
      return { width, tail: expected.tail(width) };
    });
  }

  submit(caller: BatchCaller, rowCount: number): void {
    if (this.closed)
      throw new MillraceError('NOT_READY', `The model ${this.session.path} is being unloaded.`);
    const { timeoutMs, queueRowsMax = Infinity } = this.options;
    if (this.queueRows > 0 && this.queueRows + rowCount > queueRowsMax) this.refuse('queue_full');
    if (this.isTooLate()) this.refuse('too_late');
    const deadlineMs = timeoutMs === undefined ? Infinity : performance.now() + timeoutMs;
    if (caller.isWhole === true) this.makeRoom(rowCount);
    let row = 0;
    while (row < rowCount) {
      const batch = this.openBatch();
      const count = Math.min(rowCount - row, this.rowsMax - batch.rows);
      try {
        batch.add(caller, row, count, deadlineMs);
      } catch (error) {
        for (const { batch: started } of this.running) started.forget(caller);
        for (const each of this.waiting) each.forget(caller);
        throw error;
      }
      this.queueRows += count;
      row += count;
      if (timeoutMs !== undefined) batch.timer ??= this.expireIn(batch, timeoutMs);
      if (batch.rows === this.rowsMax) this.flush();
    }
  }

  get runMs(): number {
    return this.estimate.runMs;
  }

  waitMs(nowMs: number): number {
    // The run of the open batch is that of the rows that come now.
    const waiting = this.waiting.length - (this.open === undefined ? 0 : 1);
    return this.estimate.waitMs(nowMs, this.oldestDueMs(), this.running.length, waiting);
  }

  async drain(): Promise<void> {
    this.flush();
    const last = this.waiting.at(-1);
    // Batches start in order, and each starts when another has ended.
    while (last !== undefined && this.waiting.includes(last))
      await Promise.race(this.running.map(({ done }) => done));
    await Promise.all(this.running.map(({ done }) => done));
  }

  close(): Promise<void> {
    this.closed = true;
    return this.drain();
  }

  /** Batches that may be run at the same time. */
  private runsMax(): number {
    const { threads } = this.session;
    if (threads > 0) return threads;
    const { runMs } = this.estimate;
    return runMs === 0 ? 1 : Math.max(1, Math.floor(TURN_RUNS_MS / runMs));
  }

  /** When the oldest batch that has not been run was due. On the event loop, one that was started may not run yet. */
  private oldestDueMs(): number | undefined {
    const started = this.session.threads === 0 ? this.running[0]?.batch : undefined;
    return (started ?? this.waiting[0])?.dueMs;
  }

  /** A wait of half the time leaves room for runs that take longer than the last ones. */
  private isTooLate(): boolean {
    const { answerMsMax } = this.options;
    if (answerMsMax === undefined || this.running.length === 0) return false;
    const waitMsMax = Math.min(answerMsMax / 2, answerMsMax - this.estimate.runMs);
    return this.waitMs(performance.now()) > Math.max(0, waitMsMax);
  }

  private refuse(reason: RefusalReason): never {
    this.options.onRefuse?.(reason);
    const retryAfterMs = Math.ceil(this.waitMs(performance.now()) / 1000) * 1000;
    // Kept while it says the same: its stack trace costs more than all else that a refusal takes.
    if (this.refusal?.retryAfterMs !== retryAfterMs) {
      const sentence = 'Too many rows are waiting for the model; retry later.';
      this.refusal = new MillraceError('OVERLOADED', sentence, { retryAfterMs });
    }
    throw this.refusal;
  }

  /** Closes the open batch if it has not room for so many. */
  private makeRoom(rowCount: number): void {
    const batch = this.open;
    if (batch === undefined || batch.rows + rowCount <= this.rowsMax) return;
    this.flush();
    if (this.open === batch) this.open = undefined;
  }

  private openBatch(): Batch {
    if (this.open !== undefined) return this.open;
    const { delayMsMax } = this.options;
    if (delayMsMax > 0) this.timer = setTimeout(this.flush, delayMsMax);
    else this.immediate = setImmediate(this.flush);
    const batch = this.free.pop() ?? this.createBatch();
    batch.dueMs = performance.now() + delayMsMax;
    this.open = batch;
    this.waiting.push(batch);
    return batch;
  }

  private createBatch(): Batch {
    const tensors = this.session.inputs.map(({ elementType }, i) =>
      createBuffer(elementType, this.rowsMax * (this.shapes[i] as InputShape).width),
    );
    return new Batch(tensors, this.shapes);
  }

  /** The open batch waits for nothing but its turn from now on. */
  private readonly flush = (): void => {
    clearTimeout(this.timer);
    clearImmediate(this.immediate);
    const batch = this.open;
    if (batch === undefined) return;
    batch.isDue = true;
    if (batch.rows === this.rowsMax) this.open = undefined;
    this.startDue();
  };

  /** Starts the batches that are due, as far as the model has room. */
  private startDue(): void {
    const runsMax = this.runsMax();
    while (this.running.length < runsMax) {
      const batch = this.waiting[0];
      if (batch === undefined || !batch.isDue) return;
      this.waiting.shift();
      if (batch === this.open) this.open = undefined;
      this.queueRows -= batch.rows;
      batch.dropGone();
      if (batch.rows === 0) this.recycle(batch);
      else this.running.push({ batch, done: this.run(batch) });
    }
  }

  private async run(batch: Batch): Promise<void> {
    this.estimate.start(batch);
    await this.runSlices(batch, 0, batch.sliceCount);
    this.estimate.end(batch);
    const at = this.running.findIndex((run) => run.batch === batch);
    this.running.copyWithin(at, at + 1).pop();
    this.recycle(batch);
    // Not all at once: ONNX Runtime makes runs that are started together on the event loop in one piece, and nothing
    // else, health checks and deadlines included, gets its turn in between.
    this.startDue();
  }

  /** Runs the slices [from, to) and settles them; where the model rejects several together, each half by itself. */
  private async runSlices(batch: Batch, from: number, to: number): Promise<void> {
    const rows = batch.rowsOf(from, to);
    const isOnLoop = this.session.threads === 0;
    let startedMs = performance.now();
    // The run comes next behind this, when the event loop has done what stands before both.
    if (isOnLoop) setImmediate(() => (startedMs = performance.now()));
    let found: OutputsPerRow;
    try {
      const fetch = batch.fetch(from, to);
      const results = await this.session.run(batch.inputs(from, to), fetch);
      found = outputsPerRow(this.session, results, { rows, fetch, widthsMin: this.options.outputWidthsMin });
    } catch (error) {
      const failure = asFailure(error, this.session.path);
      if (failure.code === 'MODEL_FAILED' && to - from > 1) {
        const middle = (from + to) >> 1;
        await this.runSlices(batch, from, middle);
        return this.runSlices(batch, middle, to);
      }
      return batch.fail(from, to, failure);
    }
    const durationMs = performance.now() - startedMs;
    const { delayMsMax, onRun } = this.options;
    onRun?.(rows, durationMs, startedMs - (batch.dueMs - delayMsMax));
    batch.answer(from, to, found.outputs, found.faults);
    this.estimate.learn(isOnLoop ? performance.now() - startedMs : durationMs);
  }

  private expireIn(batch: Batch, delayMs: number): NodeJS.Timeout {
    return setTimeout(() => {
      const nowMs = performance.now();
      const nextMs = batch.failLate(nowMs, this.late);
      batch.timer = nextMs === undefined ? undefined : this.expireIn(batch, nextMs - nowMs);
    }, delayMs);
  }

  private readonly late = (): MillraceError =>
    new MillraceError('DEADLINE_EXCEEDED', `The model took longer than ${this.options.timeoutMs} ms.`);

  private recycle(batch: Batch): void {
    batch.reset();
    const isRoom = (this.free.length + 1) * batch.bytes <= FREE_BYTES_MAX;
    if (isRoom || this.free.length === 0) this.free.push(batch);
  }
}

function asFailure(error: unknown, path: string): MillraceError {
  if (error instanceof MillraceError) return error;
  return new MillraceError('INTERNAL', `The run of ${path} could not be made.`, { cause: error });
}
