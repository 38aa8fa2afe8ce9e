/** The one place where commands open the event log and what was set aside of it. */
import { systemClock } from '../../clock.ts';
import { MillraceError } from '../../errors.ts';
import { holdsEvents, openLmdbEventLogs } from '../../events/lmdb-event-logs.ts';
import { logNames } from '../../events/redis-log-layout.ts';
import { openRedisEventLogs } from '../../events/redis-event-logs.ts';
import type { EventLogs } from '../../events/set-aside-log.ts';
import { openLmdbEnvironment } from '../../lmdb/lmdb-environment.ts';
import type { LmdbEnvironment } from '../../lmdb/lmdb-environment.ts';
import type { Project } from '../../project/project.ts';
import { loadProject } from '../../project/read-project.ts';
import { WRITE_TIMEOUT_MS, createRedisCommands } from '../../redis/redis-commands.ts';
import { connectForEvents } from '../../streaming/open-redis-events.ts';
import { createLog } from '../../telemetry/log.ts';
import { createMetrics } from '../../telemetry/metrics.ts';
import { storePlace } from '../store-options.ts';
import type { StoreOptions } from '../store-options.ts';

export type LogOptions = Pick<StoreOptions, 'project' | 'data' | 'redis'>;

/**
 * Opens the logs of a project, also beside running servers, for as long as `use` takes.
 * @param access read: changes nothing, and needs no permission to
 * @throws MillraceError INVALID_PROJECT, STORE_FAILED, also where there are no events yet
 */
export async function withCommandLogs(
  options: LogOptions,
  access: 'read' | 'write',
  use: (logs: EventLogs) => Promise<void>,
): Promise<void> {
  const project = await loadProject(options.project, { needsModelFiles: false });
  const { dataDir, redis } = storePlace(options);
  if (redis !== undefined) return withRedisLogs(redis.url, project, use);
  // First for reading: a folder without events is to stay as it is.
  await withEnvironment(dataDir, true, async (environment) => {
    if (!holdsEvents(environment)) throw noEvents(dataDir);
    if (access === 'read') await useLogs(environment, project, use);
  });
  if (access === 'write')
    await withEnvironment(dataDir, false, async (environment) => useLogs(environment, project, use));
}

async function withRedisLogs(
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

async function withEnvironment(
  path: string,
  readOnly: boolean,
  use: (environment: LmdbEnvironment) => Promise<void>,
): Promise<void> {
  const environment = await openLmdbEnvironment({ path, readOnly });
  try {
    await use(environment);
  } finally {
    await environment.close();
  }
}

async function useLogs(
  environment: LmdbEnvironment,
  project: Project,
  use: (logs: EventLogs) => Promise<void>,
): Promise<void> {
  await closing(await openLmdbEventLogs(environment, project, systemClock), use);
}

async function closing(logs: EventLogs, use: (logs: EventLogs) => Promise<void>): Promise<void> {
  try {
    await use(logs);
  } finally {
    await logs.log.close();
  }
}

function noEvents(place: string): MillraceError {
  const sentence = `There are no events in ${place} yet: a server of a project with events makes their log.`;
  return new MillraceError('STORE_FAILED', sentence);
}
