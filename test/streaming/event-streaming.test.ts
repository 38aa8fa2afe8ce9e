import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import type { EventStreaming } from '../../src/streaming/event-streaming.ts';
import { describeEventStreaming } from '../contract/event-streaming.ts';
import type { StreamingPlace } from '../contract/event-streaming.ts';
import { startCluster, startRedis } from '../redis/redis-server.ts';
import type { RedisCluster, RedisServer } from '../redis/redis-server.ts';
import { flightProject } from './flight-stream.ts';
import { openPlace } from './open-place.ts';

let projects = 0;

/** @param project in Redis, the name of a project keeps places apart */
function placeAt(address: string, project: string, remove: () => Promise<void>): StreamingPlace {
  const opened: EventStreaming[] = [];
  return {
    async open() {
      const streaming = await openPlace(address, { ...flightProject, name: project }, 'silent');
      opened.push(streaming);
      return streaming;
    },
    async remove() {
      for (const each of opened.splice(0)) await each.close();
      await remove();
    },
  };
}

describeEventStreaming('LMDB', async () => {
  const path = await mkdtemp(join(tmpdir(), 'millrace-streaming-'));
  return placeAt(path, 'flights', async () => rm(path, { recursive: true }));
});

describe('with a Redis server', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(async () => server.stop());

  describeEventStreaming('Redis', async () =>
    placeAt(server.url, `flights_${projects++}`, async () => undefined),
  );
});

describe('with a Redis cluster', () => {
  let cluster: RedisCluster;
  beforeAll(async () => {
    cluster = await startCluster();
  });
  afterAll(async () => cluster.stop());

  describeEventStreaming('a Redis cluster', async () =>
    placeAt(cluster.url, `flights_${projects++}`, async () => undefined),
  );
});
