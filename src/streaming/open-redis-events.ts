/** Events and tiles in a Redis that the servers of a project share. */
import type { Clock } from '../clock.ts';
import { checkEventRedis } from '../events/check-event-redis.ts';
import { openRedisEventLogs } from '../events/redis-event-logs.ts';
import type { Project } from '../project/project.ts';
import { openRedisConnection } from '../redis/open-connection.ts';
import { createRedisCommands } from '../redis/redis-commands.ts';
import type { RedisConnection } from '../redis/redis-connection.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { EventStores } from './event-streaming.ts';
import { tileNames } from './redis-tile-layout.ts';
import { openRedisTileStore } from './redis-tile-store.ts';

export interface RedisEventsParts {
  readonly project: Project;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly logger: Log;
}

/**
 * A connection for events and tiles alone: a feature row that a prediction waits for is not behind a read of the log.
 * @throws MillraceError STARTUP_FAILED
 */
export async function connectForEvents(
  url: string,
  { project, metrics, logger }: Omit<RedisEventsParts, 'clock'>,
): Promise<RedisConnection> {
  return openRedisConnection({
    url,
    keyPattern: 'mr:*',
    encoding: 'utf8',
    prefixes: [tileNames(project.name).appliedPrefix],
    readTimeoutMs: project.cache.readTimeoutMs,
    carries: 'events',
    metrics,
    log: logger,
    check: async (shard, user, info) => checkEventRedis(shard, project.name, user, info),
  });
}

/** @throws MillraceError STARTUP_FAILED, INVALID_PROJECT, STORE_FAILED */
export async function openRedisEvents(url: string, parts: RedisEventsParts): Promise<EventStores> {
  const { project, clock } = parts;
  const connection = await connectForEvents(url, parts);
  try {
    const logs = await openRedisEventLogs(connection, project, clock);
    const tiles = await openRedisTileStore({
      project: project.name,
      partitionCount: project.streaming.partitions,
      connection,
      commands: createRedisCommands(connection),
      readTimeoutMs: project.cache.readTimeoutMs,
      ...logs,
    });
    return {
      ...logs,
      tiles,
      async close() {
        await logs.log.close();
        await tiles.close();
        await connection.close();
      },
    };
  } catch (error) {
    await connection.close();
    throw error;
  }
}
