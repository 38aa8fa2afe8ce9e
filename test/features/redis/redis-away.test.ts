/** A Redis that is killed, hangs, is slow, or takes no writes. */
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CachedStore } from '../../../src/features/cached-store.ts';
import type { FeatureView } from '../../../src/project/project.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import type { Metrics } from '../../../src/telemetry/metrics.ts';
import { entityOf, viewOf } from '../sample-project.ts';
import { startRedis } from '../../redis/redis-server.ts';
import type { RedisServer } from '../../redis/redis-server.ts';
import { startSlowProxy } from '../../redis/slow-proxy.ts';
import { openStore, untilInMemory } from './store-of.ts';
import type { StoreOptions } from './store-of.ts';

const thing = entityOf('thing', { id: 'string' });
const mild = viewOf('mild', thing, { x: 'float64' });
const strict: FeatureView = { ...viewOf('strict', thing, { x: 'float64' }), onUnavailable: 'error' };
const views = [mild, strict];

let server: RedisServer;
let stores: CachedStore[] = [];
beforeEach(async () => {
  server = await startRedis(['--appendonly', 'yes', '--appendfsync', 'always']);
});
afterEach(async () => {
  await Promise.all(stores.map(async (store) => store.close()));
  stores = [];
  await server.stop();
});

async function open(options: StoreOptions = {}, url = server.url): Promise<CachedStore> {
  const store = await openStore(url, views, options);
  stores.push(store);
  return store;
}

/**
 * A store with the rows `known` in memory, and `other` only in Redis. Another one has written them before this one is
 * told of changes: one that is told late, of its own write, would drop what has been read since.
 */
async function warmed(options: StoreOptions = {}, url?: string): Promise<CachedStore> {
  const writer = await openStore(server.url, views);
  const rows = ['known', 'other'].flatMap((key) =>
    views.map((view) => ({ view, key, row: [1, 7] as const })),
  );
  await writer.write(rows);
  await writer.close();
  const store = await open(options, url);
  await untilInMemory(
    store,
    views.map((view) => ({ view, key: 'known' })),
  );
  return store;
}

/** Reads and writes that were sent to Redis so far. */
async function roundTrips(metrics: Metrics): Promise<number> {
  return Number(/^millrace_redis_round_trips_total (\d+)$/m.exec(await metrics.render())?.[1]);
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await pause(10);
}

function staleMs(store: CachedStore): number {
  const row = store.get(mild, 'known');
  return row === undefined ? 0 : store.staleMs(mild, 'known', row);
}

const isStale = (store: CachedStore) => () => staleMs(store) > 0;
const mildOther = { view: mild, key: 'other' };

describe('when Redis is killed', () => {
  it('what is in memory is still given, marked as stale; what is not is missing, or an error as its view says', async () => {
    const store = await warmed();
    await server.kill();
    await until(isStale(store));
    expect(store.get(mild, 'known')).toEqual([1, 7]);
    expect(store.get(strict, 'known')).toEqual([1, 7]);
    expect(store.get(mild, 'other')).toBeUndefined();
    expect(await store.read([mildOther])).toEqual([null]);
    await expect(store.read([{ view: strict, key: 'other' }])).rejects.toMatchObject({
      code: 'STORE_FAILED',
    });
    await expect(store.write([{ view: mild, key: 'a', row: [1, 1] }])).rejects.toMatchObject({
      code: 'STORE_FAILED',
    });
  });

  it('nothing that is older than stale_max is given', async () => {
    const store = await warmed({ ttlMs: 100, staleMsMax: 2000 });
    await server.kill();
    await until(isStale(store));
    expect(store.get(mild, 'known')).toEqual([1, 7]);
    await until(() => store.get(mild, 'known') === undefined);
    expect(await store.read([{ view: mild, key: 'known' }])).toEqual([null]);
  });

  it('and comes back, rows are true again without a restart, also those that changed meanwhile', async () => {
    const store = await warmed();
    await server.kill();
    await until(isStale(store));
    await server.restart();
    const other = await open();
    await other.write([{ view: mild, key: 'known', row: [2, 8] }]);
    await until(async () => (await store.read([{ view: mild, key: 'known' }]))[0]?.[1] === 8);
    expect(staleMs(store)).toBe(0);
    await store.write([{ view: mild, key: 'known', row: [3, 9] }]);
    expect(await store.read([{ view: mild, key: 'known' }])).toEqual([[3, 9]]);
  });

  it('a row is still given whose key has changed in another view since', async () => {
    const store = await warmed();
    const other = await open();
    await other.write([{ view: strict, key: 'known', row: [2, 8] }]);
    await until(() => store.get(mild, 'known') === undefined);
    await store.read([{ view: strict, key: 'known' }]);
    expect(store.get(mild, 'known')).toBeUndefined();
    await server.kill();
    await until(isStale(store));
    expect(store.get(mild, 'known')).toEqual([1, 7]);
    expect(store.get(strict, 'known')).toEqual([2, 8]);
  });

  it('what this process has written is given, not what it had read before', async () => {
    const store = await warmed();
    await store.write([{ view: mild, key: 'known', row: [2, 8] }]);
    await server.kill();
    await until(isStale(store));
    expect(store.get(mild, 'known')).toEqual([2, 8]);
  });
});

describe('when Redis is killed', () => {
  it('what this process has written is given, also if it knew that there was no row before', async () => {
    const store = await warmed();
    await untilInMemory(store, [{ view: mild, key: 'new' }]);
    expect(store.get(mild, 'new')).toBeNull();
    await store.write([{ view: mild, key: 'new', row: [2, 8] }]);
    await server.kill();
    await until(isStale(store));
    expect(store.get(mild, 'new')).toEqual([2, 8]);
  });
});

describe('when Redis hangs', () => {
  it('a few callers wait for the time limit, and no one after them', async () => {
    const metrics = createMetrics();
    const readTimeoutMs = 1000;
    const store = await warmed({ readTimeoutMs, metrics });
    server.signal('SIGSTOP');
    for (let i = 0; i < 3; i++) expect(await store.read([mildOther])).toEqual([null]);
    const sent = await roundTrips(metrics);
    const askedMs = performance.now();
    for (let i = 0; i < 20; i++) expect(await store.read([mildOther])).toEqual([null]);
    // All of them together: not even one has waited.
    expect(performance.now() - askedMs).toBeLessThan(readTimeoutMs);
    expect(await roundTrips(metrics)).toBe(sent);
    await until(isStale(store));
    expect(store.get(mild, 'known')).toEqual([1, 7]);
    server.signal('SIGCONT');
    await until(async () => (await store.read([mildOther]))[0] !== null);
    await until(async () => {
      await store.read([{ view: mild, key: 'known' }]);
      return store.get(mild, 'known') !== undefined && staleMs(store) === 0;
    });
  });

  it('is asked again only when it answers within the time limit', async () => {
    const metrics = createMetrics();
    const proxy = await startSlowProxy(server.port, 0);
    const store = await warmed({ readTimeoutMs: 400, metrics }, proxy.url);
    await until(async () => (await store.read([mildOther]))[0]?.[1] === 7);
    await store.write([{ ...mildOther, row: [2, 8] }]);
    proxy.delayMsMin = 1000;
    proxy.delayMs = 5000;
    for (let i = 0; i < 3; i++) expect(await store.read([{ view: mild, key: `never-${i}` }])).toEqual([null]);
    const sent = await roundTrips(metrics);
    expect(await store.read([{ view: mild, key: 'never' }])).toEqual([null]);
    expect(await roundTrips(metrics)).toBe(sent);
    proxy.delayMsMin = 0;
    proxy.delayMs = 0;
    await until(async () => (await store.read([mildOther]))[0]?.[1] === 8);
    proxy.close();
  });
});

describe('a Redis that takes no writes', () => {
  it('is read, and a write says why it failed', async () => {
    await warmed();
    const replica = await startRedis(['--replicaof', '127.0.0.1', String(server.port)]);
    await until(async () =>
      String(await replica.command('INFO', 'replication')).includes('master_link_status:up'),
    );
    const store = await open({}, replica.url);
    expect(await store.read([mildOther])).toEqual([[1, 7]]);
    const write = store.write([{ view: mild, key: 'a', row: [1, 1] }]);
    await expect(write).rejects.toThrow('it is a read-only replica; give the address of the master');
    await store.close();
    stores.pop();
    await replica.stop();
  });

  it('says so when it has no memory left', async () => {
    const store = await warmed();
    await server.command('CONFIG', 'SET', 'maxmemory', '1');
    const write = store.write([{ view: mild, key: 'a', row: [1, 1] }]);
    await expect(write).rejects.toThrow('it has reached its maxmemory');
    expect(await store.read([mildOther])).toEqual([[1, 7]]);
  });
});
