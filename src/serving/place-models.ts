/**
 * Decides where each model runs: on the event loop, where a run costs least but holds up everybody else, or in worker
 * threads. `execution` in model.yaml says it, or the time of a run does, as the warm-up measures it.
 */
import { availableParallelism } from 'node:os';
import type { ModelRepository } from '../inference/model-repository.ts';
import type { WarmUp } from '../inference/warm-up.ts';
import type { ModelVersion } from '../project/project.ts';
import { invalidProject } from '../project/report.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { ServedVariant } from './compile-project.ts';
import { warmVariants } from './warm-variants.ts';
import type { Warmed } from './warm-variants.ts';

/** Of a full batch on the event loop; about what a few requests take to read and answer. */
export const INLINE_RUN_MS_MAX = 0.3;

export interface PlacingParts {
  readonly repository: ModelRepository;
  readonly metrics: Metrics;
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
  for (const version of versions) if (version.execution === 'worker') await moveToThreads(version, parts);
  const first = await warmVariants(variants, repository, INLINE_RUN_MS_MAX);
  const heavy = new Set(first.warmed.filter(isHeavy).map(({ version }) => version));
  for (const version of heavy) await moveToThreads(version, parts);
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

export function isHeavy({ version, result: { runMs } }: Warmed): boolean {
  if (version.execution !== 'auto' || runMs === undefined) return false;
  return (runMs.fullBatch ?? runMs.oneRow) > INLINE_RUN_MS_MAX;
}

export async function moveToThreads(
  version: ModelVersion,
  { repository, metrics, log }: PlacingParts,
): Promise<void> {
  const labels = { model: version.model, version: version.version };
  const restarts = metrics.counter(
    'millrace_model_worker_restarts_total',
    'Worker threads of a model that ended by themselves and were replaced.',
    labels,
  );
  await repository.moveToThreads(version, {
    threads: version.workers ?? Math.max(1, availableParallelism() - 1),
    onRestart(reason, delayMs) {
      restarts.add(1);
      log.error(
        { ...labels, reason, delay_ms: delayMs },
        'a worker thread of the model ended; starting another',
      );
    },
  });
}

/** A session that is shared with the definition before was told of by that. */
export async function logOnce(
  version: ModelVersion,
  result: Pick<WarmUp, 'runMs' | 'warning'> | undefined,
  { repository, log }: PlacingParts,
): Promise<void> {
  await repository.once(version, 'told of', async () =>
    logModel(version, repository.loaded(version).session.threads, result, log),
  );
}

function logModel(
  version: ModelVersion,
  threads: number,
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
      because: reasonOf(version, threads, runMs !== undefined),
    },
    'model loaded',
  );
}

function reasonOf({ execution }: ModelVersion, threads: number, isMeasured: boolean): string {
  if (execution !== 'auto') return 'model.yaml says so';
  if (!isMeasured) return 'its runs were not measured';
  return threads === 0
    ? `a full batch takes at most ${INLINE_RUN_MS_MAX} ms`
    : `a full batch takes more than ${INLINE_RUN_MS_MAX} ms`;
}
