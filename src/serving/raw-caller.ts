/** A raw inference among the callers of a batcher: its rows go into shared runs, and its own come back. */
import { MillraceError } from '../errors.ts';
import type { BatchCaller, Batcher, OutputData, RunOutputs, TensorData } from '../inference/batcher.ts';
import type { ModelSession, TensorSpec, TensorValue } from '../inference/session.ts';
import { bufferPart, copyElements, createBuffer } from '../inference/tensor-buffer.ts';
import type { AnswerPart } from './answer.ts';
import type { CheckedInference } from './raw-inference.ts';

/**
 * Runs an inference in shared runs.
 * @param widths slots per row of each input, as the batcher has them
 * @param how `isWhole` = it is not split, and is no longer than a run of the batcher
 * @returns one tensor for each output of `fetch`
 * @throws MillraceError as `Batcher.submit`, or what its rows fail with
 */
export async function runShared(
  batcher: Batcher,
  session: ModelSession,
  inference: CheckedInference & { readonly rows: number },
  widths: readonly number[],
  { isGone, isWhole }: { readonly isGone: () => boolean; readonly isWhole: boolean },
): Promise<readonly TensorValue[]> {
  const parts = await new Promise<AnswerPart[]>((resolve, reject) => {
    batcher.submit(new RawCaller(inference, widths, isGone, isWhole, { resolve, reject }), inference.rows);
  });
  parts.sort((a, b) => a.row - b.row);
  return inference.fetch.map((output) =>
    joined(parts, output, inference.rows, session.outputs[output] as TensorSpec, session.path),
  );
}

interface Settle {
  resolve(parts: AnswerPart[]): void;
  reject(error: MillraceError): void;
}

class RawCaller implements BatchCaller {
  readonly fetch: readonly number[];
  readonly isGone: () => boolean;
  readonly isWhole: boolean;
  private readonly tensors: readonly TensorValue[];
  private readonly widths: readonly number[];
  private readonly settle: Settle;
  private readonly parts: AnswerPart[] = [];
  private unanswered: number;

  constructor(
    { tensors, fetch, rows }: CheckedInference & { readonly rows: number },
    widths: readonly number[],
    isGone: () => boolean,
    isWhole: boolean,
    settle: Settle,
  ) {
    this.tensors = tensors;
    this.fetch = fetch;
    this.unanswered = rows;
    this.widths = widths;
    this.isGone = isGone;
    this.isWhole = isWhole;
    this.settle = settle;
  }

  fill(tensors: readonly TensorData[], at: number, row: number): void {
    for (let i = 0; i < tensors.length; i++) {
      const width = this.widths[i] as number;
      const { data } = this.tensors[i] as TensorValue;
      copyElements(tensors[i] as TensorData, at * width, data, row * width, width);
    }
  }

  answer(outputs: RunOutputs, at: number, row: number, count: number): void {
    this.parts.push({ row, at, count, outputs });
    this.unanswered -= count;
    if (this.unanswered === 0) this.settle.resolve(this.parts);
  }

  fail(error: MillraceError): void {
    this.settle.reject(error);
  }
}

/** The rows of one output, in the order of the request. */
function joined(
  parts: readonly AnswerPart[],
  output: number,
  rows: number,
  { name, elementType }: TensorSpec,
  path: string,
): TensorValue {
  const [{ outputs, at }] = parts as [AnswerPart];
  const { data, width, tail } = outputs[output] as OutputData;
  const dims = [rows, ...tail];
  if (parts.length === 1) return { data: bufferPart(data, at * width, (at + rows) * width), dims };
  const all = createBuffer(elementType, rows * width);
  for (const part of parts) {
    const from = part.outputs[output] as OutputData;
    if (from.tail.join() !== tail.join()) {
      const message = `${path}: the output "${name}" has rows of another shape in another run.`;
      throw new MillraceError('INVALID_MODEL', message);
    }
    copyElements(all, part.row * width, from.data, part.at * width, part.count * width);
  }
  return { data: all, dims };
}
