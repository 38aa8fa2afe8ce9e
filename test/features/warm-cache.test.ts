import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openStore } from '../../src/features/open-store.ts';
import type { OnlineStore } from '../../src/features/online-store.ts';
import { parseRecent } from '../../src/features/recent-rows.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { startRedis } from '../redis/redis-server.ts';
import type { RedisServer } from '../redis/redis-server.ts';
import { untilInMemory } from './redis/store-of.ts';
import { entityOf, projectOf, viewOf } from './sample-project.ts';

const view = viewOf('things', entityOf('thing', { id: 'string' }), { x: 'float64' });

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(async () => server.stop());

async function open(): Promise<OnlineStore> {
  const place = { dataDir: join(tmpdir(), 'not-used-with-redis'), redis: { url: server.url } };
  const parts = { metrics: createMetrics(), log: createLog('silent'), isWarmed: true };
  return openStore(projectOf([view]), place, parts);
}

it('a server that was asked for little leaves the list of the others alone', async () => {
  const [busy, idle] = [await open(), await open()];
  const keys = ['a', 'b', 'c'].map((key) => ({ view, key }));
  await busy.write(keys.map((key) => ({ ...key, row: [1000, 7] })));
  await untilInMemory(busy, keys);
  await idle.read(keys.slice(0, 1));
  await busy.close();
  await idle.close();
  const next = await open();
  for (const { key } of keys) expect(next.get(view, key)).toEqual([1000, 7]);
  await next.close();
});

it.each([
  ['no JSON', '{', {}],
  ['no list', '[1]', {}],
  ['parts that are none', '{"a":1,"b":{"views":1,"keys":[]},"c":{"views":["v"]}}', {}],
  [
    'keys that are none, and too many',
    '{"thing":{"views":["v",1],"keys":["a",1,"b","c","d"]}}',
    { thing: { views: ['v'], keys: ['a', 'b'] } },
  ],
])('takes from a list what is one: %s', (_, text, recent) => {
  expect(parseRecent(text, 3)).toEqual(recent);
});
