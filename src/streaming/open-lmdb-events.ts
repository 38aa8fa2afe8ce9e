/** Events and tiles, all of it in the LMDB environment of the process. */
import type { Clock } from '../clock.ts';
import { openLmdbEventLogs } from '../events/lmdb-event-logs.ts';
import type { LmdbEnvironment } from '../lmdb/lmdb-environment.ts';
import type { Project } from '../project/project.ts';
import type { EventStores } from './event-streaming.ts';
import { openLmdbTileStore } from './lmdb-tile-store.ts';

/**
 * @param environment stays open when this is closed
 * @throws MillraceError INVALID_PROJECT, STORE_FAILED
 */
export async function openLmdbEvents(
  environment: LmdbEnvironment,
  { project, clock }: { readonly project: Project; readonly clock: Clock },
): Promise<EventStores> {
  const logs = await openLmdbEventLogs(environment, project, clock);
  return { ...logs, tiles: openLmdbTileStore(environment, logs), close: async () => logs.log.close() };
}
