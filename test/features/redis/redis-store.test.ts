import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CachedStore } from '../../../src/features/cached-store.ts';
import { contractViews, describeOnlineStore, reopenable } from '../../contract/online-store.ts';
import type { OpenedStore } from '../../contract/online-store.ts';
import { entityOf, viewOf } from '../sample-project.ts';
import { startCluster, startRedis } from '../../redis/redis-server.ts';
import type { RedisCluster, RedisServer } from '../../redis/redis-server.ts';
import { openStore, untilInMemory } from './store-of.ts';
import type { StoreOptions } from './store-of.ts';

let server: RedisServer;
let cluster: RedisCluster;
beforeAll(async () => {
  [server, cluster] = await Promise.all([startRedis(), startCluster()]);
}, 60_000);
afterAll(async () => {
  await Promise.all([server.stop(), cluster.stop()]);
});

async function opened(
  url: string,
  flush: () => Promise<unknown>,
  options: StoreOptions,
): Promise<OpenedStore> {
  await flush();
  const open = async (): Promise<CachedStore> => openStore(url, contractViews, options);
  return reopenable(open);
}

describe.each([
  ['Redis', 0],
  ['Redis with rows in memory', 1000],
])('%s', (name, entriesMax) => {
  describeOnlineStore(name, async () =>
    opened(server.url, async () => server.command('FLUSHALL'), { entriesMax }),
  );
});

describeOnlineStore('a Redis Cluster with rows in memory', async () =>
  opened(
    cluster.url,
    async () => Promise.all(cluster.nodes.map(async (node) => node.command('FLUSHALL'))),
    {},
  ),
);

describeOnlineStore(
  'a Redis Cluster in the layout of Feast',
  async () =>
    opened(
      cluster.url,
      async () => Promise.all(cluster.nodes.map(async (node) => node.command('FLUSHALL'))),
      { layout: 'feast' },
    ),
  { timestampStepMs: 1000 },
);

describe('a redirection to a node that hangs', () => {
  const thing = viewOf('things', entityOf('thing', { id: 'string' }), { x: 'float64' });

  /** A key in a slot of the first node. */
  async function keyOnFirstNode(from = 0): Promise<string> {
    const key = `k${from}`;
    const read = (cluster.nodes[0] as RedisServer).command('HGET', `mr:sample/thing/${key}`, 'things');
    return read.then(
      () => key,
      async () => keyOnFirstNode(from + 1),
    );
  }

  it('holds up a read no longer than the time limit of reads', async () => {
    const store = await openStore(cluster.url, [thing], { readTimeoutMs: 100 });
    const [source, target] = cluster.nodes as [RedisServer, RedisServer];
    const key = await keyOnFirstNode();
    const slot = String(await source.command('CLUSTER', 'KEYSLOT', `mr:sample/thing/${key}`));
    await target.command(
      'CLUSTER',
      'SETSLOT',
      slot,
      'IMPORTING',
      String(await source.command('CLUSTER', 'MYID')),
    );
    await source.command(
      'CLUSTER',
      'SETSLOT',
      slot,
      'MIGRATING',
      String(await target.command('CLUSTER', 'MYID')),
    );
    target.signal('SIGSTOP');
    const askedMs = performance.now();
    expect(await store.read([{ view: thing, key }])).toEqual([null]);
    // The node would hang for as long as it is asked.
    expect(performance.now() - askedMs).toBeLessThan(2000);
    // What is still under way then must not end as a rejection that nobody hears.
    await store.close();
    target.signal('SIGCONT');
    for (const node of [source, target]) await node.command('CLUSTER', 'SETSLOT', slot, 'STABLE');
  });
});

it('keeps the row of an entity without join keys, in Redis and in memory', async () => {
  await server.command('FLUSHALL');
  const totals = viewOf('totals', entityOf('overall', {}), { n: 'int64' });
  const store = await openStore(server.url, [totals]);
  await store.write([{ view: totals, key: '', row: [1000, 7] }]);
  expect(await store.read([{ view: totals, key: '' }])).toEqual([[1000, 7]]);
  await untilInMemory(store, [{ view: totals, key: '' }]);
  expect(store.get(totals, '')).toEqual([1000, 7]);
  await store.close();
});

describe('a view whose features changed', () => {
  const driver = entityOf('driver', { id: 'int64' });
  const before = viewOf('trips', driver, { count: 'int64', rating: 'float64' });
  const after = viewOf('trips', driver, { rating: 'float32', city: 'string' });
  const swapped = viewOf('trips', driver, { rating: 'float64', count: 'int64' });

  it('is read by name, also by a server that started before the change', async () => {
    await server.command('FLUSHALL');
    const old = await openStore(server.url, [before]);
    await old.write([{ view: before, key: '1', row: [5, 7, 4.5] }]);
    const young = await openStore(server.url, [after]);
    expect(await young.read([{ view: after, key: '1' }])).toEqual([[5, 4.5, null]]);
    await young.write([{ view: after, key: '2', row: [6, 3.5, 'Oslo'] }]);
    expect(await old.read([{ view: before, key: '2' }])).toEqual([[6, null, 3.5]]);
    await Promise.all([old.close(), young.close()]);
  });

  it('is never misread after Redis has lost its data: a server that runs says again what its rows mean', async () => {
    await server.command('FLUSHALL');
    const old = await openStore(server.url, [before]);
    await server.command('FLUSHALL');
    const listed = async (): Promise<unknown> => server.command('HGET', 'mr:sample:schemas', 'trips');
    await expect.poll(listed).toBe('[[["count","int64"],["rating","float64"]]]');
    await old.write([{ view: before, key: '1', row: [5, 7, 4.5] }]);
    const young = await openStore(server.url, [after]);
    expect(await young.read([{ view: after, key: '1' }])).toEqual([[5, 4.5, null]]);
    await server.command('HDEL', 'mr:sample:schemas', 'trips');
    const blind = await openStore(server.url, [swapped]);
    expect(await blind.read([{ view: swapped, key: '1' }])).toEqual([null]);
    await Promise.all([old.close(), young.close(), blind.close()]);
  });

  it('keeps one list of schemas, however many servers start at once', async () => {
    await server.command('FLUSHALL');
    const views = [before, after, before, after];
    const stores = await Promise.all(views.map(async (view) => openStore(server.url, [view])));
    const schemas = JSON.parse(
      String(await server.command('HGET', 'mr:sample:schemas', 'trips')),
    ) as unknown[];
    expect(schemas).toHaveLength(2);
    await Promise.all(stores.map(async (store) => store.close()));
  });
});
