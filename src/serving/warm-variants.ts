/**
 * The first runs of every model, before anyone waits for them. What only a run can tell (outputs that do not keep to
 * the batch, columns that the model file leaves open) is found here, for all models at once.
 */
import { MillraceError } from '../errors.ts';
import { resolveOutputs } from '../inference/model-repository.ts';
import { warmUp } from '../inference/warm-up.ts';
import type { WarmUp } from '../inference/warm-up.ts';
import type { Mistake } from '../project/project.ts';
import type { ServedVariant } from './compile-project.ts';

export interface Warmed {
  readonly model: string;
  readonly version: string;
  readonly result: WarmUp;
}

/** Versions with `warmup: false` are left out. */
export async function warmVariants(
  variants: readonly ServedVariant[],
): Promise<{ readonly warmed: readonly Warmed[]; readonly mistakes: readonly Mistake[] }> {
  const warmed: Warmed[] = [];
  const mistakes: Mistake[] = [];
  for (const { session, version, widths } of distinct(variants)) {
    try {
      const result = await warmUp(session, { widths, rowsMax: version.batching.rowsMax });
      warmed.push({ model: version.model, version: version.version, result });
      mistakes.push(...resolveOutputs(version, session, result.outputWidths).mistakes);
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error;
      mistakes.push({ ...version.location, message: error.message });
    }
  }
  return { warmed, mistakes };
}

type WarmTarget = ServedVariant['loaded'] & { readonly widths: readonly number[] };

/** Endpoints that fill the same version equally wide need one warm-up. */
function distinct(variants: readonly ServedVariant[]): WarmTarget[] {
  const targets = new Map<string, WarmTarget>();
  for (const { loaded, compiled } of variants) {
    const { widths } = compiled.transforms;
    if (loaded.version.warmup) targets.set(batchKey(loaded.version, widths), { ...loaded, widths });
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
