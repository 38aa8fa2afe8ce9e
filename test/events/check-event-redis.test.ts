import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { checkEventRedis } from '../../src/events/check-event-redis.ts';
import { openRedisConnection } from '../../src/redis/open-connection.ts';
import { createLog } from '../../src/telemetry/log.ts';
import type { Log } from '../../src/telemetry/log.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { startCluster, startRedis } from '../redis/redis-server.ts';
import type { RedisCluster, RedisServer } from '../redis/redis-server.ts';
import { openLogAt } from './redis-log-place.ts';
import { clickEvent } from './sample-events.ts';

const PROJECT = 'checked';
const reader = ['&*', '+@connection', '+@read', '+@scripting', '+subscribe', '+info', '+time'];

let server: RedisServer;
let cluster: RedisCluster;
beforeAll(async () => {
  [server, cluster] = await Promise.all([
    startRedis(['--appendonly', 'yes', '--appendfsync', 'always']),
    startCluster(),
  ]);
}, 60_000);
afterAll(async () => {
  await Promise.all([server.stop(), cluster.stop()]);
});

/** What a Redis is warned of when it is opened for events. */
async function warningsOf(url: string): Promise<string[]> {
  const warnings: string[] = [];
  const log: Log = {
    ...createLog('silent'),
    child: () => log,
    warn: (_fields: object, message: string) => warnings.push(message),
    info: () => undefined,
  } as unknown as Log;
  const connection = await openRedisConnection({
    url,
    keyPattern: 'mr:*',
    encoding: 'utf8',
    prefixes: [`mr:${PROJECT}:applied:`],
    readTimeoutMs: 2000,
    carries: 'events',
    metrics: createMetrics(),
    log,
    check: async (shard, user, info) => checkEventRedis(shard, PROJECT, user, info),
  });
  await connection.close();
  return warnings;
}

/** The address for a user with these rights. */
async function urlFor(user: string, ...rights: readonly string[]): Promise<string> {
  await server.command('ACL', 'SETUSER', user, 'reset', 'on', '>p', ...rights);
  return `redis://${user}:p@127.0.0.1:${server.port}`;
}

describe('a Redis that drops keys when its memory is full', () => {
  afterEach(async () => {
    await server.command('CONFIG', 'SET', 'maxmemory', '0', 'maxmemory-policy', 'noeviction');
  });

  it.each(['allkeys-lru', 'volatile-ttl'])('is refused under %s, with what to type', async (policy) => {
    await server.command('CONFIG', 'SET', 'maxmemory', '1gb', 'maxmemory-policy', policy);
    await expect(warningsOf(server.url)).rejects.toMatchObject({
      code: 'STARTUP_FAILED',
      message: `Redis cannot keep events: it drops keys when its memory is full (maxmemory-policy ${policy}), and events would be lost, or counted twice. Type: CONFIG SET maxmemory-policy noeviction`,
    });
    await server.command(...'CONFIG SET maxmemory-policy noeviction'.split(' '));
    expect(await warningsOf(server.url)).toEqual([]);
  });

  it('is taken if its memory has no limit', async () => {
    await server.command('CONFIG', 'SET', 'maxmemory', '0', 'maxmemory-policy', 'allkeys-lru');
    expect(await warningsOf(server.url)).toEqual([]);
  });

  it('is refused if it is one node of a cluster', async () => {
    await cluster.nodes[2]?.command('CONFIG', 'SET', 'maxmemory', '1gb', 'maxmemory-policy', 'allkeys-lfu');
    await expect(warningsOf(cluster.url)).rejects.toThrow('maxmemory-policy allkeys-lfu');
    await cluster.nodes[2]?.command('CONFIG', 'SET', 'maxmemory', '0');
  });
});

it('warns of what is lost without an append-only file', async () => {
  expect(await warningsOf(cluster.url)).toContainEqual(
    expect.stringMatching(/^Redis does not keep an append-only file .* accepted events, .* are lost/),
  );
});

it('warns of what is lost when it is killed, unless it does not tell', async () => {
  const lazy = await startRedis(['--appendonly', 'yes']);
  const rights = ['~mr:*', ...reader, '+@write'];
  await lazy.command('ACL', 'SETUSER', 'mute', 'reset', 'on', '>p', ...rights);
  expect(await warningsOf(lazy.url)).toEqual([
    'Redis does not sync its append-only file before it answers (appendfsync everysec): events that were accepted in the last two seconds are lost when it is killed. Set appendfsync always.',
  ]);
  expect(await warningsOf(`redis://mute:p@127.0.0.1:${lazy.port}`)).toEqual([]);
  await lazy.stop();
});

it('warns of a replica, which has the log but takes no events', async () => {
  const replica = await startRedis([
    '--appendonly',
    'yes',
    '--appendfsync',
    'always',
    '--replicaof',
    '127.0.0.1',
    String(server.port),
  ]);
  const log = await openLogAt(server.url, PROJECT);
  while ((await replica.command('EXISTS', `mr:${PROJECT}:event_log`)) !== 1);
  expect(await warningsOf(replica.url)).toContain(
    'Events will be refused: Redis is a read-only replica. Give the address of the master.',
  );
  const there = await openLogAt(replica.url, PROJECT);
  expect((await there.sizes())[0]).toEqual({ firstOffset: 0, nextOffset: 0, bytes: 0 });
  await expect(openLogAt(replica.url, 'other')).rejects.toMatchObject({
    code: 'STORE_FAILED',
    message: 'Redis holds no events of this project yet (mr:other:event_log), and may not be written to.',
  });
  await there.close();
  await log.close();
  await replica.stop();
});

describe('the rights of the user', () => {
  it.each([
    ['may read no streams', ['~mr:*', '+@all', '-xrevrange']],
    ['may run no scripts', ['~mr:*', '+@all', '-eval']],
    ['may only read the keys, which a script may not get then', ['%R~mr:*', '+@all']],
    ['may read none of the keys', ['~other:*', '+@all']],
  ])('are too few if it %s', async (_, rights) => {
    const url = await urlFor('narrow', '&*', ...rights);
    await expect(warningsOf(url)).rejects.toThrow(/NOPERM.* Type: ACL SETUSER narrow ~mr:\* /);
  });

  it.each([
    ['may only read', ['~mr:*', ...reader]],
    ['may append to no streams', ['~mr:*', '+@all', '&*', '-xadd']],
    ['may drop nothing', ['~mr:*', '+@all', '&*', '-xtrim']],
  ])('are warned of if it %s, and nothing is written by finding out', async (_, rights) => {
    await server.command('FLUSHALL');
    const warnings = await warningsOf(await urlFor('reader', ...rights));
    expect(warnings).toEqual([
      expect.stringMatching(/^Events will be refused\. .*NOPERM.* Type: ACL SETUSER reader ~mr:\* /),
    ]);
    expect(await server.command('KEYS', '*')).toEqual([]);
  });

  it('are enough with those that are named, for all that the log does', async () => {
    const [warning = ''] = await warningsOf(await urlFor('reader', '~mr:*', ...reader));
    const rights = / ACL SETUSER reader (.*)$/.exec(warning)?.[1]?.split(' ') ?? [];
    const url = await urlFor('able', ...rights);
    expect(await warningsOf(url)).toEqual([]);
    const log = await openLogAt(url, PROJECT);
    expect(await log.append([{ event: clickEvent('a'), partitions: [0, 1] }])).toEqual(['appended']);
    expect((await log.read(0, 0, { recordsMax: 9, bytesMax: 999 })).records).toHaveLength(1);
    expect(await log.offsetAt(0, 0)).toBe(0);
    expect(await log.trim({ appendedBeforeMs: 5000, bytesMax: 0 })).toBe(2);
    await log.close();
  });
});

it('refuses versions whose scripts could not run', async () => {
  const connection = { run: async () => [] };
  const check = async (version: string): Promise<string[]> =>
    checkEventRedis(
      connection as unknown as Parameters<typeof checkEventRedis>[0],
      PROJECT,
      { name: undefined, keyPattern: 'mr:*', isOfCluster: false },
      `redis_version:${version}\r\naof_enabled:1\r\n`,
    );
  await expect(check('6.0.16')).rejects.toThrow('it is version 6.0.16, and they need 6.2 or later.');
  expect(await check('6.2.0')).toEqual([]);
  expect(await check('10.0.1')).toEqual([]);
});
