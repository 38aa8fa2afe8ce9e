/**
 * Decides where each model runs: on the event loop, where a run costs least but holds up everybody else, or in worker
 * threads. `execution` in model.yaml says it, or the size of its files, or the time of a run, as the warm-up measures it.
 */
import type { LoadedModel, ModelRepository } from '../inference/model-repository.ts';
import { LOOP_BYTES_MAX } from '../inference/session-pool.ts';
import type { WarmUp } from '../inference/warm-up.ts';
import type { ModelVersion } from '../project/project.ts';
import { invalidProject } from '../project/report.ts';
import type { Log } from '../telemetry/log.ts';
import type { ServedVariant } from './compile-project.ts';
import { warmVariants } from './warm-variants.ts';
import type { Warmed } from './warm-variants.ts';

/** Of a full batch on the event loop; about what a few requests take to read and answer. */
export const INLINE_RUN_MS_MAX = 0.3;
/** Of a full batch in the one thread of a large model; a thread more costs the memory of the model once more. */
const ONE_THREAD_RUN_MS_MAX = 1;
const MEBIBYTE = 1024 ** 2;

export interface PlacingParts {
  readonly repository: ModelRepository;
  readonly log: Log;
}

/**
 * Warms every model up where it is going to run. Gives the time of a run of a full batch for those that were measured.
 * @throws MillraceError INVALID_PROJECT, INVALID_MODEL, WORKER_LOST, STARTUP_FAILED
 */
export async function placeModels(
  variants: readonly ServedVariant[],
  parts: PlacingParts,
): Promise<ReadonlyMap<ModelVersion, number>> {
  const { repository } = parts;
  const versions = [...new Set(variants.map(({ loaded }) => loaded.version))];
  const first = await warmVariants(variants, repository, INLINE_RUN_MS_MAX);
  const heavy = new Set(first.warmed.filter(isHeavy).map(({ version }) => version));
  await allDone([...heavy].map(async (version) => repository.moveToThreads(version)));
  const moved = variants.filter(({ loaded }) => heavy.has(loaded.version));
  const second = await warmVariants(moved, repository);
  const mistakes = [...first.mistakes, ...second.mistakes];
  if (mistakes.length > 0) throw invalidProject(mistakes);
  const runsMs = new Map<ModelVersion, number>();
  for (const version of versions) {
    const warmed = [...second.warmed, ...first.warmed].find((each) => each.version === version);
    await logOnce(version, warmed?.result, parts);
    const runMs = warmed?.result.runMs?.fullBatch;
    if (runMs !== undefined) runsMs.set(version, runMs);
  }
  return runsMs;
}

/** Also where one fails: what is still being opened could not be closed. */
async function allDone(works: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(works)) if (result.status === 'rejected') throw result.reason;
}

/** Whether it needs more threads than it has. */
export function isHeavy({ version, result: { runMs }, threads }: Warmed): boolean {
  if (version.execution !== 'auto' || runMs === undefined) return false;
  return (runMs.fullBatch ?? runMs.oneRow) > (threads === 0 ? INLINE_RUN_MS_MAX : ONE_THREAD_RUN_MS_MAX);
}

/** A session that is shared with the definition before was told of by that. */
export async function logOnce(
  version: ModelVersion,
  result: Pick<WarmUp, 'runMs' | 'warning'> | undefined,
  { repository, log }: PlacingParts,
): Promise<void> {
  await repository.once(version, 'told of', async () => logModel(repository.loaded(version), result, log));
}

function logModel(
  { version, session: { threads }, bytes }: LoadedModel,
  result: Pick<WarmUp, 'runMs' | 'warning'> | undefined,
  log: Log,
): void {
  const { runMs, warning } = result ?? { runMs: undefined, warning: undefined };
  const labels = { model: version.model, version: version.version };
  if (warning !== undefined) log.warn(labels, warning);
  log.info(
    {
      ...labels,
      run_ms_one_row: runMs?.oneRow,
      run_ms_full_batch: runMs?.fullBatch,
      execution: threads === 0 ? 'inline' : 'worker',
      workers: threads === 0 ? undefined : threads,
      because: reasonOf(version, threads, bytes, runMs !== undefined),
    },
    'model loaded',
  );
}

function reasonOf({ execution }: ModelVersion, threads: number, bytes: number, isMeasured: boolean): string {
  if (execution !== 'auto') return 'model.yaml says so';
  if (threads > 0 && bytes > LOOP_BYTES_MAX)
    return `its files have more than ${LOOP_BYTES_MAX / MEBIBYTE} MiB`;
  if (!isMeasured) return 'its runs were not measured';
  return threads === 0
    ? `a full batch takes at most ${INLINE_RUN_MS_MAX} ms`
    : `a full batch takes more than ${INLINE_RUN_MS_MAX} ms`;
}
