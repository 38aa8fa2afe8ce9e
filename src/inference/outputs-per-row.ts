/** The outputs of a run, row by row, and what is wrong with those that do not tell rows apart. */
import { MillraceError } from '../errors.ts';
import type { OutputData, OutputFault, RunOutputs } from './batch.ts';
import type { ModelSession, TensorValue } from './session.ts';

export interface OutputsPerRow {
  readonly outputs: RunOutputs;
  /** INVALID_MODEL each. */
  readonly faults: readonly OutputFault[];
}

export interface RunShape {
  readonly rows: number;
  /** Positions of the outputs that were fetched, in the order of the results; undefined = all. */
  readonly fetch?: readonly number[] | undefined;
  /** Columns per output that are read at least. */
  readonly widthsMin?: readonly number[] | undefined;
}

/** Gives outputs their width, and holds the model to its side: the first dimension of each output is the batch. */
export function outputsPerRow(
  session: ModelSession,
  results: readonly TensorValue[],
  { rows, fetch, widthsMin = [] }: RunShape,
): OutputsPerRow {
  const outputs: (OutputData | undefined)[] = session.outputs.map(() => undefined);
  const faults: OutputFault[] = [];
  results.forEach(({ data, dims }, i) => {
    const output = fetch?.[i] ?? i;
    const width = data.length / rows;
    const message = refuse(session.outputs[output]?.name, dims, { rows, width, widthMin: widthsMin[output] });
    if (message === undefined) outputs[output] = { data, width, tail: dims.slice(1) };
    else faults.push({ output, error: new MillraceError('INVALID_MODEL', `${session.path}: ${message}`) });
  });
  return { outputs, faults };
}

function refuse(
  name: string | undefined,
  dims: readonly number[],
  { rows, width, widthMin = 0 }: { rows: number; width: number; widthMin: number | undefined },
): string | undefined {
  if (dims[0] !== rows) {
    return (
      `the output "${name}" has the shape [${dims.join(', ')}] for a batch of ${rows}, so it does ` +
      'not tell the rows apart. Name only other outputs under `outputs` in model.yaml, or export the model with ' +
      'the batch as first dimension.'
    );
  }
  if (width >= widthMin) return undefined;
  return `the output "${name}" has ${width} columns, and model.yaml takes [${widthMin - 1}] of it.`;
}
