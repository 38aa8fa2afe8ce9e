/** The event log, and what was set aside of it, in one LMDB environment. */
import type { Clock } from '../clock.ts';
import type { LmdbEnvironment } from '../lmdb/lmdb-environment.ts';
import type { Project } from '../project/project.ts';
import { openLmdbEventLog } from './lmdb-event-log.ts';
import type { LmdbEventLog } from './lmdb-event-log.ts';
import { openLogDatabases } from './lmdb-log-layout.ts';
import { openLmdbSetAsideLog } from './lmdb-set-aside-log.ts';
import type { LmdbSetAsideLog } from './lmdb-set-aside-log.ts';
import type { EventLogs } from './set-aside-log.ts';

export interface LmdbEventLogs extends EventLogs {
  readonly log: LmdbEventLog;
  readonly deadLetters: LmdbSetAsideLog;
  readonly corrections: LmdbSetAsideLog;
}

/** @throws MillraceError INVALID_PROJECT if the log was made with another number of partitions; STORE_FAILED */
export async function openLmdbEventLogs(
  environment: LmdbEnvironment,
  { eventTypes: types, streaming }: Pick<Project, 'eventTypes' | 'streaming'>,
  clock: Clock,
): Promise<LmdbEventLogs> {
  const log = await openLmdbEventLog({ environment, types, partitionCount: streaming.partitions, clock });
  const deadLetters = openLmdbSetAsideLog(environment, 'dead_letters', log.codec, streaming.setAsideMax);
  const corrections = openLmdbSetAsideLog(environment, 'corrections', log.codec, streaming.setAsideMax);
  return { log, deadLetters, corrections };
}

/** Whether a server has taken events here; for a read-only environment, which has no log else. */
export function holdsEvents(environment: LmdbEnvironment): boolean {
  return openLogDatabases(environment, 'event')?.log.get('format') !== undefined;
}
