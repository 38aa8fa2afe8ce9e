import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Log } from '../../src/telemetry/log.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { startRedis } from '../redis/redis-server.ts';
import type { RedisServer } from '../redis/redis-server.ts';
import { openRolloutsAt } from './redis-rollouts.ts';
import { changeNext } from './sample-change.ts';

const PROJECT = 'checked';
const channel = '&__redis__:invalidate';
const reader = [channel, '+@connection', '+@read', '+@scripting', '+subscribe', '+info', '+time'];

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis(['--appendonly', 'yes', '--appendfsync', 'always']);
});
afterAll(async () => server.stop());

/** What a Redis is warned of when it is opened for rollouts. */
async function warningsOf(url: string): Promise<string[]> {
  const warnings: string[] = [];
  const log: Log = {
    ...createLog('silent'),
    child: () => log,
    warn: (_fields: object, message: string) => warnings.push(message),
    info: () => undefined,
  } as unknown as Log;
  const store = await openRolloutsAt(url, PROJECT, { log });
  await store.close();
  return warnings;
}

async function urlFor(user: string, ...rights: readonly string[]): Promise<string> {
  await server.command('ACL', 'SETUSER', user, 'reset', 'on', '>p', ...rights);
  return `redis://${user}:p@127.0.0.1:${server.port}`;
}

describe('a Redis that drops keys when its memory is full', () => {
  afterEach(async () => {
    await server.command('CONFIG', 'SET', 'maxmemory', '0', 'maxmemory-policy', 'noeviction');
  });

  it('is refused if that may be a rollout, with what to type', async () => {
    await server.command('CONFIG', 'SET', 'maxmemory', '1gb', 'maxmemory-policy', 'allkeys-lru');
    await expect(warningsOf(server.url)).rejects.toMatchObject({
      code: 'STARTUP_FAILED',
      message:
        'Redis cannot keep rollouts: it drops keys when its memory is full (maxmemory-policy allkeys-lru), and what was rolled back would be served again. Type: CONFIG SET maxmemory-policy noeviction',
    });
    await server.command('CONFIG', 'SET', 'maxmemory', '0');
    expect(await warningsOf(server.url)).toEqual([]);
  });

  it('is warned of if that is only what units were given', async () => {
    await server.command('CONFIG', 'SET', 'maxmemory', '1gb', 'maxmemory-policy', 'volatile-ttl');
    expect(await warningsOf(server.url)).toEqual([
      'Redis drops what units were given first when its memory is full (maxmemory-policy volatile-ttl): they may then change the variant. Type: CONFIG SET maxmemory-policy noeviction',
    ]);
  });
});

it('warns of what is lost without an append-only file, or with one that is not synced', async () => {
  const lazy = await startRedis();
  expect(await warningsOf(lazy.url)).toEqual([
    'Redis does not keep an append-only file (appendonly no): changes of rollouts, such as a rollback, are lost when it restarts. Set appendonly yes and appendfsync always.',
  ]);
  await lazy.command('CONFIG', 'SET', 'appendonly', 'yes');
  expect(await warningsOf(lazy.url)).toEqual([
    'Redis does not sync its append-only file before it answers (appendfsync everysec): changes of rollouts in the last two seconds are lost when it is killed. Set appendfsync always.',
  ]);
  await lazy.stop();
});

it('warns of a replica, whose rollouts can be read and not be changed', async () => {
  const replica = await startRedis(['--replicaof', '127.0.0.1', String(server.port)]);
  const store = await openRolloutsAt(server.url, PROJECT);
  const version = await changeNext(store, 'A', 'ann');
  while ((await replica.command('HGET', `mr:${PROJECT}:rollout:{A}`, 'version')) !== String(version));
  expect(await warningsOf(replica.url)).toContain(
    'Rollouts cannot be changed: Redis is a read-only replica. Give the address of the master.',
  );
  const there = await openRolloutsAt(replica.url, PROJECT);
  expect(there.get('A')).toEqual(store.get('A'));
  await there.close();
  await store.close();
  await replica.stop();
});

describe('the user of Redis', () => {
  it('needs no right that the sentence does not name', async () => {
    const url = await urlFor('whole', '~mr:*', ...reader, '+@write');
    expect(await warningsOf(url)).toEqual([]);
    const store = await openRolloutsAt(url, PROJECT);
    await changeNext(store, 'flights', 'ann');
    for (const samplesVersion of [1, 2])
      for (let i = 0; i < 258; i++)
        await store.putSamples({ endpoint: 'flights', samplesVersion, process: `${i}` }, '1');
    expect(await store.samples('flights', 2)).toHaveLength(256);
    const key = { experiment: 'taste', unit: '1' };
    store.keepSticky(key, 'a', Date.now() + 60_000);
    expect(await store.audit('flights', 1)).toHaveLength(1);
    await store.close();
    const again = await openRolloutsAt(url, PROJECT);
    expect(await again.readSticky(key, Date.now())).toBe('a');
    await again.close();
  });

  it.each(['hget', 'hgetall', 'xrevrange', 'get'])('is refused if it may not read: %s', async (right) => {
    const url = await urlFor('blind', '~mr:*', ...reader, '+@write', `-${right}`);
    await expect(warningsOf(url)).rejects.toMatchObject({
      code: 'STARTUP_FAILED',
      message: expect.stringMatching(/^The user of Redis lacks a permission .* ACL SETUSER blind ~mr:\*/),
    });
  });

  it.each(['eval', 'hset', 'hdel', 'xadd', 'zadd', 'zcard', 'zpopmin', 'del', 'pexpire', 'set'])(
    'is warned of if it may not write: %s',
    async (right) => {
      const url = await urlFor('narrow', '~mr:*', ...reader, '+@write', `-${right}`);
      expect(await warningsOf(url)).toEqual([
        expect.stringMatching(/^Rollouts cannot be changed\. The user of Redis lacks a permission/),
      ]);
    },
  );

  it('finds nothing changed by what was tried out', async () => {
    const before = (await server.command('KEYS', '*')) as string[];
    await warningsOf(server.url);
    expect(((await server.command('KEYS', '*')) as string[]).toSorted()).toEqual(before.toSorted());
  });
});
