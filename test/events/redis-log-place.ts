/** Event logs on a real Redis, for tests, each with a connection of its own. */
import { openRedisEventLog } from '../../src/events/redis-event-log.ts';
import type { RedisEventLog, RedisEventLogOptions } from '../../src/events/redis-event-log.ts';
import { openRedisConnection } from '../../src/redis/open-connection.ts';
import type { RedisConnection } from '../../src/redis/redis-connection.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { contractPartitions, contractTypes } from '../contract/event-log.ts';
import type { LogPlace } from '../contract/event-log.ts';

export async function connectForEvents(url: string, project: string): Promise<RedisConnection> {
  return openRedisConnection({
    url,
    keyPattern: 'mr:*',
    encoding: 'utf8',
    prefixes: [`mr:${project}:applied:`],
    readTimeoutMs: 2000,
    metricPrefix: 'millrace_event_redis',
    metrics: createMetrics(),
    log: createLog('silent'),
    check: async () => [],
  });
}

/** A log of the contract's types. `close` closes its connection, too. */
export async function openLogAt(
  url: string,
  project: string,
  options: Partial<RedisEventLogOptions> = {},
): Promise<RedisEventLog> {
  const connection = await connectForEvents(url, project);
  try {
    const log = await openRedisEventLog({
      connection,
      project,
      types: contractTypes,
      partitionCount: contractPartitions,
      clock: { nowMs: () => 1000 },
      ...options,
    });
    const close = async (): Promise<void> => {
      await log.close();
      await connection.close();
    };
    return { ...log, close };
  } catch (error) {
    await connection.close();
    throw error;
  }
}

let places = 0;

/** A project of its own. */
export function redisLogPlace(url: string): LogPlace {
  const project = `events_${places++}`;
  const place: LogPlace = {
    nowMs: 1000,
    open: async (types = contractTypes, partitionCount = contractPartitions) =>
      openLogAt(url, project, { types, partitionCount, clock: { nowMs: () => place.nowMs } }),
    remove: async () => undefined,
  };
  return place;
}
