/** A caller that fills its rows from a list of input rows and keeps what it gets back, row by row. */
import type { MillraceError } from '../../src/errors.ts';
import type { BatchCaller, OutputData, TensorData } from '../../src/inference/batcher.ts';

/** Per input, the values of one row. */
export type InputRow = readonly (readonly (number | bigint | string)[])[];
/** Per output, the values of one row. */
export type OutputRow = unknown[][];

export class RecordingCaller implements BatchCaller {
  /** Set when nobody waits any more. */
  gone = false;
  readonly rows: readonly InputRow[];
  /** By row: its outputs, or the error that it got instead. */
  readonly settled: (OutputRow | MillraceError | undefined)[];
  /** Rows of each `answer` or `fail`, in order. */
  readonly slices: { readonly row: number; readonly count: number }[] = [];
  readonly done: Promise<this>;
  private resolve: (caller: this) => void = () => undefined;

  constructor(rows: readonly InputRow[]) {
    this.rows = rows;
    this.settled = rows.map(() => undefined);
    this.done = new Promise((resolve) => {
      this.resolve = resolve;
    });
  }

  fill(tensors: readonly TensorData[], at: number, row: number): void {
    (this.rows[row] as InputRow).forEach((values, input) => {
      values.forEach((value, slot) => {
        const tensor = tensors[input] as Record<number, unknown>;
        tensor[at * values.length + slot] = value;
      });
    });
  }

  isGone(): boolean {
    return this.gone;
  }

  answer(outputs: readonly OutputData[], at: number, row: number, count: number): void {
    this.settle(row, count, (i) =>
      outputs.map(({ data, width }) =>
        Array.from<unknown>(data.slice((at + i) * width, (at + i + 1) * width)),
      ),
    );
  }

  fail(error: MillraceError, row: number, count: number): void {
    this.settle(row, count, () => error);
  }

  private settle(row: number, count: number, outcome: (i: number) => OutputRow | MillraceError): void {
    this.slices.push({ row, count });
    for (let i = 0; i < count; i++) {
      if (this.settled[row + i] !== undefined) throw new Error(`row ${row + i} is settled twice`);
      this.settled[row + i] = outcome(i);
    }
    if (!this.settled.includes(undefined)) this.resolve(this);
  }
}
