/**
 * One batch: rows of several callers, written one after the other into shared tensors. It knows whose rows are where,
 * and settles each slice once: answered, failed, or left out.
 */
import { MillraceError } from '../errors.ts';
import type { TensorData, TensorValue } from './session.ts';
import { bufferPart } from './tensor-buffer.ts';

/** One output of a run; row r has its values at `data[r * width]` up to `data[(r + 1) * width - 1]`. */
export interface OutputData {
  readonly data: TensorData;
  readonly width: number;
  /** The dimensions after the batch. */
  readonly tail: readonly number[];
}

/** By position among the model's outputs; undefined = no caller of the batch reads it, or it has a fault. */
export type RunOutputs = readonly (OutputData | undefined)[];

/** An output that cannot be given to those who read it. */
export interface OutputFault {
  readonly output: number;
  readonly error: MillraceError;
}

/** One submission. It gets each of its rows in one `answer` or `fail`; rows may be spread over several batches. */
export interface BatchCaller {
  /** Positions of the outputs that it reads; undefined = all. */
  readonly fetch?: readonly number[] | undefined;
  /** Whether all its rows go into one run; there are at most `Batcher.rowsMax` then. Default: they may be spread. */
  readonly isWhole?: boolean;
  /** Writes all slots of its row `row` into row `at` of every tensor; called during `submit`. */
  fill(tensors: readonly TensorData[], at: number, row: number): void;
  /** Its rows `row` to `row + count - 1` are the rows from `at` of the outputs, which it may keep. */
  answer(outputs: RunOutputs, at: number, row: number, count: number): void;
  /** Whether nobody waits for the answer any more; its rows are then left out of runs. */
  isGone(): boolean;
  /**
   * These rows have no answer: MODEL_FAILED, INVALID_MODEL, NOT_READY, WORKER_LOST, DEADLINE_EXCEEDED, or INTERNAL if
   * its own `answer` threw.
   */
  fail(error: MillraceError, row: number, count: number): void;
}

/** What one input takes per row. */
export interface InputShape {
  /** Slots. */
  readonly width: number;
  /** The dimensions after the batch. */
  readonly tail: readonly number[];
}

/** Consecutive rows of one caller in one batch. */
interface Slice {
  /** undefined = settled. */
  caller: BatchCaller | undefined;
  /** First row in the batch. */
  at: number;
  /** First row of the caller. */
  readonly row: number;
  readonly count: number;
  /** When it must be settled, by `performance.now`. */
  readonly deadlineMs: number;
}

export class Batch {
  /** Room for the most rows of a run, per input. */
  readonly tensors: readonly TensorData[];
  /** That the tensors take, about. */
  readonly bytes: number;
  rows = 0;
  /** When it is to run at the latest, by `performance.now`. */
  dueMs = 0;
  /** Whether it waits for nothing but its turn. */
  isDue = false;
  /** Fails the slices whose deadline has passed. */
  timer: NodeJS.Timeout | undefined = undefined;
  private slices: Slice[] = [];
  private readonly shapes: readonly InputShape[];

  constructor(tensors: readonly TensorData[], shapes: readonly InputShape[]) {
    this.tensors = tensors;
    this.bytes = tensors.reduce((sum, data) => sum + bytesOf(data), 0);
    this.shapes = shapes;
  }

  get sliceCount(): number {
    return this.slices.length;
  }

  /** Takes `count` rows of the caller; what it throws while it fills them leaves the batch as it was. */
  add(caller: BatchCaller, row: number, count: number, deadlineMs: number): void {
    const at = this.rows;
    for (let i = 0; i < count; i++) caller.fill(this.tensors, at + i, row + i);
    this.slices.push({ caller, at, row, count, deadlineMs });
    this.rows += count;
  }

  /** Leaves out the rows of a caller, which hears no more of them. */
  forget(caller: BatchCaller): void {
    for (const slice of this.slices) if (slice.caller === caller) slice.caller = undefined;
  }

  /** Takes out the rows that nobody waits for, and moves the others together. */
  dropGone(): void {
    if (this.slices.every(isWanted)) return;
    const kept = this.slices.filter(isWanted);
    let rows = 0;
    for (const slice of kept) {
      this.moveRows(rows, slice.at, slice.count);
      slice.at = rows;
      rows += slice.count;
    }
    this.slices = kept;
    this.rows = rows;
  }

  /** Rows of the slices [from, to). */
  rowsOf(from: number, to: number): number {
    const last = this.slices[to - 1] as Slice;
    return last.at + last.count - (this.slices[from] as Slice).at;
  }

  /** The tensors of the slices [from, to), in place. */
  inputs(from: number, to: number): TensorValue[] {
    const at = (this.slices[from] as Slice).at;
    const rows = this.rowsOf(from, to);
    return this.shapes.map(({ width, tail }, i) => ({
      data: bufferPart(this.tensors[i] as TensorData, at * width, (at + rows) * width),
      dims: [rows, ...tail],
    }));
  }

  /** Positions of the outputs that the callers of the slices [from, to) read; undefined = all. */
  fetch(from: number, to: number): readonly number[] | undefined {
    let known: readonly number[] | undefined;
    let union: Set<number> | undefined;
    for (let i = from; i < to; i++) {
      const { caller } = this.slices[i] as Slice;
      if (caller === undefined) continue;
      const { fetch } = caller;
      if (fetch === undefined) return undefined;
      known ??= fetch;
      // Callers of one plan share their list.
      if (fetch === known) continue;
      union ??= new Set(known);
      for (const output of fetch) union.add(output);
    }
    return union === undefined ? known : [...union];
  }

  /** Gives the slices [from, to) the outputs of their run; whoever reads one with a fault fails. */
  answer(from: number, to: number, outputs: RunOutputs, faults: readonly OutputFault[]): void {
    const runAt = (this.slices[from] as Slice).at;
    for (let i = from; i < to; i++) {
      const slice = this.slices[i] as Slice;
      const { caller } = slice;
      const fault = faults.find(({ output }) => caller?.fetch?.includes(output) ?? true);
      if (fault === undefined) answerSlice(slice, outputs, runAt);
      else failSlice(slice, fault.error);
    }
  }

  fail(from: number, to: number, error: MillraceError): void {
    for (let i = from; i < to; i++) failSlice(this.slices[i] as Slice, error);
  }

  /** Fails the slices whose deadline has passed; gives the next deadline, or undefined if there is none. */
  failLate(nowMs: number, error: () => MillraceError): number | undefined {
    for (const slice of this.slices) {
      if (slice.caller === undefined) continue;
      if (slice.deadlineMs > nowMs) return slice.deadlineMs;
      failSlice(slice, error());
    }
    return undefined;
  }

  /** Empty again, for other rows. */
  reset(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.rows = 0;
    this.slices = [];
    this.isDue = false;
  }

  private moveRows(to: number, from: number, count: number): void {
    if (to === from) return;
    this.shapes.forEach(({ width }, i) => {
      (this.tensors[i] as TensorData).copyWithin(to * width, from * width, (from + count) * width);
    });
  }
}

/** A string counts as its reference. */
function bytesOf(data: TensorData): number {
  return Array.isArray(data) ? 8 * data.length : data.byteLength;
}

function isWanted({ caller }: Slice): boolean {
  return caller !== undefined && !caller.isGone();
}

function answerSlice(slice: Slice, outputs: RunOutputs, runAt: number): void {
  try {
    slice.caller?.answer(outputs, slice.at - runAt, slice.row, slice.count);
  } catch (cause) {
    return failSlice(
      slice,
      new MillraceError('INTERNAL', 'An answer of the model could not be processed.', { cause }),
    );
  }
  slice.caller = undefined;
}

function failSlice(slice: Slice, error: MillraceError): void {
  const { caller } = slice;
  slice.caller = undefined;
  try {
    caller?.fail(error, slice.row, slice.count);
  } catch (fault) {
    // Nobody is left to tell; the other callers of the batch still wait for their answers.
    process.emitWarning(fault instanceof Error ? fault : String(fault));
  }
}
