/** Opens the models of a project and compiles every variant, with all mistakes of all of them at once. */
import { openModelRepository } from '../inference/model-repository.ts';
import type { LoadedModel, ModelRepository } from '../inference/model-repository.ts';
import type { SessionPool } from '../inference/session-pool.ts';
import type { Endpoint, Mistake, ModelVersion, Project, Variant } from '../project/project.ts';
import { compileVariant } from './compile-variant.ts';
import type { CompiledVariant } from './compile-variant.ts';
import { whenMistakes } from './compile-when.ts';
import { nothingLeftOut } from './left-out.ts';
import type { LeftOut } from './left-out.ts';

export interface ServedVariant {
  readonly endpoint: Endpoint;
  readonly variant: Variant;
  readonly loaded: LoadedModel;
  readonly compiled: CompiledVariant;
}

export interface CompiledProject {
  readonly repository: ModelRepository;
  readonly variants: readonly ServedVariant[];
  readonly mistakes: readonly Mistake[];
}

export interface CompileOptions {
  /** What reading the project left out. */
  readonly leftOut?: LeftOut;
  /** Versions to open besides, of which no mistake is told: of each list the first that can be loaded. */
  readonly others?: readonly (readonly ModelVersion[])[];
  /** Where their sessions are; default: one of their own. */
  readonly pool?: SessionPool | undefined;
}

/** @param versions the model versions to open; those that no endpoint uses are checked by themselves */
export async function compileProject(
  project: Project,
  versions: readonly ModelVersion[],
  { leftOut = nothingLeftOut, others = [], pool }: CompileOptions = {},
): Promise<CompiledProject> {
  const repository = await openModelRepository(versions, pool, others);
  const mistakes: Mistake[] = versions.flatMap((version) => repository.mistakesOf(version));
  const variants: ServedVariant[] = [];
  for (const endpoint of project.endpoints.values()) {
    mistakes.push(...whenMistakes(endpoint, endpoint.rollout));
    for (const variant of endpoint.variants) {
      if (repository.mistakesOf(variant.model).length > 0) continue;
      const loaded = repository.loaded(variant.model);
      const { compiled, mistakes: found } = compileVariant(project, endpoint, loaded, leftOut);
      mistakes.push(...found.filter((mistake) => !mistakes.some((known) => isSame(known, mistake))));
      if (compiled !== undefined) variants.push({ endpoint, variant, loaded, compiled });
    }
  }
  for (const version of versions) {
    if (!version.isDescribed || repository.mistakesOf(version).length > 0) continue;
    if (servedVersions(project).includes(version)) continue;
    mistakes.push(...compileVariant(project, undefined, repository.loaded(version), leftOut).mistakes);
  }
  return { repository, variants, mistakes };
}

/** The model versions that endpoints answer with, each once. */
export function servedVersions(project: Project): ModelVersion[] {
  const served = [...project.endpoints.values()].flatMap(({ variants }) =>
    variants.map(({ model }) => model),
  );
  return [...new Set(served)];
}

/** Endpoints that share a model version find the same mistakes in it. */
function isSame(a: Mistake, b: Mistake): boolean {
  return a.file === b.file && a.line === b.line && a.path === b.path && a.message === b.message;
}
