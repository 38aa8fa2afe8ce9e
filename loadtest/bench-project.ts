/** The project that Millrace serves in the benchmark: 32 float features a user in the LMDB store, a 32-64-32-1 network. */
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeEntityKey } from '../src/features/entity-key.ts';
import { openLmdbStore } from '../src/features/lmdb-store.ts';
import type { FeatureView } from '../src/project/project.ts';
import { loadProject } from '../src/project/read-project.ts';
import { FEATURES, USERS, featuresOf } from './shape.ts';

const names = Array.from({ length: FEATURES }, (_, i) => `f${i}`);

/** Writes the project into a folder, and its rows into the data folder. */
export async function writeBenchProject(dir: string, dataDir: string): Promise<void> {
  await mkdir(join(dir, 'm', '1'), { recursive: true });
  await cp(new URL('../test/cases/models/mlp.onnx', import.meta.url), join(dir, 'm', '1', 'model.onnx'));
  await writeFile(
    join(dir, 'millrace.json'),
    JSON.stringify({
      project: 'bench',
      entities: { user: { keys: { user_id: 'string' } } },
      feature_views: {
        facts: { entity: 'user', features: Object.fromEntries(names.map((name) => [name, 'float64'])) },
      },
      endpoints: {
        m: { request: { user_id: 'string', item: 'string' }, variants: { only: { model: 'm@1' } } },
      },
    }),
  );
  await writeFile(
    join(dir, 'm', 'model.json'),
    JSON.stringify({
      entities: { u: { entity: 'user', keys: { user_id: 'request.user_id' } } },
      inputs: { x: names.map((name) => `u.facts.${name} ?? 0`) },
    }),
  );
  const project = await loadProject(dir);
  const store = await openLmdbStore({ path: dataDir, views: project.featureViews.values() });
  const view = project.featureViews.get('facts') as FeatureView;
  await store.write(
    Array.from({ length: USERS }, (_, u) => ({
      view,
      key: encodeEntityKey(view.entity, [`user-${u}`]),
      row: [1, ...featuresOf(u)] as const,
    })),
  );
  await store.close();
}
