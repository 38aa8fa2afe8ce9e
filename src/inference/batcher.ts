/**
 * Shares runs between callers. Rows that are submitted in one turn of the event loop are written one after the other
 * into the tensors of the open batch; the batch runs at the end of the turn, when it is full, or after a delay.
 *
 * Invariants:
 * - A caller gets exactly its own rows back: a slice of the batch, answered or failed once.
 * - What one caller does wrong harms no other. A batch that the model rejects is halved and run again until only the
 *   guilty slices fail: about 2 log2(n) runs more for one of n callers.
 * - A batch's tensors are written by nobody from the start of its run until all its slices are settled. Then they
 *   are kept for the next batch (at most FREE_BATCHES_MAX).
 * - Batches run one after the other in the order in which they were opened, each in a turn of its own.
 *
 * Cost: one object per slice and one promise per run; nothing per row. The number of batches in flight is bounded by
 * the number of requests that the server lets in.
 */
import { MillraceError } from '../errors.ts';
import { batchRowsMax, expectedInput } from './expected-input.ts';
import type { ModelSession, TensorData, TensorValue } from './session.ts';
import { bufferPart, createBuffer } from './tensor-buffer.ts';

export type { TensorData } from './session.ts';

/** One output of a run; row r has its values at `data[r * width]` up to `data[(r + 1) * width - 1]`. */
export interface OutputData {
  readonly data: TensorData;
  readonly width: number;
}

/** One submission. It gets each of its rows in one `answer` or `fail`; rows may be spread over several batches. */
export interface BatchCaller {
  /** Writes all slots of its row `row` into row `at` of every tensor; called during `submit`. */
  fill(tensors: readonly TensorData[], at: number, row: number): void;
  /** Its rows `row` to `row + count - 1` are the rows from `at` of the outputs, which it may keep. */
  answer(outputs: readonly OutputData[], at: number, row: number, count: number): void;
  /** Whether nobody waits for the answer any more; a batch of such callers only is not run. */
  isGone(): boolean;
  /** These rows have no answer: MODEL_FAILED, INVALID_MODEL, NOT_READY, or INTERNAL if its own `answer` threw. */
  fail(error: MillraceError, row: number, count: number): void;
}

export interface Batcher {
  /**
   * Takes `rowCount` rows (0 is allowed and does nothing) and calls `fill` for each at once. If `fill` throws, the
   * caller's rows are left out, it hears no more of them, and the error goes to the submitter. A caller may submit
   * again once all its rows are settled.
   * @throws MillraceError NOT_READY after `close`
   */
  submit(caller: BatchCaller, rowCount: number): void;
  /**
   * How long rows wait for their run by now: as long as the oldest that wait have waited, or as the batches in line
   * take by the time of the last runs, whichever is more. 0 = nobody waits.
   * @param nowMs of `performance.now`
   */
  waitMs(nowMs: number): number;
  /** Runs the open batch and waits until everything submitted so far is settled. */
  drain(): Promise<void>;
  /** Refuses what comes from now on, then drains. The session stays open: it is its owner's. */
  close(): Promise<void>;
}

export interface BatcherOptions {
  /** Most rows of one run. A model that was exported with a batch of 1 gets 1. */
  readonly rowsMax: number;
  /** How long an incomplete batch waits for more rows, in steps of 1 ms; 0 = to the end of the event-loop turn. */
  readonly delayMsMax: number;
  /** Slots per row of each input. */
  readonly widths: readonly number[];
  /** Columns per output that callers read at least; a run with fewer fails instead of giving a neighbour's value. */
  readonly outputWidthsMin?: readonly number[];
  /** After each run: its rows, and the time from its start to its outputs (a turn of the event loop included). */
  readonly onRun?: (rows: number, durationMs: number) => void;
}

const FREE_BATCHES_MAX = 4;
/** The measured time holds a turn of the event loop, in which requests are read: the least of it tells of the run. */
const SLOWER_RUN_WEIGHT = 0.02;

/** @throws Error if a width does not fit the session's inputs: the project's checks come first */
export function createBatcher(session: ModelSession, options: BatcherOptions): Batcher {
  return new TurnBatcher(session, options);
}

/**
 * Gives outputs their width, and holds the model to its side: the first dimension of each output is the batch.
 * @throws MillraceError INVALID_MODEL
 */
export function outputsPerRow(
  session: ModelSession,
  results: readonly TensorValue[],
  rows: number,
  widthsMin: readonly number[] = [],
): OutputData[] {
  return results.map(({ data, dims }, i) => {
    const name = session.outputs[i]?.name;
    if (dims[0] !== rows) {
      const message =
        `${session.path}: the output "${name}" has the shape [${dims.join(', ')}] for a batch of ${rows}, so it does ` +
        'not tell the rows apart. Name only other outputs under `outputs` in model.yaml, or export the model with ' +
        'the batch as first dimension.';
      throw new MillraceError('INVALID_MODEL', message);
    }
    const width = data.length / rows;
    const widthMin = widthsMin[i] ?? 0;
    if (width < widthMin) {
      const message = `${session.path}: the output "${name}" has ${width} columns, and model.yaml takes [${widthMin - 1}] of it.`;
      throw new MillraceError('INVALID_MODEL', message);
    }
    return { data, width };
  });
}

/** Consecutive rows of one caller in one batch. */
interface Slice {
  /** undefined = its `fill` threw later on. */
  caller: BatchCaller | undefined;
  /** First row in the batch. */
  readonly at: number;
  /** First row of the caller. */
  readonly row: number;
  readonly count: number;
}

interface Batch {
  /** Room for `rowsMax` rows per input. */
  readonly tensors: readonly TensorData[];
  rows: number;
  slices: Slice[];
  /** When it is to run at the latest, by `performance.now`. */
  dueMs: number;
  settled: Promise<void>;
}

class TurnBatcher implements Batcher {
  private readonly session: ModelSession;
  private readonly options: BatcherOptions;
  private readonly rowsMax: number;
  /** Per input, the dimensions after the batch. */
  private readonly tails: readonly (readonly number[])[];
  private readonly free: Batch[] = [];
  private readonly running = new Set<Batch>();
  private open: Batch | undefined;
  private immediate: NodeJS.Immediate | undefined;
  private timer: NodeJS.Timeout | undefined;
  private last: Promise<void> = Promise.resolve();
  /** Time of a run, near the least of the last ones; undefined before the first. */
  private runMs: number | undefined;
  private closed = false;

  constructor(session: ModelSession, options: BatcherOptions) {
    this.session = session;
    this.options = options;
    this.rowsMax = batchRowsMax(session.inputs, options.rowsMax);
    this.tails = session.inputs.map((spec, i) => {
      const expected = expectedInput(spec);
      const width = options.widths[i] ?? 0;
      const refusal = expected.refuseWidth(width);
      if (refusal !== undefined) throw new Error(refusal);
      return expected.tail(width);
    });
  }

  submit(caller: BatchCaller, rowCount: number): void {
    if (this.closed)
      throw new MillraceError('NOT_READY', `The model ${this.session.path} is being unloaded.`);
    let row = 0;
    while (row < rowCount) {
      const batch = this.openBatch();
      const count = Math.min(rowCount - row, this.rowsMax - batch.rows);
      try {
        for (let i = 0; i < count; i++) caller.fill(batch.tensors, batch.rows + i, row + i);
      } catch (error) {
        this.forget(caller);
        throw error;
      }
      batch.slices.push({ caller, at: batch.rows, row, count });
      batch.rows += count;
      row += count;
      if (batch.rows === this.rowsMax) this.flush();
    }
  }

  waitMs(nowMs: number): number {
    // In the order in which they were opened; the first is the oldest.
    for (const { dueMs } of this.running)
      return Math.max(nowMs - dueMs, this.running.size * (this.runMs ?? 0));
    return this.open === undefined ? 0 : nowMs - this.open.dueMs;
  }

  async drain(): Promise<void> {
    this.flush();
    await Promise.all([...this.running].map((batch) => batch.settled));
  }

  close(): Promise<void> {
    this.closed = true;
    return this.drain();
  }

  private openBatch(): Batch {
    if (this.open !== undefined) return this.open;
    const { delayMsMax } = this.options;
    if (delayMsMax > 0) this.timer = setTimeout(this.flush, delayMsMax);
    else this.immediate = setImmediate(this.flush);
    this.open = this.free.pop() ?? this.createBatch();
    this.open.dueMs = performance.now() + delayMsMax;
    return this.open;
  }

  private createBatch(): Batch {
    const tensors = this.session.inputs.map(({ elementType }, i) =>
      createBuffer(elementType, this.rowsMax * (this.options.widths[i] as number)),
    );
    return { tensors, rows: 0, slices: [], dueMs: 0, settled: Promise.resolve() };
  }

  /** Starts the run of the open batch. */
  private readonly flush = (): void => {
    const batch = this.open;
    if (batch === undefined) return;
    clearTimeout(this.timer);
    clearImmediate(this.immediate);
    this.open = undefined;
    // Empty if every `fill` threw.
    if (batch.rows === 0) return this.recycle(batch);
    this.running.add(batch);
    // One after the other: ONNX Runtime would make runs that are started together in one piece, and nothing else,
    // health checks and deadlines included, would get its turn in between.
    batch.settled = this.last.then(() => this.run(batch));
    this.last = batch.settled;
  };

  private async run(batch: Batch): Promise<void> {
    const isWanted = batch.slices.some(({ caller }) => caller !== undefined && !caller.isGone());
    if (isWanted) await this.runSlices(batch, 0, batch.slices.length);
    this.running.delete(batch);
    this.recycle(batch);
  }

  /** Runs the slices [from, to) and settles them; where the model rejects several together, each half by itself. */
  private async runSlices(batch: Batch, from: number, to: number): Promise<void> {
    const first = batch.slices[from] as Slice;
    const last = batch.slices[to - 1] as Slice;
    const rows = last.at + last.count - first.at;
    const startedMs = performance.now();
    let outputs: OutputData[];
    try {
      const results = await this.session.run(this.inputs(batch, first.at, rows));
      outputs = outputsPerRow(this.session, results, rows, this.options.outputWidthsMin);
    } catch (error) {
      const failure = asFailure(error, this.session.path);
      if (failure.code === 'MODEL_FAILED' && to - from > 1) {
        const middle = (from + to) >> 1;
        await this.runSlices(batch, from, middle);
        return this.runSlices(batch, middle, to);
      }
      for (let i = from; i < to; i++) failSlice(batch.slices[i] as Slice, failure);
      return;
    }
    const durationMs = performance.now() - startedMs;
    const lastMs = this.runMs ?? durationMs;
    this.runMs = Math.min(durationMs, lastMs + (durationMs - lastMs) * SLOWER_RUN_WEIGHT);
    this.options.onRun?.(rows, durationMs);
    for (let i = from; i < to; i++) answerSlice(batch.slices[i] as Slice, outputs, first.at);
  }

  private inputs(batch: Batch, at: number, rows: number): TensorValue[] {
    return this.session.inputs.map((_, i) => {
      const width = this.options.widths[i] as number;
      return {
        data: bufferPart(batch.tensors[i] as TensorData, at * width, (at + rows) * width),
        dims: [rows, ...(this.tails[i] as readonly number[])],
      };
    });
  }

  private recycle(batch: Batch): void {
    batch.rows = 0;
    batch.slices = [];
    if (this.free.length < FREE_BATCHES_MAX) this.free.push(batch);
  }

  /** Leaves out the rows of a caller whose `fill` threw; some may be in batches that already run. */
  private forget(caller: BatchCaller): void {
    for (const batch of this.running) {
      for (const slice of batch.slices) if (slice.caller === caller) slice.caller = undefined;
    }
  }
}

function answerSlice(slice: Slice, outputs: readonly OutputData[], runAt: number): void {
  try {
    slice.caller?.answer(outputs, slice.at - runAt, slice.row, slice.count);
  } catch (cause) {
    failSlice(
      slice,
      new MillraceError('INTERNAL', 'An answer of the model could not be processed.', { cause }),
    );
  }
}

function failSlice(slice: Slice, error: MillraceError): void {
  try {
    slice.caller?.fail(error, slice.row, slice.count);
  } catch (fault) {
    // Nobody is left to tell; the other callers of the batch still wait for their answers.
    process.emitWarning(fault instanceof Error ? fault : String(fault));
  }
}

function asFailure(error: unknown, path: string): MillraceError {
  if (error instanceof MillraceError) return error;
  return new MillraceError('INTERNAL', `The run of ${path} could not be made.`, { cause: error });
}
