import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { CachedStore } from '../../src/features/cached-store.ts';
import type { Row, RowKey } from '../../src/features/online-store.ts';
import type { FeatureView } from '../../src/project/project.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import type { Metrics } from '../../src/telemetry/metrics.ts';
import { startRedis } from '../redis/redis-server.ts';
import type { RedisServer } from '../redis/redis-server.ts';
import { openStore, untilInMemory } from './redis/store-of.ts';
import type { StoreOptions } from './redis/store-of.ts';
import { entityOf, viewOf } from './sample-project.ts';

const thing = entityOf('thing', { id: 'string' });
const left = viewOf('left', thing, { x: 'float64' });
const right = viewOf('right', thing, { y: 'string' });

let server: RedisServer;
let store: CachedStore;
let metrics: Metrics;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(async () => server.stop());
beforeEach(async () => {
  await server.command('FLUSHALL');
});
afterEach(async () => {
  await store.close();
  metrics.close();
});

async function open(options: StoreOptions = {}): Promise<void> {
  metrics = createMetrics();
  store = await openStore(server.url, [left, right], { ...options, metrics });
}

/** Sum over the labels. */
async function metric(name: string): Promise<number> {
  const lines = (await metrics.render()).split('\n').filter((line) => new RegExp(`^${name}[ {]`).test(line));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
}

const roundTrips = async (): Promise<number> => metric('millrace_redis_round_trips_total');

async function hmgetCalls(): Promise<number> {
  const info = String(await server.command('INFO', 'commandstats'));
  return Number(/cmdstat_hmget:calls=(\d+)/.exec(info)?.[1] ?? 0);
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await pause(5);
}

function keysOf(view: FeatureView): RowKey[] {
  return Array.from({ length: 20 }, (_, i) => ({ view, key: `k${i}` }));
}

const read = async (key: string): Promise<Row | null | undefined> =>
  (await store.read([{ view: left, key }]))[0];

describe('the cache in front of Redis', () => {
  it('makes one read of a thousand concurrent misses of one key', async () => {
    await open();
    await store.write([{ view: left, key: 'hot', row: [1, 7] }]);
    const before = await hmgetCalls();
    const rows = await Promise.all(Array.from({ length: 1000 }, async () => read('hot')));
    expect(new Set(rows.map((row) => row?.[1]))).toEqual(new Set([7]));
    expect((await hmgetCalls()) - before).toBe(1);
  });

  it('lets who comes while a read is under way wait for that read', async () => {
    await open();
    const before = await hmgetCalls();
    const first = read('a');
    await new Promise(setImmediate);
    expect(await Promise.all([first, read('a')])).toEqual([null, null]);
    expect((await hmgetCalls()) - before).toBe(1);
  });

  it('reads the misses of one turn in one round trip, with all views of a key at once', async () => {
    await open();
    await store.write([{ view: right, key: 'k3', row: [1, 'r'] }]);
    const [trips, calls] = [await roundTrips(), await hmgetCalls()];
    const keys = ['k1', 'k2', 'k3'].flatMap((key) => [left, right].map((view) => ({ view, key })));
    const results = await Promise.all(keys.map(async (key) => store.read([key])));
    expect(results.flat()).toEqual([null, null, null, null, null, [1, 'r']]);
    expect((await roundTrips()) - trips).toBe(1);
    expect((await hmgetCalls()) - calls).toBe(3);
  });

  it('reads each key once for all its views, though they are asked for view by view', async () => {
    await open();
    const calls = await hmgetCalls();
    const ids = Array.from({ length: 150 }, (_, i) => `k${i}`);
    await store.read([left, right].flatMap((view) => ids.map((key) => ({ view, key }))));
    expect((await hmgetCalls()) - calls).toBe(150);
  });

  it('remembers that there is no row, until there is one', async () => {
    await open();
    expect(await read('a')).toBeNull();
    expect(store.get(left, 'a')).toBeNull();
    const other = await openStore(server.url, [left, right]);
    await other.write([{ view: left, key: 'a', row: [1, 7] }]);
    await until(() => store.get(left, 'a') === undefined);
    expect(await read('a')).toEqual([1, 7]);
    await other.close();
  });

  it('does not push out rows for keys that do not exist', async () => {
    await open({ entriesMax: 100 });
    await store.write([{ view: left, key: 'a', row: [1, 7] }]);
    await untilInMemory(store, [{ view: left, key: 'a' }]);
    await store.read(Array.from({ length: 1000 }, (_, i) => ({ view: left, key: `never-${i}` })));
    expect(store.get(left, 'a')).toEqual([1, 7]);
    expect(await metric('millrace_cache_entries')).toBeLessThanOrEqual(100);
  });

  it.each([
    ['entries', { entriesMax: 50 }],
    ['memory', { memoryBytesMax: 20_000 }],
  ])('keeps no more than its limit of %s', async (_, options) => {
    const keys = Array.from({ length: 500 }, (_each, i) => ({ view: left, key: `k${i}` }));
    // By another one, before this one is told of changes: what is read while they are being told is not kept.
    const writer = await openStore(server.url, [left, right]);
    await writer.write(keys.map((key) => ({ ...key, row: [1, 7] })));
    await writer.close();
    await open(options);
    await store.read(keys);
    expect(await metric('millrace_cache_entries')).toBeLessThanOrEqual(100);
    expect(await metric('millrace_cache_entries')).toBeGreaterThan(10);
    expect(await metric('millrace_cache_bytes')).toBeLessThanOrEqual(20_000);
    expect(await metric('millrace_cache_evictions_total')).toBeGreaterThan(300);
    expect(store.get(left, 'k499')).toEqual([1, 7]);
    expect(store.get(left, 'k0')).toBeUndefined();
  });

  it.each([
    ['read of another view', async () => store.read(keysOf(right))],
    ['write', async () => store.write(keysOf(right).map((key) => ({ ...key, row: [2, 'y'.repeat(5000)] })))],
  ])('counts the memory of what a %s adds to an entry', async (_, grow) => {
    await open({ memoryBytesMax: 30_000 });
    await store.write(keysOf(left).map((key) => ({ ...key, row: [1, 7] })));
    await store.write(keysOf(right).map((key) => ({ ...key, row: [1, 'x'.repeat(5000)] })));
    await until(async () => {
      await store.read(keysOf(left));
      return (await metric('millrace_cache_entries')) === keysOf(left).length;
    });
    await grow();
    expect(await metric('millrace_cache_entries')).toBeLessThan(7);
  });

  it('serves a row that is older than the ttl, and reads it again behind that', async () => {
    await open({ ttlMs: 100 });
    await store.write([{ view: left, key: 'a', row: [1, 7] }]);
    await untilInMemory(store, [{ view: left, key: 'a' }]);
    const calls = await hmgetCalls();
    await pause(250);
    expect(await hmgetCalls()).toBe(calls);
    expect(store.get(left, 'a')).toEqual([1, 7]);
    expect(store.get(left, 'a')).toEqual([1, 7]);
    await expect.poll(hmgetCalls).toBe(calls + 1);
    expect(store.get(left, 'a')).toEqual([1, 7]);
  });

  it('shows what it has written itself to the next read, though another view of the key is in memory', async () => {
    await open();
    await store.write([{ view: right, key: 'a', row: [1, 'r'] }]);
    await store.read([left, right].map((view) => ({ view, key: 'a' })));
    for (let i = 1; i <= 50; i++) {
      await store.write([{ view: left, key: 'a', row: [i, i] }]);
      expect(store.get(left, 'a') ?? (await read('a'))).toEqual([i, i]);
      expect((await store.read([{ view: right, key: 'a' }]))[0]).toEqual([1, 'r']);
    }
  });

  it('forgets everything when the database is emptied', async () => {
    await open();
    await store.write([{ view: left, key: 'a', row: [1, 7] }]);
    await read('a');
    await server.command('FLUSHALL');
    await until(() => store.get(left, 'a') === undefined);
    expect(await read('a')).toBeNull();
  });

  it('counts hits, misses and invalidations by view', async () => {
    await open();
    await read('a');
    store.get(left, 'a');
    store.get(left, 'a');
    await store.write([{ view: left, key: 'a', row: [1, 7] }]);
    const text = await metrics.render();
    expect(text).toContain('millrace_cache_rows_total{view="left",outcome="hit"} 2');
    expect(text).toContain('millrace_cache_rows_total{view="left",outcome="miss"} 1');
    expect(text).toContain('millrace_cache_rows_total{view="right",outcome="hit"} 0');
  });

  it('counts its round trips as a counter, so that several processes add them up for good', async () => {
    await open();
    const counted = async (): Promise<number> => {
      const families = await metrics.families('counts');
      const family = families.find(({ name }) => name === 'millrace_redis_round_trips_total');
      expect(family).toMatchObject({ type: 'counter' });
      return family?.values[0]?.value as number;
    };
    const before = await counted();
    await read('a');
    expect((await counted()) - before).toBe(1);
  });

  it('fails only who asks for a row that cannot be decoded', async () => {
    await open();
    await store.write([{ view: left, key: 'good', row: [1, 7] }]);
    await server.command('HSET', 'mr:sample/thing/bad', 'left', 'no row at all');
    await server.command('SET', 'mr:sample/thing/other-type', 'text');
    const [bad, ...others] = await Promise.allSettled(['bad', 'good', 'other-type'].map(read));
    expect(bad).toMatchObject({ status: 'rejected', reason: { code: 'STORE_FAILED' } });
    expect(others).toMatchObject([{ value: [1, 7] }, { reason: { code: 'STORE_FAILED' } }]);
    expect(store.get(left, 'bad')).toBeUndefined();
  });
});
