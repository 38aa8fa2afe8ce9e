/** A Redis that takes connections, but answers with errors, late, or not for now. */
import { spawnSync } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CachedStore } from '../../../src/features/cached-store.ts';
import type { FeatureView } from '../../../src/project/project.ts';
import { entityOf, viewOf } from '../sample-project.ts';
import { startRedis } from '../../redis/redis-server.ts';
import type { RedisServer } from '../../redis/redis-server.ts';
import { openStore, untilInMemory } from './store-of.ts';

const thing = entityOf('thing', { id: 'string' });
const mild = viewOf('mild', thing, { x: 'float64' });
const strict: FeatureView = { ...viewOf('strict', thing, { x: 'float64' }), onUnavailable: 'error' };
const views = [mild, strict];
const READ_TIMEOUT_MS = 50;
/** For a machine that is busy with other things; what is held back or refused here is so for longer. */
const SLACK_MS = 1000;
const majorVersion = Number(/v=(\d+)/.exec(spawnSync('redis-server', ['--version']).stdout.toString())?.[1]);

let server: RedisServer;
let admin: Redis;
let store: CachedStore;
afterEach(async () => {
  admin.disconnect();
  await store.close();
  await server.stop();
});

/** A store with the rows `known` in memory, and `other` only in Redis. */
async function start(args: readonly string[] = []): Promise<void> {
  server = await startRedis(args);
  admin = new Redis({ port: server.port, protocol: 2 });
  // What goes wrong is told by the command.
  admin.on('error', () => undefined);
  await warm();
}

async function warm(): Promise<void> {
  store = await openStore(server.url, views, { readTimeoutMs: READ_TIMEOUT_MS, ttlMs: 3_600_000 });
  const keys = ['known', 'other'].flatMap((key) => views.map((view) => ({ view, key })));
  await store.write(keys.map((key) => ({ ...key, row: [1, 7] })));
  await untilInMemory(store, keys.slice(0, 2));
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await pause(5);
}

async function untilAnswered(pattern: RegExp): Promise<void> {
  const said = async (): Promise<string> => server.command('PING').then(String, String);
  await until(async () => pattern.test(await said()));
}

/** What was read before is given; what was not is unknown, which is not the same as that there is none. */
async function expectRefused(): Promise<void> {
  for (let i = 0; i < 5; i++) {
    const askedMs = performance.now();
    const read = store.read([
      { view: mild, key: 'known' },
      { view: mild, key: 'other' },
    ]);
    const strictRead = store.read([{ view: strict, key: 'other' }]);
    await Promise.all([
      expect(read).resolves.toEqual([[1, 7], null]),
      expect(strictRead).rejects.toMatchObject({ code: 'STORE_FAILED' }),
    ]);
    expect(performance.now() - askedMs).toBeLessThan(READ_TIMEOUT_MS + SLACK_MS);
    expect(store.get(mild, 'other')).toBeUndefined();
    expect(store.get(mild, 'known') ?? [1, 7]).toEqual([1, 7]);
  }
}

async function expectRecovery(): Promise<void> {
  await until(async () => {
    const [row] = await store.read([{ view: strict, key: 'other' }]).catch(() => [null]);
    return row?.[1] === 7 && store.get(strict, 'other') !== undefined;
  });
  await until(async () => {
    const [row = null] = await store.read([{ view: mild, key: 'known' }]);
    return row?.[1] === 7 && store.staleMs(mild, 'known', row) === 0;
  });
}

describe('rows in memory are given, others are unknown, and all is as before afterwards, when Redis', () => {
  beforeEach(async ({ task }) => {
    if (!task.name.startsWith('loads')) await start();
  });

  it('is busy with a script', async () => {
    // Its name until version 7, which still knows it.
    await admin.config('SET', 'lua-time-limit', '20');
    const script = admin.eval('while true do end', 0).catch(() => undefined);
    await untilAnswered(/BUSY/);
    await expectRefused();
    await server.command('SCRIPT', 'KILL');
    await script;
    await expectRecovery();
  });

  it('loads its data', async ({ skip }) => {
    skip(majorVersion < 7, 'Redis can be told to load its data again from version 7 on');
    await start(['--enable-debug-command', 'yes', '--loading-process-events-interval-bytes', '1024']);
    await admin.eval("for i = 1, 3000 do redis.call('SET', 'filler' .. i, string.rep('x', 100)) end", 0);
    await admin.config('SET', 'key-load-delay', '300');
    const reload = admin.call('DEBUG', ['RELOAD']);
    await untilAnswered(/LOADING/);
    await expectRefused();
    await admin.config('SET', 'key-load-delay', '0').catch(() => undefined);
    await reload;
    await expectRecovery();
  });

  it('lets nobody in', async () => {
    await admin.config('SET', 'maxclients', '1');
    await admin.call('CLIENT', ['KILL', 'TYPE', 'normal', 'SKIPME', 'yes']);
    await admin.call('CLIENT', ['KILL', 'TYPE', 'pubsub']);
    await until(() => store.staleMs(mild, 'known', store.get(mild, 'known') ?? null) > 0);
    await expectRefused();
    await admin.config('SET', 'maxclients', '1000');
    await expectRecovery();
  });

  it('asks for a password that it did not ask for before', async () => {
    await admin.config('SET', 'requirepass', 'secret');
    await admin.call('CLIENT', ['KILL', 'TYPE', 'normal', 'SKIPME', 'yes']);
    await until(() => store.staleMs(mild, 'known', store.get(mild, 'known') ?? null) > 0);
    await expectRefused();
    await admin.config('SET', 'requirepass', '');
    await expectRecovery();
  });

  it('holds its answers back', async () => {
    await admin.call('CLIENT', ['PAUSE', '3000', 'ALL']);
    await expectRefused();
    await expectRecovery();
  });

  it('is a replica that does not serve without its master', async () => {
    const master = server;
    server = await startRedis([
      '--replicaof',
      '127.0.0.1',
      String(master.port),
      '--replica-serve-stale-data',
      'no',
    ]);
    await store.close();
    await untilAnswered(/PONG/);
    store = await openStore(server.url, views, { readTimeoutMs: READ_TIMEOUT_MS, ttlMs: 3_600_000 });
    const known = { view: mild, key: 'known' };
    await until(async () => (await store.read([known]))[0] !== null);
    await untilInMemory(store, [known]);
    await master.kill();
    await untilAnswered(/MASTERDOWN/);
    await expectRefused();
    await server.command('REPLICAOF', 'NO', 'ONE');
    await expectRecovery();
    await master.stop();
  });
});
