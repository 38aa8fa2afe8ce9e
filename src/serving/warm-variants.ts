/**
 * The first runs of every model, before anyone waits for them. What only a run can tell (outputs that do not keep to
 * the batch, columns that the model file leaves open) is found here, for all models at once.
 */
import { MillraceError } from '../errors.ts';
import { resolveOutputs } from '../inference/model-repository.ts';
import type { ModelRepository } from '../inference/model-repository.ts';
import { warmUp } from '../inference/warm-up.ts';
import type { WarmUp } from '../inference/warm-up.ts';
import type { Mistake, ModelVersion } from '../project/project.ts';
import type { ServedVariant } from './compile-project.ts';

export interface Warmed {
  readonly version: ModelVersion;
  readonly result: WarmUp;
  /** Of the session that was warmed up. */
  readonly threads: number;
}

export interface WarmedVariants {
  readonly warmed: readonly Warmed[];
  readonly mistakes: readonly Mistake[];
}

/**
 * Versions with `warmup: false` are left out.
 * @param oneRowMsMax if a run of one row on the event loop takes longer, the model is not run with more
 */
export async function warmVariants(
  variants: readonly ServedVariant[],
  repository: ModelRepository,
  oneRowMsMax?: number,
): Promise<WarmedVariants> {
  const warmed: Warmed[] = [];
  const mistakes: Mistake[] = [];
  for (const { version, widths, fetch } of distinct(variants)) {
    const { session } = repository.loaded(version);
    const { rowsMax } = version.batching;
    try {
      // One for each thread, so that every thread makes some of the runs.
      const warmUps = async (): Promise<WarmUp[]> =>
        Promise.all(
          Array.from({ length: Math.max(1, session.threads) }, async () =>
            warmUp(session, {
              widths,
              rowsMax,
              fetch,
              ...(oneRowMsMax !== undefined && session.threads === 0 && { oneRowMsMax }),
            }),
          ),
        );
      const name = JSON.stringify(['warm-up', widths, rowsMax, fetch]);
      const [result] = (await repository.once(version, name, warmUps)) as [WarmUp];
      warmed.push({ version, result, threads: session.threads });
      mistakes.push(...resolveOutputs(version, session, result.outputWidths).mistakes);
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error;
      mistakes.push({ ...version.location, message: error.message });
    }
  }
  return { warmed, mistakes };
}

interface WarmTarget {
  readonly version: ModelVersion;
  readonly widths: readonly number[];
  /** As in a plan. */
  readonly fetch: readonly number[];
}

/** Endpoints that fill the same version equally wide need one warm-up. */
function distinct(variants: readonly ServedVariant[]): WarmTarget[] {
  const targets = new Map<string, WarmTarget>();
  for (const { loaded, compiled } of variants) {
    const { version } = loaded;
    const { fetch, transforms } = compiled;
    const { widths } = transforms;
    if (version.warmup) targets.set(batchKey(version, widths), { version, widths, fetch });
  }
  return [...targets.values()];
}

/** Names the batches that endpoints share. */
export function batchKey(
  version: { readonly model: string; readonly version: string },
  widths: readonly number[],
): string {
  return `${version.model}@${version.version} ${widths.join()}`;
}
