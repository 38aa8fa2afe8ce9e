/**
 * Decides where a model runs that no endpoint uses, and how many of its rows share a run. Its rows are as wide as it
 * declares; one that leaves that open is not measured, and so runs in a thread.
 */
import { MillraceError } from '../errors.ts';
import { leastRunMs } from '../inference/least-run-time.ts';
import type { LoadedModel } from '../inference/model-repository.ts';
import { declaredWidth } from '../inference/resolve-outputs.ts';
import { rowOutputs } from '../inference/row-outputs.ts';
import type { ModelSession, TensorSpec } from '../inference/session.ts';
import { createBuffer, elementBytes } from '../inference/tensor-buffer.ts';
import { warmUp } from '../inference/warm-up.ts';
import type { WarmUp } from '../inference/warm-up.ts';
import type { ModelVersion } from '../project/project.ts';
import type { Batchers } from './batchers.ts';
import { INLINE_RUN_MS_MAX, isHeavy, logOnce } from './place-models.ts';
import type { PlacingParts } from './place-models.ts';

/** Of the inputs of one batch: rows of a megabyte go one by one. */
const BATCH_BYTES_MAX = 4 * 1024 * 1024;
/** A string in memory, about. */
const STRING_BYTES = 64;

/**
 * @returns for each output, whether callers may share it
 * @throws MillraceError MODEL_FAILED, WORKER_LOST, STARTUP_FAILED
 */
export async function placeTensorModel(
  { version, session: opened }: LoadedModel,
  parts: PlacingParts & { readonly batchers: Batchers },
): Promise<readonly boolean[]> {
  const { repository, batchers } = parts;
  const isMeasured =
    version.warmup && opened.inputs.every(({ shape }) => !shape.slice(1).includes(undefined));
  const batch = isMeasured
    ? await repository.once(version, JSON.stringify(['shared batch', version.batching.rowsMax]), async () =>
        sharedBatch(version, opened),
      )
    : undefined;
  let result: WarmUp | undefined;
  const measured = async (oneRowMsMax?: number): Promise<WarmUp> =>
    // By all that it depends on: the session outlives the settings.
    repository.once(version, JSON.stringify(['measured', batch?.rowsMax, oneRowMsMax]), async () =>
      measure(repository.loaded(version).session, batch, oneRowMsMax),
    );
  const { threads } = opened;
  if (isMeasured) result = await measured(threads === 0 ? INLINE_RUN_MS_MAX : undefined);
  if (version.execution === 'auto' && isSlow(version, result, threads)) {
    await repository.moveToThreads(version);
    if (isMeasured) result = await measured();
  }
  await logOnce(version, result, parts);
  if (batch === undefined) return opened.outputs.map(() => false);
  batchers.forTensors(version, { ...batch, runMs: result?.runMs?.fullBatch });
  return batch.isPerRow;
}

/** How callers share runs. */
interface SharedBatch {
  readonly widths: readonly number[];
  readonly rowsMax: number;
  /** For each output; for one at least. */
  readonly isPerRow: readonly boolean[];
}

/** Undefined = every caller runs alone. */
async function sharedBatch(version: ModelVersion, session: ModelSession): Promise<SharedBatch | undefined> {
  const { inputs } = session;
  if (inputs.length === 0 || inputs.some((spec) => spec.shape[0] !== undefined || spec.shape.length === 0))
    return undefined;
  const widths = inputs.map(slotsOf);
  if (widths.includes(0)) return undefined;
  const isPerRow = await rowOutputs(session, widths);
  if (!isPerRow.includes(true)) return undefined;
  const rowBytes = inputs.reduce((sum, spec, i) => sum + (widths[i] as number) * slotBytes(spec), 0);
  const rowsMax = Math.max(1, Math.floor(BATCH_BYTES_MAX / rowBytes));
  return { widths, isPerRow, rowsMax: Math.min(version.batching.rowsMax, rowsMax) };
}

/** What is not measured may be slow, and leaves the event loop. */
function isSlow(version: ModelVersion, result: WarmUp | undefined, threads: number): boolean {
  if (result?.runMs === undefined) return threads === 0;
  return isHeavy({ version, result, threads });
}

async function measure(
  session: ModelSession,
  batch: SharedBatch | undefined,
  oneRowMsMax = Infinity,
): Promise<WarmUp> {
  if (batch === undefined) return measureAlone(session);
  const fetch = batch.isPerRow.flatMap((isPerRow, output) => (isPerRow ? [output] : []));
  return warmUp(session, { ...batch, fetch, oneRowMsMax });
}

/** The first run is not timed: it allocates. */
async function measureAlone(session: ModelSession): Promise<WarmUp> {
  const inputs = session.inputs.map((spec) => {
    const dims = spec.shape.map((dim) => dim ?? 1);
    return { data: createBuffer(spec.elementType, product(dims)), dims };
  });
  const unknown = { outputWidths: session.outputs.map(declaredWidth), runMs: undefined };
  try {
    await session.run(inputs);
    const oneRow = await leastRunMs(session, inputs);
    return { ...unknown, runMs: { oneRow, fullBatch: undefined }, warning: undefined };
  } catch (error) {
    if (!(error instanceof MillraceError) || error.code !== 'MODEL_FAILED') throw error;
    return { ...unknown, warning: `${session.path} was not measured: it rejects zeros.` };
  }
}

function slotsOf({ shape }: TensorSpec): number {
  return product(shape.slice(1).map((dim) => dim ?? 0));
}

function slotBytes({ elementType }: TensorSpec): number {
  return elementType === 'string' ? STRING_BYTES : elementBytes(elementType);
}

function product(dims: readonly number[]): number {
  return dims.reduce((all, dim) => all * dim, 1);
}
