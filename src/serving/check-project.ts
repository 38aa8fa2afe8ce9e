/** Checks a project folder as a whole, models included, without serving it: what `millrace check` reports. */
import type { ModelRepository } from '../inference/model-repository.ts';
import type { ElementType, TensorSpec } from '../inference/session.ts';
import type { Mistake, ModelVersion, Project } from '../project/project.ts';
import { readProject } from '../project/read-project.ts';
import { strayModels } from '../project/stray-models.ts';
import { compileProject, servedVersions } from './compile-project.ts';
import { leftOutBy } from './left-out.ts';
import { warmVariants } from './warm-variants.ts';

/** How one input of a model is filled for one endpoint. */
export interface CheckedInput {
  readonly endpoint: string;
  readonly model: string;
  readonly version: string;
  readonly input: string;
  readonly type: ElementType;
  readonly slots: number;
  readonly expressions: number;
}

/** A model version that no endpoint uses: it serves tensors. */
export interface TensorModel {
  readonly model: string;
  readonly version: string;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

export interface ProjectCheck {
  /** All that is sound. */
  readonly project: Project;
  readonly mistakes: readonly Mistake[];
  readonly inputs: readonly CheckedInput[];
  readonly tensorModels: readonly TensorModel[];
  /** What is no mistake, and may not be what was meant. */
  readonly warnings: readonly string[];
}

export async function checkProject(dir: string): Promise<ProjectCheck> {
  const { project, mistakes } = await readProject(dir);
  const versions = [...project.models.values()].flatMap((model) => [...model.versions.values()]);
  const compiled = await compileProject(project, versions, { leftOut: leftOutBy(mistakes) });
  const inputs = compiled.variants.flatMap(({ endpoint, loaded, compiled: { inputs: filled } }) =>
    loaded.session.inputs.map((spec, i): CheckedInput => {
      const { model, version, inputs: written } = loaded.version;
      const expressions = written.find(({ name }) => name === spec.name)?.expressions.length ?? 0;
      const slots = filled[i]?.width ?? 0;
      return {
        endpoint: endpoint.name,
        model,
        version,
        input: spec.name,
        type: spec.elementType,
        slots,
        expressions,
      };
    }),
  );
  const tensorModels = tensorModelsOf(project, versions, compiled.repository);
  const { mistakes: found } = await warmVariants(compiled.variants, compiled.repository);
  await compiled.repository.release();
  return {
    project,
    mistakes: [...mistakes, ...compiled.mistakes, ...found],
    inputs,
    tensorModels,
    warnings: await strayModels(project),
  };
}

function tensorModelsOf(
  project: Project,
  versions: readonly ModelVersion[],
  repository: ModelRepository,
): TensorModel[] {
  const used = servedVersions(project);
  return versions.flatMap((version) => {
    const loaded = used.includes(version) ? undefined : repository.get(version);
    if (loaded === undefined) return [];
    const { inputs, outputs } = loaded.session;
    return [{ model: version.model, version: version.version, inputs, outputs }];
  });
}
