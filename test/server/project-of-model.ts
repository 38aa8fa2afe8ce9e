/** A small project around one of the test models, served in this process. */
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Limits, Project } from '../../src/project/project.ts';
import { loadProject } from '../../src/project/read-project.ts';

export interface ModelProject {
  readonly project: Project;
  readonly dir: string;
  remove(): Promise<void>;
}

export interface ModelProjectOptions {
  /** File in test/cases/models, without `.onnx`. */
  readonly model: string;
  /** Request fields, as in the project file. */
  readonly request: Readonly<Record<string, string>>;
  /** ONNX input -> expressions. */
  readonly inputs: Readonly<Record<string, readonly string[]>>;
  readonly batching?: { readonly rows_max?: number; readonly delay_ms_max?: number };
  readonly limits?: Partial<Limits>;
}

/** The endpoint and the model are both called `m`. There is a view `u.facts` of the entity `user`, bound as `u`. */
export async function projectOfModel(options: ModelProjectOptions): Promise<ModelProject> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-project-'));
  const { model, request, inputs, batching = {} } = options;
  const description = {
    project: 'test',
    entities: { user: { keys: { id: 'string' } } },
    feature_views: { facts: { entity: 'user', features: { score: 'float64' } } },
    endpoints: { m: { request: { id: 'string', ...request }, variants: { only: { model: 'm@1' } } } },
  };
  const entities = { u: { entity: 'user', keys: { id: 'request.id' } } };
  await mkdir(join(dir, 'm', '1'), { recursive: true });
  await writeFile(join(dir, 'millrace.json'), JSON.stringify(description));
  await writeFile(join(dir, 'm', 'model.json'), JSON.stringify({ entities, inputs, batching }));
  await cp(new URL(`../cases/models/${model}.onnx`, import.meta.url), join(dir, 'm', '1', 'model.onnx'));
  const loaded = await loadProject(dir);
  return {
    project: { ...loaded, limits: { ...loaded.limits, ...options.limits } },
    dir,
    remove: async () => rm(dir, { recursive: true, force: true }),
  };
}
