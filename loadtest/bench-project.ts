/** The project that Millrace serves in the benchmark: 32 float features a user in the LMDB store, a 32-64-32-1 network. */
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeEntityKey } from '../src/features/entity-key.ts';
import { openLmdbStoreAlone } from '../src/features/lmdb-store.ts';
import type { RowWrite } from '../src/features/online-store.ts';
import type { FeatureView } from '../src/project/project.ts';
import { loadProject } from '../src/project/read-project.ts';
import { FEATURES, USERS, featuresOf } from './shape.ts';

const names = Array.from({ length: FEATURES }, (_, i) => `f${i}`);

export interface BenchProjectOptions {
  /** Each is a model of its own, of the same kind. */
  readonly endpoints?: readonly string[];
  readonly users?: number;
  /** The section `log` of each endpoint. */
  readonly log?: object;
  /** Runs on the event loop and refuses nothing, however slow a busy machine is while the server starts. */
  readonly isSteady?: boolean;
}

const WRITTEN_AT_ONCE = 10_000;

/** Writes the project into a folder, and its rows into the data folder. */
export async function writeBenchProject(
  dir: string,
  dataDir: string,
  { endpoints = ['m'], users = USERS, log, isSteady = false }: BenchProjectOptions = {},
): Promise<void> {
  for (const endpoint of endpoints) await writeModel(join(dir, endpoint), isSteady);
  const request = { user_id: 'string', item: 'string' };
  await writeFile(
    join(dir, 'millrace.json'),
    JSON.stringify({
      project: 'bench',
      ...(isSteady && { limits: { timeout: '30s' } }),
      entities: { user: { keys: { user_id: 'string' } } },
      feature_views: {
        facts: { entity: 'user', features: Object.fromEntries(names.map((name) => [name, 'float64'])) },
      },
      endpoints: Object.fromEntries(
        endpoints.map((name) => [name, { request, variants: { only: { model: `${name}@1` } }, log }]),
      ),
    }),
  );
  await writeRows(dir, dataDir, users);
}

async function writeModel(dir: string, isSteady: boolean): Promise<void> {
  await mkdir(join(dir, '1'), { recursive: true });
  await cp(new URL('../test/cases/models/mlp.onnx', import.meta.url), join(dir, '1', 'model.onnx'));
  await writeFile(
    join(dir, 'model.json'),
    JSON.stringify({
      ...(isSteady && { execution: 'inline' }),
      entities: { u: { entity: 'user', keys: { user_id: 'request.user_id' } } },
      inputs: { x: names.map((name) => `u.facts.${name} ?? 0`) },
    }),
  );
}

async function writeRows(dir: string, dataDir: string, users: number): Promise<void> {
  const project = await loadProject(dir);
  const store = await openLmdbStoreAlone({ path: dataDir, views: project.featureViews.values() });
  const view = project.featureViews.get('facts') as FeatureView;
  for (let first = 0; first < users; first += WRITTEN_AT_ONCE) {
    const count = Math.min(WRITTEN_AT_ONCE, users - first);
    await store.write(Array.from({ length: count }, (_, i) => rowOf(view, first + i)));
  }
  await store.close();
}

function rowOf(view: FeatureView, user: number): RowWrite {
  return {
    view,
    key: encodeEntityKey(view.entity, [`user-${user}`]),
    row: [1, ...featuresOf(user)],
  };
}
