/** Redis that is killed while events are appended, and files that end in the middle. */
import { spawn } from 'node:child_process';
import { readFileSync, readdirSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RedisEventLog } from '../../src/events/redis-event-log.ts';
import { startCluster, startRedis } from '../redis/redis-server.ts';
import type { RedisCluster, RedisServer } from '../redis/redis-server.ts';
import { ALL, EVERYTHING_IS_DUE, all, append, idsFrom, openLogAt, readIds, to } from './redis-log-place.ts';
import { clickEvent } from './sample-events.ts';

const PARTITIONS = 4;
const KILLS = 4;
/** Not everysec: Redis then acknowledges before it has written to the file, and loses that when its process is killed. */
const durable = ['--appendonly', 'yes', '--appendfsync', 'always'];

interface Writer {
  /** Ids of acknowledged events. */
  readonly acknowledged: string[];
  kill(): Promise<void>;
}

function startWriter(url: string, project: string, name: string): Writer {
  const args = ['--import', 'tsx', 'test/events/redis-log-writer.ts', url, project, name];
  const child = spawn('node', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const acknowledged: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => acknowledged.push(...line.split(' ')));
  const ended = new Promise((resolve) => child.once('close', resolve));
  return {
    acknowledged,
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** Waits until each of them has had so many more events acknowledged. */
async function untilAcknowledged(writers: readonly Writer[], more: number): Promise<void> {
  const before = writers.map(({ acknowledged }) => acknowledged.length);
  const isBehind = ({ acknowledged }: Writer, i: number): boolean =>
    acknowledged.length < (before[i] as number) + more;
  while (writers.some(isBehind)) await pause(5);
}

/** Every acknowledged event is there once, with its copy, and those of a producer are in their order. */
async function expectAll(log: RedisEventLog, acknowledged: readonly string[]): Promise<void> {
  const originals = new Set<string>();
  const copies = new Set<string>();
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const { records } = await log.read(partition, 0, ALL);
    const last = new Map<string, number>();
    for (const { event, isCopy } of records) {
      const id = event?.id ?? 'unreadable';
      const ids = isCopy ? copies : originals;
      if (ids.has(id)) throw new Error(`${id} is there twice`);
      ids.add(id);
      const [producer = '', n = ''] = id.split('/');
      if (Number(n) <= (last.get(producer) ?? -1)) throw new Error(`${id} stands behind a later one`);
      last.set(producer, Number(n));
      if (event?.values[0] !== 'x'.repeat(Number(n) % 700)) throw new Error(`${id} is damaged`);
    }
  }
  expect(acknowledged.filter((id) => !originals.has(id))).toEqual([]);
  expect(acknowledged.filter((id) => !copies.has(id))).toEqual([]);
}

it('has every acknowledged event once, in order, however often Redis is killed while two processes append', async () => {
  const server = await startRedis(durable);
  const writers = ['a', 'b'].map((name) => startWriter(server.url, 'crash', name));
  for (let kill = 0; kill < KILLS; kill++) {
    await untilAcknowledged(writers, 20);
    await pause(Math.random() * 100);
    await server.kill();
    await server.restart();
  }
  await untilAcknowledged(writers, 20);
  await Promise.all(writers.map(async (writer) => writer.kill()));
  const log = await openLogAt(server.url, 'crash');
  const acknowledged = writers.flatMap((writer) => writer.acknowledged);
  await expectAll(log, acknowledged);
  const again = acknowledged.slice(-1000).map((id) => {
    const partition = Number(id.split('/')[1]) % PARTITIONS;
    return { event: clickEvent(id), partitions: [partition] };
  });
  expect(new Set(await log.append(again))).toEqual(new Set(['duplicate']));
  await log.close();
  await server.stop();
}, 120_000);

describe('an append-only file that ends in the middle of an append', () => {
  let server: RedisServer;
  let log: RedisEventLog;
  beforeEach(async () => {
    server = await startRedis(durable);
    log = await openLogAt(server.url, 'torn');
    await append(log, ...idsFrom(0, 5));
    await append(log, ...idsFrom(100, 5));
    await server.kill();
  });
  afterEach(async () => {
    await log.close();
    await server.stop();
  });

  const fileOf = ({ dir }: RedisServer): string => {
    const folder = join(dir, 'appendonlydir');
    const name = readdirSync(folder).find((file) => file.includes('.incr.'));
    return join(folder, name as string);
  };

  /** Cuts off the file in the last append, and starts Redis with it. */
  async function cut(after: string, bytes: number): Promise<void> {
    const file = fileOf(server);
    truncateSync(file, readFileSync(file).lastIndexOf(after) + bytes);
    await restart();
    expect(await readIds(log)).toEqual(idsFrom(0, 5));
  }

  async function restart(): Promise<void> {
    await server.restart();
    while (
      await log.sizes().then(
        () => false,
        () => true,
      )
    )
      await pause(5);
  }

  /** What Redis leaves in the file of a transaction that it does not load takes effect when it starts again. */
  async function restartAgain(): Promise<void> {
    await server.kill();
    await restart();
  }

  const places: readonly (readonly [string, string, number])[] = [
    ['in front of the chunk', 'MULTI', 9],
    ['in the chunk', 'XADD', 40],
    ['in the ids', 'SADD', 60],
    ['in the state', 'HSET', 30],
    ['at the end of the transaction', 'EXEC', 2],
  ];

  it.each(places)('%s loses nothing that was sent again before the next start', async (_, after, bytes) => {
    await cut(after, bytes);
    expect(await append(log, 'new', ...idsFrom(100, 5))).toEqual(all('appended', 6));
    await restartAgain();
    const ids = [...idsFrom(0, 5), 'new', ...idsFrom(100, 5)];
    expect(await readIds(log)).toEqual(ids);
    expect(await append(log, 'last', ...ids)).toEqual(['appended', ...all('duplicate', ids.length)]);
    expect(await readIds(log)).toEqual([...ids, 'last']);
    expect(await log.trim(EVERYTHING_IS_DUE)).toBe(12);
    expect(await append(log, ...idsFrom(100, 5))).toEqual(all('appended', 5));
  });

  it.each(places.slice(0, 3))('%s mixes nothing up with other events', async (_, after, bytes) => {
    await cut(after, bytes);
    expect(await append(log, 'new')).toEqual(['appended']);
    await restartAgain();
    expect(await readIds(log)).toEqual([...idsFrom(0, 5), 'new']);
    expect(await append(log, ...idsFrom(100, 5), 'last')).toEqual(all('appended', 6));
    expect(await readIds(log)).toEqual([...idsFrom(0, 5), 'new', ...idsFrom(100, 5), 'last']);
  });

  it.each(places.slice(0, 3))('%s shows nothing of it after the next start', async (_, after, bytes) => {
    await cut(after, bytes);
    await restartAgain();
    expect(await readIds(log)).toEqual(idsFrom(0, 5));
    expect(await append(log, ...idsFrom(100, 5), 'last')).toEqual(all('appended', 6));
    expect(await readIds(log)).toEqual([...idsFrom(0, 5), ...idsFrom(100, 5), 'last']);
  });
});

describe('a cluster', () => {
  let cluster: RedisCluster;
  beforeEach(async () => {
    cluster = await startCluster(0, durable);
  });
  afterEach(async () => cluster.stop());

  async function nodeOf(partition: number): Promise<RedisServer> {
    const key = `mr:halves:events:{p${partition}}`;
    for (const node of cluster.nodes) {
      const isThere = await node.command('TYPE', key).then(
        () => true,
        () => false,
      );
      if (isThere) return node;
    }
    throw new Error(`no node has partition ${partition}`);
  }

  it('that loses a node in the middle of a call gets the copies when the call is sent again', async () => {
    const log = await openLogAt(cluster.url, 'halves');
    const first = await nodeOf(0);
    const nodes = await Promise.all([1, 2, 3].map(nodeOf));
    const other = nodes.findIndex((node) => node !== first) + 1;
    const lost = nodes[other - 1] as RedisServer;
    await log.append(to([0, other], 'before'));
    await lost.kill();
    const writes = to([0, other], ...idsFrom(0, 700));
    await expect(log.append(writes)).rejects.toMatchObject({
      code: 'STORE_FAILED',
      message: expect.stringMatching(/^Redis: .* Some of the events may be in the log; send them again/),
    });
    expect(await readIds(log)).toEqual(['before', ...idsFrom(0, 700)]);
    await lost.restart();
    const send = async (): Promise<string[] | undefined> => log.append(writes).catch(() => undefined);
    let outcomes = await send();
    while (outcomes === undefined) outcomes = await send();
    expect(outcomes).toEqual(all('duplicate', 700));
    for (const partition of [0, other])
      expect(await readIds(log, partition)).toEqual(['before', ...idsFrom(0, 700)]);
    expect((await log.read(other, 0, ALL)).records.every(({ isCopy }) => isCopy)).toBe(true);
    await log.close();
  });

  /** One key after the other, so that for a while some keys of the partition are here and others there. */
  async function moveTo(target: RedisServer, source: RedisServer, slot: string): Promise<void> {
    const [targetId, sourceId] = [
      await target.command('CLUSTER', 'MYID'),
      await source.command('CLUSTER', 'MYID'),
    ];
    await target.command('CLUSTER', 'SETSLOT', slot, 'IMPORTING', String(sourceId));
    await source.command('CLUSTER', 'SETSLOT', slot, 'MIGRATING', String(targetId));
    const port = String(target.port);
    for (;;) {
      const keys = (await source.command('CLUSTER', 'GETKEYSINSLOT', slot, '1')) as string[];
      if (keys.length === 0) break;
      await source.command('MIGRATE', '127.0.0.1', port, '', '0', '5000', 'KEYS', ...keys);
      await pause(20);
    }
    for (const node of [target, source, ...cluster.nodes])
      await node.command('CLUSTER', 'SETSLOT', slot, 'NODE', String(targetId));
  }

  it('that moves its slots has every acknowledged event once, in order', async () => {
    const writers = ['a', 'b'].map((name) => startWriter(cluster.url, 'halves', name));
    await untilAcknowledged(writers, 20);
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const slot = String(await cluster.nodes[0]?.command('CLUSTER', 'KEYSLOT', `{p${partition}}`));
      for (let i = 0; i < 2; i++) {
        const source = await nodeOf(partition);
        const target = cluster.nodes.find((node) => node !== source) as RedisServer;
        await moveTo(target, source, slot);
        await untilAcknowledged(writers, 20);
      }
    }
    await Promise.all(writers.map(async (writer) => writer.kill()));
    const log = await openLogAt(cluster.url, 'halves');
    await expectAll(
      log,
      writers.flatMap(({ acknowledged }) => acknowledged),
    );
    await log.close();
  }, 120_000);
});
