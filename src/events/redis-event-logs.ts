/** The event log, and what was set aside of it, in one Redis. */
import type { Clock } from '../clock.ts';
import type { Project } from '../project/project.ts';
import { createRedisCommands } from '../redis/redis-commands.ts';
import type { RedisConnection } from '../redis/redis-connection.ts';
import { openRedisEventLog } from './redis-event-log.ts';
import { createRedisSetAsideLog } from './redis-set-aside-log.ts';
import type { RedisSetAsideLog } from './redis-set-aside-log.ts';
import type { EventLogs } from './set-aside-log.ts';

export interface RedisEventLogs extends EventLogs {
  readonly deadLetters: RedisSetAsideLog;
  readonly corrections: RedisSetAsideLog;
}

/** @throws MillraceError INVALID_PROJECT if the log was made with another number of partitions; STORE_FAILED */
export async function openRedisEventLogs(
  connection: RedisConnection,
  { name: project, eventTypes: types, streaming }: Pick<Project, 'name' | 'eventTypes' | 'streaming'>,
  clock: Clock,
): Promise<RedisEventLogs> {
  const partitionCount = streaming.partitions;
  const log = await openRedisEventLog({ connection, project, types, partitionCount, clock });
  const commands = createRedisCommands(connection);
  const entriesMax = streaming.setAsideMax;
  const shared = { project, partitionCount, entriesMax, commands, codec: log.codec };
  const deadLetters = createRedisSetAsideLog({ ...shared, name: 'dead_letters' });
  const corrections = createRedisSetAsideLog({ ...shared, name: 'corrections' });
  return { log, deadLetters, corrections };
}
