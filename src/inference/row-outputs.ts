/**
 * Which outputs are made row by row, so that callers may share a run. What a model declares does not say it: an open
 * first dimension may be anything, and an output with a row for each row may still mix them (`x - mean(x)`). Runs of
 * rows that differ do say it: what a row is answered must not depend on which rows are beside it, or where it stands.
 */
import { MillraceError } from '../errors.ts';
import { batchRowsMax } from './expected-input.ts';
import { probeInputs, probeKinds } from './probe-rows.ts';
import type { ProbeKind } from './probe-rows.ts';
import { float16ToNumber } from './float16.ts';
import type { ElementType, ModelSession, TensorData, TensorValue } from './session.ts';

/** Each row alone, all together, and all in another order. */
const PROBES = [[0], [1], [2], [0, 1, 2], [2, 0, 1]] as const;
/** Of the largest value of a column: a run of other size may add up in another order. */
const TOLERANCE = 1e-4;

/**
 * @param widths slots per row of each input, which fit it
 * @returns for each output whether every row had the same answer in every run; false for all if the model rejects them
 */
export async function rowOutputs(
  session: ModelSession,
  widths: readonly number[],
): Promise<readonly boolean[]> {
  const isOpen = session.outputs.map(({ shape }) => shape.length > 0 && shape[0] === undefined);
  if (batchRowsMax(session.inputs, 2) === 1) return isOpen.map(() => false);
  for (const kind of probeKinds) {
    const runs = await probe(session, widths, kind);
    if (runs === undefined) continue;
    return session.outputs.map(
      ({ elementType }, output) => isOpen[output] === true && isRowByRow(elementType, runs, output),
    );
  }
  return isOpen.map(() => false);
}

/** Undefined = the model rejects such rows. */
async function probe(
  session: ModelSession,
  widths: readonly number[],
  kind: ProbeKind,
): Promise<readonly (readonly TensorValue[])[] | undefined> {
  const runs: (readonly TensorValue[])[] = [];
  try {
    for (const rows of PROBES) runs.push(await session.run(probeInputs(session.inputs, widths, rows, kind)));
    return runs;
  } catch (error) {
    if (!(error instanceof MillraceError) || error.code !== 'MODEL_FAILED') throw error;
    return undefined;
  }
}

function isRowByRow(
  elementType: ElementType,
  runs: readonly (readonly TensorValue[])[],
  output: number,
): boolean {
  const found = runs.map((results) => results[output] as TensorValue);
  const [first] = found as [TensorValue];
  const tail = first.dims.slice(1).join();
  if (found.some(({ dims }, i) => dims[0] !== PROBES[i]?.length || dims.slice(1).join() !== tail))
    return false;
  const width = first.data.length;
  const numbers = found.map(({ data }) => comparable(elementType, data));
  const alone = numbers.slice(0, 3);
  for (let column = 0; column < width; column++) {
    const own = alone.map((row) => row[column] as Comparable);
    const tolerance = isFloat(elementType) ? TOLERANCE * largest(own) : 0;
    const isSame = numbers.every((values, run) =>
      (PROBES[run] as readonly number[]).every((row, at) =>
        isClose(values[at * width + column] as Comparable, own[row] as Comparable, tolerance),
      ),
    );
    if (!isSame) return false;
  }
  return true;
}

type Comparable = number | bigint | string;

function comparable(elementType: ElementType, data: TensorData): ArrayLike<Comparable> {
  return elementType === 'float16' ? Array.from(data as Uint16Array, float16ToNumber) : data;
}

function isFloat(elementType: ElementType): boolean {
  return elementType.startsWith('float');
}

/** Of those that are finite. */
function largest(values: readonly Comparable[]): number {
  return values.reduce<number>((max, value) => {
    const size = Math.abs(Number(value));
    return Number.isFinite(size) ? Math.max(max, size) : max;
  }, 0);
}

function isClose(a: Comparable, b: Comparable, tolerance: number): boolean {
  return a === b || Object.is(a, b) || (tolerance > 0 && Math.abs(Number(a) - Number(b)) <= tolerance);
}
