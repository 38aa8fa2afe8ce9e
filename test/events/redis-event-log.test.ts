import { afterAll, beforeAll, describe } from 'vitest';
import { describeEventLog } from '../contract/event-log.ts';
import { startCluster, startRedis } from '../redis/redis-server.ts';
import type { RedisCluster, RedisServer } from '../redis/redis-server.ts';
import { redisLogPlace } from './redis-log-place.ts';

describe('with one server', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(async () => server.stop());

  describeEventLog('Redis', async () => redisLogPlace(server.url), 'partition');
});

describe('with a cluster', () => {
  let cluster: RedisCluster;
  beforeAll(async () => {
    cluster = await startCluster();
  });
  afterAll(async () => cluster.stop());

  describeEventLog('a Redis cluster', async () => redisLogPlace(cluster.url), 'partition');
});
