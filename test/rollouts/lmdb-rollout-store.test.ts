import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Clock } from '../../src/clock.ts';
import { openLmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';
import type { LmdbDatabase, LmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';
import { openLmdbRolloutStore } from '../../src/rollouts/lmdb-rollout-store.ts';
import { openLmdbSticky, sweepExpired } from '../../src/rollouts/lmdb-sticky.ts';
import type { LmdbSticky } from '../../src/rollouts/lmdb-sticky.ts';
import type { RolloutStore } from '../../src/rollouts/rollout-store.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { describeRolloutStore } from '../contract/rollout-store.ts';
import type { RolloutsPlace } from '../contract/rollout-store.ts';
import { changeNext, changeOf } from './sample-change.ts';
import { startStoreProcess } from './store-process.ts';

const NOW_MS = 1_700_000_000_000;

function openIn(environment: LmdbEnvironment, clock: Clock, metrics = createMetrics()): RolloutStore {
  return openLmdbRolloutStore({ environment, clock, metrics, log: createLog('silent') });
}

describeRolloutStore('LMDB', async () => {
  const path = mkdtempSync(join(tmpdir(), 'millrace-rollouts-'));
  let environments: LmdbEnvironment[] = [];
  let stores: RolloutStore[] = [];
  const closeAll = async (): Promise<void> => {
    for (const store of stores) await store.close();
    for (const environment of environments) await environment.close();
    [stores, environments] = [[], []];
  };
  const place: RolloutsPlace = {
    nowMs: NOW_MS,
    async open() {
      const environment = await openLmdbEnvironment({ path });
      environments.push(environment);
      const store = openIn(environment, { nowMs: () => place.nowMs });
      stores.push(store);
      return store;
    },
    restart: closeAll,
    async remove() {
      await closeAll();
      rmSync(path, { recursive: true });
    },
  };
  return place;
});

describe('rollouts in LMDB', () => {
  let path: string;
  let environment: LmdbEnvironment;
  let nowMs = NOW_MS;
  const clock: Clock = { nowMs: () => nowMs };
  beforeEach(async () => {
    nowMs = NOW_MS;
    path = mkdtempSync(join(tmpdir(), 'millrace-rollouts-'));
    environment = await openLmdbEnvironment({ path });
  });
  afterEach(async () => {
    await environment.close();
    rmSync(path, { recursive: true });
  });

  it('are seen by the first request behind the acknowledgement of another process', async () => {
    const store = openIn(environment, clock);
    const other = await startStoreProcess('lmdb', path);
    let seen = store.revision();
    for (let version = 1; version <= 30; version++) {
      expect(await other.ask('change')).toBe(version);
      expect(store.revision()).not.toBe(seen);
      seen = store.revision();
      expect(store.get('flights')?.version).toBe(version);
    }
    for (let version = 31; version <= 60; version++) {
      await changeNext(store, 'flights', 'ann');
      expect(await other.ask('look')).toBe(version);
    }
    await other.stop();
    await store.close();
  });

  it('are as they were acknowledged, although others who read in the environment have an older view of it', async () => {
    const store = openIn(environment, clock);
    const otherEnvironment = await openLmdbEnvironment({ path });
    const other = openIn(otherEnvironment, clock);
    const rows = environment.textKeys('rows');
    let isReading = true;
    const reading = (async () => {
      while (isReading) {
        rows?.get('a row');
        await new Promise(setImmediate);
      }
    })();
    for (let version = 1; version <= 200; version++) {
      await changeNext(other, 'flights', 'ann');
      expect(store.get('flights')?.version).toBe(version);
    }
    isReading = false;
    await reading;
    await other.close();
    await otherEnvironment.close();
    await store.close();
  });

  it('are there with their audit log after the process that changed them was killed', async () => {
    const other = await startStoreProcess('lmdb', path);
    for (let version = 1; version <= 5; version++) expect(await other.ask('change')).toBe(version);
    await other.kill();
    const store = openIn(environment, clock);
    expect(store.get('flights')?.version).toBe(5);
    expect(await store.audit('flights', 9)).toHaveLength(5);
    await store.close();
  });

  it('that are changed beside each other by processes have each version once', async () => {
    const store = openIn(environment, clock);
    const others = [await startStoreProcess('lmdb', path), await startStoreProcess('lmdb', path)];
    const theirs = others.flatMap((other) => Array.from({ length: 10 }, async () => other.ask('change')));
    const ours = Array.from({ length: 10 }, async () => changeNext(store, 'flights', 'ann'));
    const made = await Promise.all([...theirs, ...ours]);
    const versions = Array.from({ length: 30 }, (_, i) => i + 1);
    expect(made.toSorted((a, b) => a - b)).toEqual(versions);
    const lines = await store.audit('flights', 99);
    expect(lines.map(({ version }) => version)).toEqual(versions.toReversed());
    await Promise.all(others.map(async (other) => other.stop()));
    await store.close();
  });

  it('can be looked at by who may only read, if there are any', async () => {
    const none = await openLmdbEnvironment({ path, readOnly: true });
    expect(() => openIn(none, clock)).toThrow('it holds no rollouts yet');
    await none.close();
    const store = openIn(environment, clock);
    await changeNext(store, 'flights', 'ann');
    const readOnly = await openLmdbEnvironment({ path, readOnly: true });
    const reader = openIn(readOnly, clock);
    expect(reader.get('flights')).toEqual(store.get('flights'));
    expect(await reader.audit('flights', 9)).toHaveLength(1);
    await changeNext(store, 'flights', 'ann');
    expect(reader.get('flights')?.version).toBe(2);
    await reader.close();
    await readOnly.close();
    await store.close();
  });

  it('fail with a code when the environment is closed, and what units are given then is counted', async () => {
    const metrics = createMetrics();
    const store = openIn(environment, clock, metrics);
    await changeNext(store, 'flights', 'ann');
    const key = { experiment: 'taste', unit: 'user_id||1' };
    store.keepSticky(key, 'a', NOW_MS + 1000);
    await environment.close();
    for (const read of [() => store.revision(), () => store.get('A'), () => store.getSticky(key, NOW_MS)])
      expect(read).toThrow('it is closed');
    await expect(store.audit('flights', 9)).rejects.toMatchObject({ code: 'STORE_FAILED' });
    await expect(store.readSticky(key, NOW_MS)).rejects.toMatchObject({ code: 'STORE_FAILED' });
    await expect(store.change(1, changeOf('flights', 2))).rejects.toThrow('closed');
    store.keepSticky(key, 'a', NOW_MS + 1000);
    await store.close();
    store.keepSticky(key, 'a', NOW_MS + 1000);
    expect(await metrics.render()).toMatch(/^millrace_sticky_dropped_total [23]$/m);
  });

  describe('what units were given, when it expires', () => {
    let database: LmdbDatabase<string>;
    let sticky: LmdbSticky;
    beforeEach(() => {
      database = environment.textKeys('rollout_sticky') as LmdbDatabase<string>;
      sticky = openLmdbSticky(environment, database, clock);
    });
    const put = async (from: number, to: number, expiresMs: number): Promise<void> =>
      sticky.put(
        new Map(
          Array.from({ length: to - from }, (_, i) => [
            `taste/=${String(from + i).padStart(5, '0')}`,
            { variant: 'a', expiresMs },
          ]),
        ),
      );
    const names = (): string[] => {
      environment.refresh();
      return database.range({ start: '', end: '~' }).map(({ key }) => key);
    };

    it('is dropped in steps, each of which goes on where the last one ended', async () => {
      await put(0, 25, NOW_MS + 1);
      await put(25, 30, NOW_MS + 9);
      expect(await sticky.sweep(100)).toEqual({ looked: 30, dropped: 0, isDone: true });
      nowMs += 1;
      expect(await sticky.sweep(10)).toEqual({ looked: 10, dropped: 10, isDone: false });
      expect(await sticky.sweep(10)).toEqual({ looked: 10, dropped: 10, isDone: false });
      await put(0, 5, NOW_MS + 9);
      expect(await sticky.sweep(11)).toEqual({ looked: 10, dropped: 5, isDone: true });
      expect(names()).toHaveLength(10);
      nowMs += 9;
      expect(await sticky.sweep(11)).toEqual({ looked: 10, dropped: 10, isDone: true });
      expect(names()).toEqual([]);
    });

    it('is dropped a thousand at a time, as long as there is much of it', async () => {
      await put(0, 3500, NOW_MS + 1);
      await put(3500, 9000, NOW_MS + 99);
      nowMs += 1;
      await sweepExpired(sticky, () => false);
      // The fifth thousand had nothing to drop.
      expect(names()).toHaveLength(5500);
      nowMs += 99;
      await sweepExpired(sticky, () => true);
      expect(names()).toHaveLength(5500);
      await sweepExpired(sticky, () => false);
      expect(names()).toHaveLength(1500);
      await sweepExpired(sticky, () => false);
      expect(names()).toEqual([]);
    });

    it('stays if it was given anew before it is dropped', async () => {
      await put(0, 1, NOW_MS + 1);
      nowMs += 1;
      const given = put(0, 1, NOW_MS + 50);
      await sticky.sweep(10);
      await given;
      environment.refresh();
      expect(sticky.get('taste/=00000', nowMs)).toBe('a');
    });
  });

  it('count what units are given beyond what can wait to be kept', async () => {
    const metrics = createMetrics();
    const store = openIn(environment, clock, metrics);
    for (let i = 0; i < 10_020; i++)
      store.keepSticky({ experiment: 'taste', unit: String(i % 10_010) }, 'a', NOW_MS + 1000);
    await store.close();
    expect(await metrics.render()).toMatch(/^millrace_sticky_dropped_total 10$/m);
    expect(store.getSticky({ experiment: 'taste', unit: '9999' }, NOW_MS)).toBe('a');
    expect(store.getSticky({ experiment: 'taste', unit: '10000' }, NOW_MS)).toBeNull();
  });
});
