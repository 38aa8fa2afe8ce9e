import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { RolloutStore } from '../../src/rollouts/rollout-store.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { describeRolloutStore, variantOf } from '../contract/rollout-store.ts';
import type { RolloutsPlace } from '../contract/rollout-store.ts';
import { startCluster, startRedis } from '../redis/redis-server.ts';
import type { RedisCluster, RedisServer } from '../redis/redis-server.ts';
import { openRolloutsAt } from './redis-rollouts.ts';
import { changeNext, changeOf, recordOf } from './sample-change.ts';
import { startStoreProcess } from './store-process.ts';

const NOW_MS = 1_700_000_000_000;
let projects = 0;

function placeAt(url: string): RolloutsPlace {
  const project = `rollouts_${projects++}`;
  let stores: RolloutStore[] = [];
  const closeAll = async (): Promise<void> => {
    for (const store of stores) await store.close();
    stores = [];
  };
  const place: RolloutsPlace = {
    nowMs: NOW_MS,
    async open() {
      const store = await openRolloutsAt(url, project, { clock: { nowMs: () => place.nowMs } });
      stores.push(store);
      return store;
    },
    restart: closeAll,
    remove: closeAll,
  };
  return place;
}

describe('with one server', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis(['--appendonly', 'yes', '--appendfsync', 'always']);
  });
  afterAll(async () => server.stop());

  describeRolloutStore('Redis', async () => placeAt(server.url));

  describe('rollouts in Redis', () => {
    let project: string;
    let stores: RolloutStore[] = [];
    const open = async (options = {}): Promise<RolloutStore> => {
      const store = await openRolloutsAt(server.url, project, options);
      stores.push(store);
      return store;
    };
    beforeEach(() => {
      project = `rollouts_${projects++}`;
    });
    afterEach(async () => {
      for (const store of stores) await store.close();
      stores = [];
    });
    const versionIn = (store: RolloutStore): number | undefined => store.get('flights')?.version;
    const command = async (line: string, ...args: readonly string[]): Promise<unknown> =>
      server.command(...line.replaceAll('PROJECT', project).split(' '), ...args);
    const key = { experiment: 'taste', unit: 'user_id||1' };

    it('are told to another process, and are there after it was killed', async () => {
      const store = await open();
      const other = await startStoreProcess('redis', server.url, project);
      for (let version = 1; version <= 20; version++) {
        expect(await other.ask('change')).toBe(version);
        await vi.waitFor(() => expect(versionIn(store)).toBe(version), { interval: 1 });
      }
      await other.kill();
      expect(await store.audit('flights', 99)).toHaveLength(20);
      expect(await changeNext(store, 'flights', 'ann')).toBe(21);
    });

    it('stay in memory while Redis is away, and are what others made of them when it is back', async () => {
      const store = await open();
      await changeNext(store, 'flights', 'ann');
      store.keepSticky(key, 'a', Date.now() + 60_000);
      await vi.waitFor(() => expect(store.getSticky(key, Date.now())).toBe('a'));
      const revision = store.revision();
      await server.kill();
      await expect(store.change(1, changeOf('flights', 2))).rejects.toMatchObject({
        code: 'STORE_FAILED',
      });
      const failures = [
        store.audit('flights', 1),
        store.samples('flights', 1),
        store.putSamples({ endpoint: 'flights', samplesVersion: 1, process: 'p' }, '1'),
        store.readSticky({ ...key, unit: 'unknown' }, Date.now()),
      ];
      for (const failing of failures) await expect(failing).rejects.toMatchObject({ code: 'STORE_FAILED' });
      expect([versionIn(store), store.revision()]).toEqual([1, revision]);
      expect(store.getSticky(key, Date.now())).toBe('a');
      await server.restart();
      const other = await open();
      expect(versionIn(other)).toBe(1);
      expect(await changeNext(other, 'flights', 'bob')).toBe(2);
      await vi.waitFor(() => expect(store.get('flights')).toEqual(recordOf('flights', 2, 'bob')), 10_000);
      expect(await variantOf(store, key, Date.now())).toBe('a');
      await vi.waitFor(async () => expect(await store.change(2, changeOf('flights', 3))).toBe(true), 10_000);
    });

    it('are read again every second, should nothing be told of them', async () => {
      const rights = ['on', '>p', '~mr:*', '+@all', '&__redis__:invalidate'];
      await server.command('ACL', 'SETUSER', 'deaf', 'reset', ...rights);
      const metrics = createMetrics();
      const store = await openRolloutsAt(server.url.replace('://', '://deaf:p@'), project, { metrics });
      stores.push(store);
      // Redis ends the connections that listen to what they may not listen to any more.
      await server.command('ACL', 'SETUSER', 'deaf', 'resetchannels');
      const isDeaf = /^millrace_rollout_redis_coherent 0$/m;
      await vi.waitFor(async () => expect(await metrics.render()).toMatch(isDeaf), 5000);
      await changeNext(await open(), 'flights', 'ann');
      await vi.waitFor(() => expect(versionIn(store)).toBe(1), 5000);
      await command('DEL mr:PROJECT:rollout:{flights}');
      await vi.waitFor(() => expect(versionIn(store)).toBeUndefined(), 5000);
    });

    it('that are damaged leave what is in memory, and keep no store from opening unsaid', async () => {
      const store = await open();
      await changeNext(store, 'flights', 'ann');
      await command('HSET mr:PROJECT:rollout:{flights} record', '{"version":');
      await changeNext(store, 'A', 'ann');
      expect(versionIn(store)).toBe(1);
      await expect(open()).rejects.toThrow(
        `In Redis, mr:${project}:rollout:{flights} is no rollout. To begin with that of the project file, type: DEL`,
      );
    });

    it.each(['hset', 'xadd'])('are as they were if a change is refused: no right to %s', async (right) => {
      const store = await open();
      await changeNext(store, 'flights', 'ann');
      await server.command('ACL', 'SETUSER', 'default', `-${right}`);
      await expect(store.change(1, changeOf('flights', 2))).rejects.toMatchObject({
        code: 'STORE_FAILED',
        message: expect.stringContaining('the user lacks a permission'),
      });
      await server.command('ACL', 'SETUSER', 'default', `+${right}`);
      expect(versionIn(store)).toBe(1);
      expect(await store.audit('flights', 9)).toHaveLength(1);
      expect(await changeNext(store, 'flights', 'ann')).toBe(2);
    });

    it('go back to what Redis has, and what units were given is asked for again, when it was emptied', async () => {
      const [store, other] = [await open(), await open()];
      await changeNext(store, 'flights', 'ann');
      await changeNext(store, 'flights', 'ann');
      store.keepSticky(key, 'a', Date.now() + 60_000);
      await vi.waitFor(() => expect(store.getSticky(key, Date.now())).toBe('a'));
      await server.command('FLUSHALL');
      await vi.waitFor(() => expect(versionIn(store)).toBeUndefined());
      other.keepSticky(key, 'b', Date.now() + 60_000);
      await vi.waitFor(() => expect(other.getSticky(key, Date.now())).toBe('b'));
      expect(await variantOf(store, key, Date.now())).toBe('b');
      expect(await changeNext(store, 'flights', 'ann')).toBe(1);
    });

    it('keep no more units in memory than they may, and read the others', async () => {
      const store = await open({ stickyEntriesMax: 10 });
      const units = Array.from({ length: 50 }, (_, i) => ({ ...key, unit: `${i}` }));
      for (const each of units) store.keepSticky(each, `v${each.unit}`, Date.now() + 60_000);
      await vi.waitFor(() => expect(store.getSticky({ ...key, unit: '49' }, Date.now())).toBe('v49'));
      const known = units.filter((each) => store.getSticky(each, Date.now()) !== undefined);
      expect(known).toHaveLength(10);
      const read = await Promise.all(units.map(async (each) => store.readSticky(each, Date.now())));
      expect(read).toEqual(units.map((each) => `v${each.unit}`));
    });

    it('let what has expired go, and count what units are given while Redis is away', async () => {
      const metrics = createMetrics();
      const store = await open({ metrics });
      store.keepSticky(key, 'a', Date.now() + 60_000);
      await store.putSamples({ endpoint: 'flights', samplesVersion: 1, process: 'p' }, '1');
      await vi.waitFor(() => expect(store.getSticky(key, Date.now())).toBe('a'));
      const times = ['rollout_sticky:taste/=user_id||1', 'rollout_samples:{flights}'].map(async (name) =>
        command(`PTTL mr:PROJECT:${name}`),
      );
      const [sticky, samples] = (await Promise.all(times)) as [number, number];
      expect([sticky > 0 && sticky <= 60_000, samples > 60_000]).toEqual([true, true]);
      await server.kill();
      for (let i = 0; i < 3; i++) store.keepSticky({ ...key, unit: `away ${i}` }, 'a', Date.now() + 60_000);
      await store.close();
      expect(await metrics.render()).toMatch(/^millrace_sticky_dropped_total 3$/m);
      await server.restart();
    });
  });
});

describe('with a cluster', () => {
  let cluster: RedisCluster;
  beforeAll(async () => {
    cluster = await startCluster();
  });
  afterAll(async () => cluster.stop());

  describeRolloutStore('a Redis cluster', async () => placeAt(cluster.url));
});
