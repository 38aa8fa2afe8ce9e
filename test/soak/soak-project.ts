/** What is served in a soak: versions that tell themselves, features from events and from pushes, and a rollout. */
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { numberedModel, writeVersion } from '../server/numbered-project.ts';

const FIRST_VERSION = 1;
export const LAST_VERSION = 3;
/** Of the model that comes and goes. */
export const FREE_MODEL = 'free';
const PADDING_FLOATS = 50_000;

export async function writeSoakProject(dir: string): Promise<void> {
  for (let version = FIRST_VERSION; version <= LAST_VERSION; version++)
    await writeVersion(dir, version, PADDING_FLOATS);
  await mkdir(join(dir, FREE_MODEL, '1'), { recursive: true });
  await writeFile(join(dir, FREE_MODEL, '1', 'model.onnx'), numberedModel(0, PADDING_FLOATS));
  await pin(dir, FIRST_VERSION);
}

/** Lets the endpoint `pinned` be answered by this version from the next reload on. */
export async function pin(dir: string, version: number): Promise<void> {
  const request = { a: 'float32', user_id: 'int64' };
  const description = {
    project: 'soak',
    entities: { user: { keys: { user_id: 'int64' } } },
    events: { purchase: { fields: { user_id: 'int64', price: 'float64' } } },
    feature_views: {
      activity: {
        entity: 'user',
        stream: { event: 'purchase', keys: { user_id: 'user_id' } },
        features: { purchases_24h: { count: true, window: '24h' } },
      },
      profile: { entity: 'user', features: { level: 'int64' } },
    },
    endpoints: {
      pinned: { request, variants: { only: { model: `m@${version}` } } },
      newest: { request, variants: { only: { model: 'm@latest' } } },
      split: {
        request,
        unit: 'user_id',
        variants: { one: { model: 'm@1' }, two: { model: 'm@2' } },
      },
    },
    limits: { timeout: '5s' },
  };
  await writeFile(join(dir, '.next.json'), JSON.stringify(description));
  await rename(join(dir, '.next.json'), join(dir, 'millrace.json'));
}

/** A version that appears in the folder, whole. */
export async function addVersion(dir: string, version: number): Promise<void> {
  await writeVersion(dir, version, PADDING_FLOATS);
}
