/** Opens a connection to what an address names, looks at the servers, and tells of them in the metrics. */
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { checkRedis } from './check-redis.ts';
import { connectToRedis } from './connect-to-redis.ts';
import { parseRedisAddress } from './redis-address.ts';
import type { RedisConnection } from './redis-connection.ts';
import { CHECK_TIMEOUT_MS, permissionFailure } from './redis-refusal.ts';
import type { RedisUser } from './redis-refusal.ts';
import type { RedisShard } from './redis-shard.ts';

export interface ConnectionOptions {
  readonly url: string;
  /** Of the keys that are read and written, as in an ACL rule. */
  readonly keyPattern: string;
  /** How the characters of names become bytes. */
  readonly encoding: 'utf8' | 'latin1';
  /** Of the names whose changes are to be told; none begins with another. */
  readonly prefixes: readonly string[];
  readonly readTimeoutMs: number;
  /** What goes through it. */
  readonly carries: keyof typeof metricNames;
  readonly metrics: Metrics;
  readonly log: Log;
  /**
   * What else must hold for a server that answers.
   * @returns warnings, sentences
   * @throws MillraceError STARTUP_FAILED
   */
  readonly check: (shard: RedisShard, user: RedisUser, info: string) => Promise<readonly string[]>;
}

/** And what their texts call it. */
const metricNames = {
  features: {
    purpose: 'rows',
    roundTrips: 'millrace_redis_round_trips_total',
    shards: 'millrace_redis_shards',
    breakerOpen: 'millrace_redis_breaker_open',
    coherent: 'millrace_redis_coherent',
  },
  events: {
    purpose: 'events and tiles',
    roundTrips: 'millrace_event_redis_round_trips_total',
    shards: 'millrace_event_redis_shards',
    breakerOpen: 'millrace_event_redis_breaker_open',
    coherent: 'millrace_event_redis_coherent',
  },
  rollouts: {
    purpose: 'rollouts',
    roundTrips: 'millrace_rollout_redis_round_trips_total',
    shards: 'millrace_rollout_redis_shards',
    breakerOpen: 'millrace_rollout_redis_breaker_open',
    coherent: 'millrace_rollout_redis_coherent',
  },
} as const;

/** @throws MillraceError STARTUP_FAILED if it cannot be reached, or not be used */
export async function openRedisConnection(options: ConnectionOptions): Promise<RedisConnection> {
  const { url, keyPattern, encoding, prefixes, readTimeoutMs, metrics, carries } = options;
  // A server has one connection for each, to the same Redis.
  const log = options.log.child({ carries });
  const names = metricNames[carries];
  const address = parseRedisAddress(url);
  const user = { name: address.username, keyPattern, isOfCluster: address.kind === 'cluster' };
  const connection = await connectToRedis({
    address,
    user,
    encoding,
    prefixes: prefixes.map((prefix) => Buffer.from(prefix, encoding)),
    readTimeoutMs,
    roundTrips: metrics.counter(
      names.roundTrips,
      `Pipelines that were sent to Redis for ${names.purpose}.`,
      {},
    ),
    log,
  });
  describeConnection(connection, names, metrics);
  try {
    for (const warning of await checkAll(connection, user, options))
      log.warn({ redis: address.label }, warning);
    return connection;
  } catch (error) {
    await connection.close();
    throw error;
  }
}

/** Each warning once, whatever the number of servers. */
async function checkAll(
  connection: RedisConnection,
  user: RedisUser,
  { check, carries }: ConnectionOptions,
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
    const general = checkRedis(facts);
    // Of the other connections, what is said of every Redis is said by the one for features.
    const shown = carries === 'features' ? general : [];
    for (const warning of [...shown, ...(await check(shard, user, facts.info))]) warnings.add(warning);
  }
  return warnings;
}

function describeConnection(
  connection: RedisConnection,
  names: (typeof metricNames)[keyof typeof metricNames],
  metrics: Metrics,
): void {
  const total = (count: (shard: RedisShard) => number): number =>
    [...connection.shards()].reduce((sum, shard) => sum + count(shard), 0);
  metrics.gauge(
    names.shards,
    `Redis servers, by whether they answer; the connection for ${names.purpose}.`,
    () => [
      { labels: { state: 'away' }, value: total(({ isAway }) => Number(isAway)) },
      { labels: { state: 'answers' }, value: total(({ isAway }) => Number(!isAway)) },
    ],
  );
  metrics.gauge(names.breakerOpen, `Redis servers that hang and are not asked for ${names.purpose}.`, () => [
    { labels: {}, value: total(({ isBreakerOpen }) => Number(isBreakerOpen)) },
  ]);
  metrics.gauge(names.coherent, `Redis servers whose changes of ${names.purpose} are told.`, () => [
    { labels: {}, value: total(({ epoch }) => Number(epoch !== 0)) },
  ]);
}
