/** The one place where commands open the event log and what was set aside of it: here, or in Redis (open-redis-logs.ts). */
import { systemClock } from '../../clock.ts';
import { holdsEvents, openLmdbEventLogs } from '../../events/lmdb-event-logs.ts';
import type { EventLogs } from '../../events/set-aside-log.ts';
import { openLmdbEnvironment } from '../../lmdb/lmdb-environment.ts';
import type { LmdbEnvironment } from '../../lmdb/lmdb-environment.ts';
import type { Project } from '../../project/project.ts';
import { loadProject } from '../../project/read-project.ts';
import { storePlace } from '../store-options.ts';
import { closing, noEvents } from './use-logs.ts';
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
  if (redis !== undefined) {
    const { withRedisLogs } = await import('./open-redis-logs.ts');
    return withRedisLogs(redis.url, project, use);
  }
  // First for reading: a folder without events is to stay as it is.
  await withEnvironment(dataDir, true, async (environment) => {
    if (!holdsEvents(environment)) throw noEvents(dataDir);
    if (access === 'read') await useLogs(environment, project, use);
  });
  if (access === 'write')
    await withEnvironment(dataDir, false, async (environment) => useLogs(environment, project, use));
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
