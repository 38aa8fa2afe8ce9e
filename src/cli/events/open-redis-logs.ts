/** The event log in Redis, for a command. Loaded only where there is one: a client of Redis takes a while to load. */
import { systemClock } from '../../clock.ts';
import { logNames } from '../../events/redis-log-layout.ts';
import { openRedisEventLogs } from '../../events/redis-event-logs.ts';
import type { EventLogs } from '../../events/set-aside-log.ts';
import type { Project } from '../../project/project.ts';
import { WRITE_TIMEOUT_MS, createRedisCommands } from '../../redis/redis-commands.ts';
import { connectForEvents } from '../../streaming/open-redis-events.ts';
import { createLog } from '../../telemetry/log.ts';
import { createMetrics } from '../../telemetry/metrics.ts';
import { closing, noEvents } from './use-logs.ts';

export async function withRedisLogs(
  url: string,
  project: Project,
  use: (logs: EventLogs) => Promise<void>,
): Promise<void> {
  const metrics = createMetrics();
  metrics.close();
  const connection = await connectForEvents(url, { project, metrics, logger: createLog('silent') });
  const { log } = logNames(project.name);
  try {
    if ((await createRedisCommands(connection).send(log, ['EXISTS', log], WRITE_TIMEOUT_MS)) === 0)
      throw noEvents('Redis');
    await closing(await openRedisEventLogs(connection, project, systemClock), use);
  } finally {
    await connection.close();
  }
}
