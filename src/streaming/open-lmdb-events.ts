/** Events and tiles, all of it in the LMDB environment of the process. */
import type { Clock } from '../clock.ts';
import { openLmdbEventLog } from '../events/lmdb-event-log.ts';
import { openLmdbSetAsideLog } from '../events/lmdb-set-aside-log.ts';
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
  const log = await openLmdbEventLog({
    environment,
    types: project.eventTypes,
    partitionCount: project.streaming.partitions,
    clock,
  });
  const deadLetters = openLmdbSetAsideLog(environment, 'dead_letters', log.codec);
  const corrections = openLmdbSetAsideLog(environment, 'corrections', log.codec);
  const tiles = openLmdbTileStore(environment, { deadLetters, corrections });
  return { log, tiles, deadLetters, corrections, close: async () => log.close() };
}
