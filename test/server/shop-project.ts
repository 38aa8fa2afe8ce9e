/**
 * A project with events, and an endpoint that reads features of them: `m` answers `[request.a, purchases in the last
 * hour]`.
 */
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const description = {
  project: 'shop',
  entities: { user: { keys: { user_id: 'int64' } } },
  events: { purchase: { fields: { user_id: 'int64', item: 'string', price: 'float64' } } },
  feature_views: {
    activity: {
      entity: 'user',
      stream: { event: 'purchase', keys: { user_id: 'user_id' } },
      features: {
        purchases_1h: { count: true, window: '1h' },
        spent_24h: { sum: 'price', window: '24h' },
        last_item: { last: 'item', window: '7d' },
      },
    },
  },
  endpoints: {
    m: { request: { user_id: 'int64', a: 'float64' }, variants: { only: { model: 'm@1' } } },
  },
};

const model = {
  entities: { u: { entity: 'user', keys: { user_id: 'request.user_id' } } },
  inputs: { x: ['request.a', 'u.activity.purchases_1h ?? 0'] },
};

/**
 * Writes the project into a folder.
 * @param sections of the project file besides, such as `streaming` and `limits`
 */
export async function writeShopProject(dir: string, sections: object = {}): Promise<void> {
  await mkdir(join(dir, 'm', '1'), { recursive: true });
  await writeFile(join(dir, 'millrace.json'), JSON.stringify({ ...description, ...sections }));
  await writeFile(join(dir, 'm', 'model.json'), JSON.stringify(model));
  await cp(
    new URL('../cases/models/identity_float32.onnx', import.meta.url),
    join(dir, 'm', '1', 'model.onnx'),
  );
}

export function purchase(id: string, user: number, price: number): object {
  return { type: 'purchase', id, fields: { user_id: user, item: `item ${id}`, price } };
}
