/**
 * The first runs of a model, before anyone waits for them: memory is allocated, the time of a run is known, and
 * outputs whose width the model leaves open get one. The rows are neutral (0, false, empty strings). Some models
 * reject such rows, an encoder without a category for the empty string for one; that says nothing about real rows, so
 * it is a warning and not an error.
 */
import { MillraceError } from '../errors.ts';
import type { RunOutputs } from './batch.ts';
import { batchRowsMax, expectedInput } from './expected-input.ts';
import { leastRunMs } from './least-run-time.ts';
import { outputsPerRow } from './outputs-per-row.ts';
import { declaredWidth } from './resolve-outputs.ts';
import type { ModelSession, TensorValue } from './session.ts';
import { createBuffer } from './tensor-buffer.ts';

export interface WarmUp {
  /** Columns per output of the session, as found; as declared if the runs failed (undefined = left open). */
  readonly outputWidths: readonly (number | undefined)[];
  /** Time of a run of one row and of a full batch; undefined if the runs failed, or were not made. */
  readonly runMs: { readonly oneRow: number; readonly fullBatch: number | undefined } | undefined;
  /** Why the runs failed, as a sentence. */
  readonly warning: string | undefined;
}

export interface WarmUpOptions {
  /** Slots per row of each input, which fit it. */
  readonly widths: readonly number[];
  readonly rowsMax: number;
  /** Positions of the outputs that are read; undefined = all. */
  readonly fetch?: readonly number[] | undefined;
  /** If a run of one row takes longer, no full batch is run. */
  readonly oneRowMsMax?: number;
}

/**
 * Runs the model with one row and with `rowsMax` rows. The first run of each size is not timed: it allocates.
 * @throws MillraceError INVALID_MODEL if an output's first dimension is not the batch
 */
export async function warmUp(session: ModelSession, options: WarmUpOptions): Promise<WarmUp> {
  const { oneRowMsMax = Infinity } = options;
  try {
    const one = await timedRuns(session, options, 1);
    const rowsMax = batchRowsMax(session.inputs, options.rowsMax);
    const full = one.durationMs > oneRowMsMax ? undefined : await timedRuns(session, options, rowsMax);
    const { outputs } = full ?? one;
    return {
      outputWidths: session.outputs.map((spec, i) => outputs[i]?.width ?? declaredWidth(spec)),
      runMs: { oneRow: one.durationMs, fullBatch: full?.durationMs },
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

async function timedRuns(
  session: ModelSession,
  { widths, fetch }: WarmUpOptions,
  rows: number,
): Promise<{ outputs: RunOutputs; durationMs: number }> {
  const inputs = neutralRows(session, widths, rows);
  const { outputs, faults } = outputsPerRow(session, await session.run(inputs, fetch), { rows, fetch });
  const [fault] = faults;
  if (fault !== undefined) throw fault.error;
  const durationMs = await leastRunMs(session, inputs, fetch);
  return { outputs, durationMs };
}

/** Zeros, false and empty strings for each input, as a batch. */
function neutralRows(session: ModelSession, widths: readonly number[], rows: number): TensorValue[] {
  return session.inputs.map((spec, i) => {
    const width = widths[i] ?? 0;
    return {
      data: createBuffer(spec.elementType, rows * width),
      dims: [rows, ...expectedInput(spec).tail(width)],
    };
  });
}
