/** A cluster of three masters, each with a replica, that loses nodes and moves slots. */
import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CachedStore } from '../../../src/features/cached-store.ts';
import type { Row } from '../../../src/features/online-store.ts';
import { coherenceView as view } from './coherence-view.ts';
import { startCluster } from '../../redis/redis-server.ts';
import type { RedisCluster, RedisServer } from '../../redis/redis-server.ts';
import { openStore, untilInMemory } from './store-of.ts';
import type { StoreOptions } from './store-of.ts';

const keys = Array.from({ length: 60 }, (_, i) => `k${i}`);

let cluster: RedisCluster;
let first: RedisServer;
let second: RedisServer;
let stores: CachedStore[] = [];
afterEach(async () => {
  await Promise.all(stores.map(async (store) => store.close()));
  stores = [];
  await cluster.stop();
});

async function start(replicas: number): Promise<void> {
  cluster = await startCluster(replicas);
  [first, second] = cluster.nodes as [RedisServer, RedisServer];
}

async function open(options: StoreOptions = {}): Promise<CachedStore> {
  const store = await openStore(cluster.url, [view], { ttlMs: 3_600_000, readTimeoutMs: 100, ...options });
  stores.push(store);
  return store;
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await pause(10);
}

const nameOf = (key: string): string => `mr:sample/thing/${key}`;

async function ownedBy(node: RedisServer): Promise<string[]> {
  const isOwned = async (key: string): Promise<boolean> =>
    node.command('HGET', nameOf(key), 'numbers').then(
      () => true,
      () => false,
    );
  const owned = await Promise.all(keys.map(isOwned));
  return keys.filter((_, i) => owned[i]);
}

async function ask(store: CachedStore, key: string): Promise<[Row | null, boolean]> {
  const row = store.get(view, key) ?? (await store.read([{ view, key }]))[0] ?? null;
  return [row, store.staleMs(view, key, row) > 0];
}

/** The first row that is there and not stale: a read that takes longer than its limit gives what was known, or none. */
async function askUntilCurrent(store: CachedStore, key: string): Promise<Row> {
  for (;;) {
    const [row, isStale] = await ask(store, key);
    if (row !== null && !isStale) return row;
    await pause(10);
  }
}

async function slotOf(key: string): Promise<string> {
  return String(await first.command('CLUSTER', 'KEYSLOT', nameOf(key)));
}

const idOf = async (node: RedisServer): Promise<string> => String(await node.command('CLUSTER', 'MYID'));

describe('a cluster with replicas', () => {
  beforeEach(async () => start(1));

  it('that loses a master gives its rows stale and the others current, until its replica has them', async () => {
    const store = await open();
    const short = await open({ staleMsMax: 200 });
    await store.write(keys.map((key) => ({ view, key, row: [1, 7] })));
    await until(async () => {
      const sizes = await Promise.all(cluster.nodes.map(async (node) => node.command('DBSIZE')));
      return sizes.reduce<number>((sum, size) => sum + Number(size), 0) === 2 * (keys.length + 1);
    });
    const all = keys.map((key) => ({ view, key }));
    await untilInMemory(store, all);
    const lost = await ownedBy(first);
    const others = keys.filter((key) => !lost.includes(key));
    const [lostKey] = lost as [string];
    expect(Math.min(lost.length, others.length)).toBeGreaterThan(0);
    await first.kill();
    await until(() => store.staleMs(view, lostKey, store.get(view, lostKey) ?? null) > 0);
    for (const key of lost) expect(await ask(store, key)).toEqual([[1, 7], true]);
    for (const key of others)
      expect([store.get(view, key), await ask(store, key)]).toEqual([
        [1, 7],
        [[1, 7], false],
      ]);
    await until(async () => (await ask(short, lostKey))[0] === null);
    await expect(store.write([{ view, key: lostKey, row: [1, 1] }])).rejects.toMatchObject({
      code: 'STORE_FAILED',
    });

    await until(async () => {
      const given = await Promise.all(keys.map(async (key) => ask(store, key)));
      return given.every(([row, isStale]) => row?.[1] === 7 && !isStale);
    });
    await store.write(keys.map((key) => ({ view, key, row: [2, 8] })));
    await until(async () => (await short.read(all)).every((row) => row?.[1] === 8));
    await short.write([{ view, key: lostKey, row: [3, 9] }]);
    await until(() => store.get(view, lostKey)?.[1] !== 8);
    expect(await askUntilCurrent(store, lostKey)).toEqual([3, 9]);
  });
});

describe('a cluster', () => {
  beforeEach(async () => start(0));

  it('does not keep an absent row for absent when its slot moves to a node that tells of nothing meanwhile', async () => {
    const store = await open();
    const [absent, present] = (await ownedBy(first)) as [string, string];
    await store.write([{ view, key: present, row: [1, 7] }]);
    await until(async () => (await ask(store, absent))[0] === null && store.get(view, absent) === null);
    const source = new Redis({ port: first.port, protocol: 2 });
    const bytes = await source.hgetBuffer(nameOf(present), 'numbers');
    source.disconnect();
    const slot = await slotOf(absent);
    const target = await idOf(second);
    // One connection for all: with these clients no other one is let in, so nothing can listen for changes.
    const admin = new Redis({ port: second.port, protocol: 2 });
    await admin.config('SET', 'maxclients', '1');
    await admin.call('CLIENT', ['KILL', 'TYPE', 'pubsub']);
    await admin.call('CLUSTER', ['SETSLOT', slot, 'NODE', target]);
    await first.command('CLUSTER', 'SETSLOT', slot, 'NODE', target);
    await admin.hset(nameOf(absent), 'numbers', bytes as Buffer);
    await admin.config('SET', 'maxclients', '1000');
    admin.disconnect();
    await until(() => store.get(view, absent) !== null);
    expect(await askUntilCurrent(store, absent)).toEqual([1, 7]);
  });

  it('leaves no failure unheard when a node dies that a read was redirected to', async () => {
    const store = await open();
    const [key] = (await ownedBy(first)) as [string];
    const slot = await slotOf(key);
    await second.command('CLUSTER', 'SETSLOT', slot, 'IMPORTING', await idOf(first));
    await first.command('CLUSTER', 'SETSLOT', slot, 'MIGRATING', await idOf(second));
    second.signal('SIGSTOP');
    expect(await store.read([{ view, key }])).toEqual([null]);
    await second.kill();
    await until(async () =>
      store.write([{ view, key, row: [1, 1] }]).then(
        () => false,
        () => true,
      ),
    );
  });
});
