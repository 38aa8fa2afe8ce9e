/**
 * The first runs of a model, before anyone waits for them: memory is allocated, the time of a run is known, and
 * outputs whose width the model leaves open get one. The rows are neutral (0, false, empty strings). Some models
 * reject such rows, an encoder without a category for the empty string for one; that says nothing about real rows, so
 * it is a warning and not an error.
 */
import { MillraceError } from '../errors.ts';
import { outputsPerRow } from './batcher.ts';
import type { OutputData } from './batcher.ts';
import { batchRowsMax, expectedInput } from './expected-input.ts';
import { declaredWidth } from './resolve-outputs.ts';
import type { ModelSession, TensorValue } from './session.ts';
import { createBuffer } from './tensor-buffer.ts';

export interface WarmUp {
  /** Columns per output of the session, as found; as declared if the runs failed (undefined = left open). */
  readonly outputWidths: readonly (number | undefined)[];
  /** Time of a run of one row and of a full batch; undefined if the runs failed. */
  readonly runMs: { readonly oneRow: number; readonly fullBatch: number } | undefined;
  /** Why the runs failed, as a sentence. */
  readonly warning: string | undefined;
}

/**
 * Runs the model twice with one row and twice with `rowsMax` rows; the second run of each size is the one timed.
 * @param options.widths slots per row of each input, which fit it
 * @throws MillraceError INVALID_MODEL if an output's first dimension is not the batch
 */
export async function warmUp(
  session: ModelSession,
  options: { readonly widths: readonly number[]; readonly rowsMax: number },
): Promise<WarmUp> {
  try {
    const one = await timedRun(session, options.widths, 1);
    const full = await timedRun(session, options.widths, batchRowsMax(session.inputs, options.rowsMax));
    return {
      outputWidths: full.outputs.map((output) => output.width),
      runMs: { oneRow: one.durationMs, fullBatch: full.durationMs },
      warning: undefined,
    };
  } catch (error) {
    if (!(error instanceof MillraceError) || error.code !== 'MODEL_FAILED') throw error;
    const reason = error.cause instanceof Error ? error.cause.message : String(error.cause);
    return {
      outputWidths: session.outputs.map(declaredWidth),
      runMs: undefined,
      warning:
        `${session.path} was not warmed up: it rejects rows of zeros (${reason}). ` +
        'If that is as it should be, set `warmup: false` in model.yaml.',
    };
  }
}

async function timedRun(
  session: ModelSession,
  widths: readonly number[],
  rows: number,
): Promise<{ outputs: OutputData[]; durationMs: number }> {
  const inputs = neutralRows(session, widths, rows);
  outputsPerRow(session, await session.run(inputs), rows);
  const startedMs = performance.now();
  const results = await session.run(inputs);
  return { outputs: outputsPerRow(session, results, rows), durationMs: performance.now() - startedMs };
}

function neutralRows(session: ModelSession, widths: readonly number[], rows: number): TensorValue[] {
  return session.inputs.map((spec, i) => {
    const width = widths[i] ?? 0;
    return {
      data: createBuffer(spec.elementType, rows * width),
      dims: [rows, ...expectedInput(spec).tail(width)],
    };
  });
}
