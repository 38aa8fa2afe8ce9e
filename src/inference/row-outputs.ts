/**
 * Which outputs tell the rows of a batch apart, so that callers may share a run. What a model declares does not say
 * it: an open first dimension may be anything. Runs of neutral rows do, of one row and of three.
 */
import { MillraceError } from '../errors.ts';
import { batchRowsMax } from './expected-input.ts';
import type { ModelSession } from './session.ts';
import { neutralRows } from './warm-up.ts';

const PROBED_ROWS = [1, 3];

/**
 * @param widths slots per row of each input, which fit it
 * @returns for each output whether it had a row for each row of every run; false for all if the model rejects them
 */
export async function rowOutputs(
  session: ModelSession,
  widths: readonly number[],
): Promise<readonly boolean[]> {
  const none = session.outputs.map(() => false);
  if (batchRowsMax(session.inputs, 2) === 1) return none;
  let isPerRow = session.outputs.map(({ shape }) => shape.length > 0 && shape[0] === undefined);
  for (const rows of PROBED_ROWS) {
    try {
      const results = await session.run(neutralRows(session, widths, rows));
      isPerRow = isPerRow.map((is, output) => is && results[output]?.dims[0] === rows);
    } catch (error) {
      if (!(error instanceof MillraceError) || error.code !== 'MODEL_FAILED') throw error;
      return none;
    }
  }
  return isPerRow;
}
