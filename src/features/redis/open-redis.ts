/** Opens the store that an address names: the cache, Redis behind it, and rows in one of the two layouts. */
import type { Project } from '../../project/project.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import type { RemoteStore } from '../remote-store.ts';
import { checkRedis } from '../../redis/check-redis.ts';
import { checkRights } from './check-rights.ts';
import { connectToRedis } from '../../redis/connect-to-redis.ts';
import { createFeastLayout } from './feast-layout.ts';
import { createPackedLayout } from './packed-layout.ts';
import { parseRedisAddress } from '../../redis/redis-address.ts';
import type { RedisConnection } from '../../redis/redis-connection.ts';
import { permissionFailure } from '../../redis/redis-refusal.ts';
import type { RedisUser } from '../../redis/redis-refusal.ts';
import type { RedisShard } from '../../redis/redis-shard.ts';
import { openRedisStore } from './redis-store.ts';
import type { RowLayout } from './row-layout.ts';

const CHECK_TIMEOUT_MS = 5000;

export const redisLayouts = ['millrace', 'feast'] as const;
export type RedisLayout = (typeof redisLayouts)[number];

export interface RedisOptions {
  readonly url: string;
  /** How rows lie there: Millrace's own way, or that of Feast. Default: as the project says. */
  readonly layout?: RedisLayout | undefined;
}

/** @throws MillraceError STARTUP_FAILED, STORE_FAILED */
export async function openRedis(
  { name, featureViews, cache, feast }: Pick<Project, 'name' | 'featureViews' | 'cache' | 'feast'>,
  { url, layout: layoutName = feast.isDeclared ? 'feast' : 'millrace' }: RedisOptions,
  metrics: Metrics,
  log: Log,
): Promise<RemoteStore> {
  const address = parseRedisAddress(url);
  const views = featureViews.values();
  const layout = layoutName === 'feast' ? createFeastLayout(feast, views) : createPackedLayout(name, views);
  const { encoding, keyPattern } = layout;
  const isOfCluster = address.kind === 'cluster';
  const user = { name: address.username, keyPattern, isOfCluster };
  const prefixes = layout.prefixes.map((prefix) => Buffer.from(prefix, encoding));
  const connection = await connectToRedis({
    address,
    user,
    encoding,
    prefixes,
    readTimeoutMs: cache.readTimeoutMs,
    roundTrips: metrics.counter('millrace_redis_round_trips_total', 'Pipelines that were sent to Redis.', {}),
    log,
  });
  describeConnection(connection, metrics);
  try {
    for (const warning of await checkAll(connection, layout, user))
      log.warn({ redis: address.label }, warning);
    return await openRedisStore({ project: name, connection, layout, readTimeoutMs: cache.readTimeoutMs });
  } catch (error) {
    await connection.close();
    throw error;
  }
}

/** Each warning once, whatever the number of servers. */
async function checkAll(
  connection: RedisConnection,
  layout: RowLayout,
  user: RedisUser,
): Promise<Set<string>> {
  const warnings = new Set<string>();
  for (const shard of connection.shards()) {
    if (shard.isAway) continue;
    const [info, time] = await shard.run([['INFO'], ['TIME']], CHECK_TIMEOUT_MS);
    const forbidden = [info, time].find((reply) => reply instanceof Error);
    if (forbidden !== undefined) throw permissionFailure(forbidden, user);
    const [seconds, microseconds] = (time as Buffer[]).map(Number) as [number, number];
    const clockAheadMs = seconds * 1000 + microseconds / 1000 - Date.now();
    const facts = { info: String(info), clockAheadMs, isClusterAddress: user.isOfCluster };
    const found = [
      ...checkRedis(facts),
      ...(await checkRights(shard, layout, user, !facts.info.includes('role:slave'))),
    ];
    for (const warning of found) warnings.add(warning);
  }
  return warnings;
}

function describeConnection(connection: RedisConnection, metrics: Metrics): void {
  const total = (count: (shard: RedisShard) => number): number =>
    [...connection.shards()].reduce((sum, shard) => sum + count(shard), 0);
  metrics.gauge('millrace_redis_shards', 'Redis servers, by whether they answer.', () => [
    { labels: { state: 'away' }, value: total(({ isAway }) => Number(isAway)) },
    { labels: { state: 'answers' }, value: total(({ isAway }) => Number(!isAway)) },
  ]);
  metrics.gauge('millrace_redis_breaker_open', 'Redis servers that hang and are not asked.', () => [
    { labels: {}, value: total(({ isBreakerOpen }) => Number(isBreakerOpen)) },
  ]);
  metrics.gauge('millrace_redis_coherent', 'Redis servers whose changes are told.', () => [
    { labels: {}, value: total(({ epoch }) => Number(epoch !== 0)) },
  ]);
}
