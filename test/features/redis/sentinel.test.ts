/** A master, its replica, and three sentinels that make the replica the master when they must. */
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CachedStore } from '../../../src/features/cached-store.ts';
import type { Row } from '../../../src/features/online-store.ts';
import { coherenceView as view } from './coherence-view.ts';
import { commandOf, startRedis, startSentinels } from '../../redis/redis-server.ts';
import type { RedisServer, SentinelOptions, Sentinels } from '../../redis/redis-server.ts';
import { openStore, untilInMemory } from './store-of.ts';

let master: RedisServer;
let replica: RedisServer;
let sentinels: Sentinels;
let store: CachedStore;
let closing: (() => unknown)[] = [];
beforeEach(() => {
  closing = [];
});
afterEach(async () => {
  await Promise.all(closing.map(async (close) => close()));
});

async function start(options: SentinelOptions = {}): Promise<void> {
  const { masterPassword } = options;
  const auth =
    masterPassword === undefined ? [] : ['--requirepass', masterPassword, '--masterauth', masterPassword];
  master = await startRedis(auth);
  replica = await startRedis([...auth, '--replicaof', '127.0.0.1', String(master.port)]);
  sentinels = await startSentinels(master, options);
  closing.push(
    () => master.stop(),
    () => replica.stop(),
    () => sentinels.stop(),
  );
}

async function open(credentials = '', query = ''): Promise<CachedStore> {
  const hosts = sentinels.ports.map((port) => `127.0.0.1:${port}`).join();
  const opened = await openStore(`redis+sentinel://${credentials}${hosts}/rows${query}`, [view], {
    ttlMs: 3_600_000,
    readTimeoutMs: 100,
  });
  closing.unshift(() => opened.close());
  return opened;
}

/** The same store, with a row in memory that both servers have. */
async function warm(): Promise<void> {
  store = await open();
  await store.write([{ view, key: 'a', row: [1, 7] }]);
  await untilInMemory(store, [{ view, key: 'a' }]);
  expect(store.get(view, 'a')).toEqual([1, 7]);
  while ((await replica.command('EXISTS', 'mr:sample/thing/a')) !== 1) await pause(10);
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await pause(10);
}

async function isMaster(server: RedisServer): Promise<boolean> {
  // When its role changes, it ends the connections of its clients.
  const info = await server.command('INFO', 'replication').catch(() => '');
  return String(info).includes('role:master');
}

/** What a caller gets now, and how old it may be. */
async function ask(): Promise<[Row | null, number]> {
  const row = store.get(view, 'a') ?? (await store.read([{ view, key: 'a' }]))[0] ?? null;
  return [row, store.staleMs(view, 'a', row)];
}

/** The first row that is there and not stale: a read that takes longer than its limit gives what was known, or none. */
async function askUntilCurrent(): Promise<Row> {
  for (;;) {
    const [row, staleMs] = await ask();
    if (row !== null && staleMs === 0) return row;
    await pause(10);
  }
}

/** Writes at the new master until it takes it, and looks that nothing older is given as current from then on. */
async function expectNewMasterOnly(): Promise<void> {
  const writer = await openStore(replica.url, [view]);
  closing.unshift(() => writer.close());
  expect(await writer.write([{ view, key: 'a', row: [2, 8] }])).toEqual(['written']);
  await until(async () => {
    const [row, staleMs] = await ask();
    return row?.[1] === 8 && staleMs === 0;
  });
  await writer.write([{ view, key: 'a', row: [3, 9] }]);
  await until(() => store.get(view, 'a')?.[1] !== 8);
  expect(await askUntilCurrent()).toEqual([3, 9]);
  await until(async () =>
    store.write([{ view, key: 'a', row: [4, 10] }]).then(
      () => true,
      () => false,
    ),
  );
  expect(await writer.read([{ view, key: 'a' }])).toEqual([[4, 10]]);
}

describe('a store that sentinels lead to its master', () => {
  it('gives stale rows while the master is dead, and follows to the new one, though a sentinel hangs', async () => {
    await start();
    await warm();
    sentinels.signal(0, 'SIGSTOP');
    await master.kill();
    await until(
      () => store.get(view, 'a') !== undefined && store.staleMs(view, 'a', store.get(view, 'a') ?? null) > 0,
    );
    expect(await ask()).toEqual([[1, 7], expect.any(Number)]);
    await expect(store.write([{ view, key: 'a', row: [1, 1] }])).rejects.toMatchObject({
      code: 'STORE_FAILED',
    });
    await until(async () => isMaster(replica));
    await expectNewMasterOnly();
  });

  it('follows to the new master while the old one lives, before it is made a replica', async () => {
    await start();
    await warm();
    await commandOf(sentinels.ports[1] as number, 'SENTINEL', ['FAILOVER', 'rows']);
    await until(async () => isMaster(replica));
    const sinceMs = performance.now();
    await expectNewMasterOnly();
    expect(await isMaster(master)).toBe(true);
    expect(performance.now() - sinceMs).toBeLessThan(5000);
  });

  it('signs in with the password of the servers, and with that of the sentinels', async () => {
    await start({ masterPassword: 'rows-pass', password: 'sentinel-pass' });
    store = await open(':rows-pass@', '?sentinel_password=sentinel-pass');
    await store.write([{ view, key: 'a', row: [1, 7] }]);
    await until(async () => (await store.read([{ view, key: 'a' }]))[0]?.[1] === 7);
    await expect(open(':rows-pass@')).rejects.toThrow('its sentinels ask for a password');
  });
});
