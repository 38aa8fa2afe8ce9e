/** Event logs on a real Redis, for tests, each with a connection of its own; and short ways to append and read. */
import type { EventWrite } from '../../src/events/event-log.ts';
import { openRedisEventLog } from '../../src/events/redis-event-log.ts';
import type { RedisEventLog, RedisEventLogOptions } from '../../src/events/redis-event-log.ts';
import { openRedisConnection } from '../../src/redis/open-connection.ts';
import type { RedisConnection } from '../../src/redis/redis-connection.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { contractPartitions, contractTypes } from '../contract/event-log.ts';
import type { LogPlace } from '../contract/event-log.ts';
import { clickEvent } from './sample-events.ts';

export const ALL = { recordsMax: 1e6, bytesMax: 1e9 };
export const EVERYTHING_IS_DUE = { appendedBeforeMs: 5000, bytesMax: 0 };

export async function connectForEvents(url: string, project: string): Promise<RedisConnection> {
  return openRedisConnection({
    url,
    keyPattern: 'mr:*',
    encoding: 'utf8',
    prefixes: [`mr:${project}:applied:`],
    readTimeoutMs: 2000,
    carries: 'events',
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

/** Logs of one project after the other, closed together. */
export interface RedisLogs {
  /** Of the project that is current. */
  readonly project: string;
  /** A log of this project. */
  readonly open: (options?: Partial<RedisEventLogOptions>) => Promise<RedisEventLog>;
  /** A log of a project that has none yet. */
  readonly openNew: (options?: Partial<RedisEventLogOptions>) => Promise<RedisEventLog>;
  closeAll(): Promise<void>;
}

export function redisLogs(url: () => string): RedisLogs {
  let project = '';
  let logs: RedisEventLog[] = [];
  const open: RedisLogs['open'] = async (options = {}) => {
    const log = await openLogAt(url(), project, options);
    logs.push(log);
    return log;
  };
  return {
    get project() {
      return project;
    },
    open,
    async openNew(options) {
      project = `events_${places++}`;
      return open(options);
    },
    async closeAll() {
      await Promise.all(logs.map(async (log) => log.close()));
      logs = [];
    },
  };
}

export function idsFrom(from: number, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `id-${from + i}`);
}

export function all(outcome: string, count: number): string[] {
  return Array.from({ length: count }, () => outcome);
}

export function to(partitions: readonly number[], ...ids: string[]): EventWrite[] {
  return ids.map((id) => ({ event: clickEvent(id), partitions }));
}

/** Into partition 0. */
export async function append(log: RedisEventLog, ...ids: string[]): Promise<string[]> {
  return log.append(to([0], ...ids));
}

export async function readIds(log: RedisEventLog, partition = 0, from = 0): Promise<(string | undefined)[]> {
  return (await log.read(partition, from, ALL)).records.map(({ event }) => event?.id);
}
