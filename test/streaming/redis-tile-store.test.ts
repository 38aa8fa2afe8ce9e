import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createEventCodec } from '../../src/events/event-codec.ts';
import { createRedisSetAsideLog } from '../../src/events/redis-set-aside-log.ts';
import { createRedisCommands } from '../../src/redis/redis-commands.ts';
import { openRedisConnection } from '../../src/redis/open-connection.ts';
import { tileNames } from '../../src/streaming/redis-tile-layout.ts';
import { openRedisTileStore } from '../../src/streaming/redis-tile-store.ts';
import type { TileStore } from '../../src/streaming/tile-store.ts';
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

async function openTiles(url: string, project: string): Promise<OpenedTiles & { close(): Promise<void> }> {
  const connection = await openRedisConnection({
    url,
    keyPattern: 'mr:*',
    encoding: 'utf8',
    prefixes: [tileNames(project).appliedPrefix],
    readTimeoutMs: 2000,
    carries: 'events',
    metrics: createMetrics(),
    log: createLog('silent'),
    check: async () => [],
  });
  const commands = createRedisCommands(connection);
  const shared = { project, partitionCount: PARTITIONS, commands };
  const deadLetters = createRedisSetAsideLog({ ...shared, name: 'dead_letters', codec });
  const corrections = createRedisSetAsideLog({ ...shared, name: 'corrections', codec });
  const parts = { ...shared, connection, readTimeoutMs: 2000, deadLetters, corrections };
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

  describe('the epoch of tiles in Redis', () => {
    const jfk = { view: flightViews.byOrigin, key: 'JFK', partition: 0 };
    const commit = async (tiles: TileStore, from: number): Promise<boolean> =>
      tiles.commit({
        partition: 0,
        from: { offset: from, maxTimeMs: 0 },
        to: { offset: from + 1, maxTimeMs: 0 },
        tiles: [{ entity: jfk, tileMs: 60_000, startMs: 0, bytes: Buffer.from('x') }],
        deadLetters: [],
        corrections: [],
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
