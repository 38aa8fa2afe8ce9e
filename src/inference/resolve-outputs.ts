/** Where each field of an answer comes from: which of the session's outputs, and which column of it. */
import type { Mistake, ModelVersion } from '../project/project.ts';
import type { ModelSession, TensorSpec } from './session.ts';

export interface ResolvedOutput {
  /** Name of the field in the answer. */
  readonly field: string;
  /** Position among the session's outputs. */
  readonly output: number;
  /** One column, or undefined for all. */
  readonly column: number | undefined;
}

export interface ResolvedOutputs {
  readonly fields: readonly ResolvedOutput[];
  /** Positions of the outputs that the fields need, each once. */
  readonly fetch: readonly number[];
  /** Per output of the session, the columns that the fields need at least; for the batcher to hold runs to. */
  readonly widthsMin: readonly number[];
  readonly mistakes: readonly Mistake[];
}

/**
 * @param session that has all outputs which the version selects
 * @param widths columns per output, where a warm-up has found them; else what the model declares
 */
export function resolveOutputs(
  version: ModelVersion,
  session: ModelSession,
  widths: readonly (number | undefined)[] = session.outputs.map(declaredWidth),
): ResolvedOutputs {
  const widthsMin = session.outputs.map(() => 0);
  const mistakes: Mistake[] = [];
  if (version.outputs === undefined) {
    const fields = session.outputs.map(({ name }, output) => ({ field: name, output, column: undefined }));
    return { fields, fetch: session.outputs.map((_, output) => output), widthsMin, mistakes };
  }
  const fields = version.outputs.map(({ field, tensor, column, location }) => {
    const output = session.outputs.findIndex((spec) => spec.name === tensor);
    if (output === -1) throw new Error(`the model has no output ${tensor} to read`);
    const width = widths[output];
    if (column !== undefined) {
      widthsMin[output] = Math.max(widthsMin[output] ?? 0, column + 1);
      if (width !== undefined && column >= width) {
        mistakes.push({ ...location, message: missingColumn(tensor, column, width) });
      }
    }
    return { field, output, column };
  });
  const fetch = [...new Set(fields.map(({ output }) => output))];
  return { fields, fetch, widthsMin, mistakes };
}

/** Columns of an output as the model declares it; undefined if it leaves them open. */
export function declaredWidth(spec: TensorSpec): number | undefined {
  return spec.shape.slice(1).reduce<number | undefined>((product, dim) => multiply(product, dim), 1);
}

function multiply(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : a * b;
}

function missingColumn(tensor: string, column: number, width: number): string {
  const columns = width === 1 ? 'one column, [0]' : `${width} columns, [0] to [${width - 1}]`;
  return `the output "${tensor}" has ${columns}; there is no [${column}]`;
}
