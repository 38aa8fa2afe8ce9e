import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createEventCodec } from '../../src/events/event-codec.ts';
import { createRedisSetAsideLog } from '../../src/events/redis-set-aside-log.ts';
import { createRedisCommands } from '../../src/redis/redis-commands.ts';
import { openRedisConnection } from '../../src/redis/open-connection.ts';
import { tileNames } from '../../src/streaming/redis-tile-layout.ts';
import { openRedisTileStore } from '../../src/streaming/redis-tile-store.ts';
import { tiledName } from '../../src/streaming/tile-store.ts';
import type { AppliedBatch, TileStore } from '../../src/streaming/tile-store.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { describeTileStore } from '../contract/tile-store.ts';
import type { OpenedTiles, TilesPlace } from '../contract/tile-store.ts';
import { startCluster, startRedis } from '../redis/redis-server.ts';
import type { RedisCluster, RedisServer } from '../redis/redis-server.ts';
import { flightProject, flightViews } from './flight-stream.ts';

const PARTITIONS = 4;
const codec = createEventCodec(flightProject.eventTypes, { idOf: () => 0, schema: () => undefined });
let projects = 0;

function placeAt(url: string): TilesPlace {
  const project = `tiles_${projects++}`;
  const closing: (() => Promise<void>)[] = [];
  const closeAll = async (): Promise<void> => {
    for (const close of closing.splice(0)) await close();
  };
  return {
    async open() {
      const opened = await openTiles(url, project);
      closing.push(async () => opened.close());
      return opened;
    },
    restart: closeAll,
    remove: closeAll,
  };
}

async function openTiles(
  url: string,
  project: string,
  readTimeoutMs = 2000,
): Promise<OpenedTiles & { close(): Promise<void> }> {
  const connection = await openRedisConnection({
    url,
    keyPattern: 'mr:*',
    encoding: 'utf8',
    prefixes: [tileNames(project).appliedPrefix],
    readTimeoutMs,
    carries: 'events',
    metrics: createMetrics(),
    log: createLog('silent'),
    check: async () => [],
  });
  const commands = createRedisCommands(connection);
  const shared = { project, partitionCount: PARTITIONS, commands };
  const deadLetters = createRedisSetAsideLog({ ...shared, name: 'dead_letters', codec });
  const corrections = createRedisSetAsideLog({ ...shared, name: 'corrections', codec });
  const parts = { ...shared, connection, readTimeoutMs, deadLetters, corrections };
  const tiles = await openRedisTileStore(parts);
  const close = async (): Promise<void> => {
    await tiles.close();
    await connection.close();
  };
  return { tiles, deadLetters, corrections, close };
}

describe('with one server', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(async () => server.stop());

  describeTileStore('Redis', async () => placeAt(server.url));

  const jfk = { view: flightViews.byOrigin, key: 'JFK', partition: 0 };
  const batch = (from: number, text = 'x'): AppliedBatch => ({
    partition: 0,
    from: { offset: from, maxTimeMs: 0 },
    to: { offset: from + 1, maxTimeMs: 0 },
    tiles: [{ entity: jfk, tileMs: 60_000, startMs: 0, bytes: Buffer.from(text) }],
    deadLetters: [],
    corrections: [],
  });
  const commit = async (tiles: TileStore, from: number): Promise<boolean> => tiles.commit(batch(from));

  describe('a commit that Redis refuses in the middle', () => {
    const late = { partition: 0, offset: 1, reason: 'late', atMs: 0, bytes: Buffer.from('late') };
    const stored = async (tiles: TileStore): Promise<string[]> =>
      (await tiles.read([jfk])).flat().map(({ bytes }) => bytes.toString());

    it.each(['hset', 'hdel', 'xadd', 'xrevrange', 'zadd', 'zrem'])(
      'has changed no tile, so that its events count once when it is tried again: no right to %s',
      async (right) => {
        const opened = await openTiles(server.url, `refused_${right}`);
        const { tiles } = opened;
        await commit(tiles, 0);
        await server.command('ACL', 'SETUSER', 'default', `-${right}`);
        const next = { ...batch(1, 'y'), corrections: [late] };
        await expect(tiles.commit(next)).rejects.toMatchObject({ code: 'STORE_FAILED' });
        await server.command('ACL', 'SETUSER', 'default', `+${right}`);
        expect(await stored(tiles)).toEqual(['x']);
        expect(await tiles.commit(next)).toBe(true);
        expect(await stored(tiles)).toEqual(['y']);
        await opened.close();
      },
    );

    it('has changed no tile: the list of entities is something else', async () => {
      const opened = await openTiles(server.url, 'refused_type');
      const { tiles } = opened;
      await commit(tiles, 0);
      await server.command('DEL', 'mr:refused_type:tile_entities:{p0}');
      await server.command('SET', 'mr:refused_type:tile_entities:{p0}', 'text');
      await expect(tiles.commit(batch(1, 'y'))).rejects.toMatchObject({ code: 'STORE_FAILED' });
      expect(await stored(tiles)).toEqual(['x']);
      await opened.close();
    });

    it('there is none for what lies further ahead in its streams, of a position that was lost', async () => {
      const opened = await openTiles(server.url, 'ahead');
      const { tiles, corrections } = opened;
      await commit(tiles, 0);
      const change = ['from', '98', 'by', 'somebody', 'names', '[]'];
      await server.command('XADD', 'mr:ahead:tile_changes:{p0}', '99-0', ...change);
      await tiles.commit({ ...batch(1), corrections: [late] });
      await server.command('HDEL', 'mr:ahead:applied:{p0}', 'corrections');
      await tiles.commit({ ...batch(2, 'y'), corrections: [late, late] });
      expect(await stored(tiles)).toEqual(['y']);
      const numbers = (await corrections.list(0, 10)).map(({ number }) => number);
      expect(numbers).toEqual([1, 1 + PARTITIONS, 1 + 2 * PARTITIONS]);
      await opened.close();
    });
  });

  it('answers an applier later than a prediction would wait', async () => {
    const opened = await openTiles(server.url, 'patience', 200);
    await commit(opened.tiles, 0);
    await server.command('CLIENT', 'PAUSE', '1000', 'ALL');
    const [hasty, patient] = await Promise.allSettled([
      opened.tiles.read([jfk], 'prediction'),
      opened.tiles.read([jfk], 'applier'),
    ]);
    expect([hasty.status, patient.status]).toEqual(['rejected', 'fulfilled']);
    await opened.close();
  });

  describe('the epoch of tiles in Redis', () => {
    it('ends when somebody takes a position away, and what is applied from then on is told', async () => {
      const [one, other] = [await openTiles(server.url, 'begun'), await openTiles(server.url, 'begun')];
      for (const from of [0, 1, 2]) await commit(one.tiles, from);
      await other.tiles.position(0);
      const seen = other.tiles.epochOf(0);
      expect(seen).toBeGreaterThan(0);
      await server.command('DEL', 'mr:begun:applied:{p0}');
      expect(await commit(one.tiles, 0)).toBe(true);
      expect((await other.tiles.position(0)).offset).toBe(1);
      expect(other.tiles.epochOf(0)).toBeGreaterThan(seen);
      other.tiles.takeChanged();
      await commit(one.tiles, 1);
      await other.tiles.position(0);
      expect(other.tiles.takeChanged()).toEqual([tiledName(jfk)]);
      await one.close();
      await other.close();
    });

    it('ends when Redis is emptied or made anew, and another begins', async () => {
      const opened = await openTiles(server.url, 'epochs');
      const { tiles } = opened;
      await commit(tiles, 0);
      const seen = [tiles.epochOf(0)];
      const next = async (): Promise<void> =>
        vi.waitFor(
          () => {
            tiles.takeChanged();
            expect([0, ...seen]).not.toContain(tiles.epochOf(0));
          },
          { timeout: 5000 },
        );
      await server.command('FLUSHALL');
      await next();
      expect(await tiles.position(0)).toEqual({ offset: 0, maxTimeMs: -Infinity });
      seen.push(tiles.epochOf(0));
      await server.kill();
      await vi.waitFor(() => expect([tiles.epochOf(0), tiles.isAway(0)]).toEqual([0, true]));
      await expect(tiles.position(0)).rejects.toMatchObject({ code: 'STORE_FAILED' });
      await server.restart();
      await next();
      expect(await commit(tiles, 0)).toBe(true);
      expect(tiles.takeChanged()).toEqual([]);
      await opened.close();
    });

    it('ends where commits are there that Redis has lost, and the next one is stored all the same, once', async () => {
      const opened = await openTiles(server.url, 'lost');
      const { tiles } = opened;
      const key = tileNames('lost').changes(0);
      await server.command('XADD', key, '3-0', 'from', '0', 'by', 'another', 'names', '[]');
      for (const from of [0, 1, 2]) expect(await commit(tiles, from)).toBe(true);
      expect((await tiles.position(0)).offset).toBe(3);
      expect(await server.command('XLEN', key)).toBe(3);
      await opened.close();
    });
  });
});

describe('with a cluster', () => {
  let cluster: RedisCluster;
  beforeAll(async () => {
    cluster = await startCluster();
  });
  afterAll(async () => cluster.stop());

  describeTileStore('a Redis cluster', async () => placeAt(cluster.url));
});
