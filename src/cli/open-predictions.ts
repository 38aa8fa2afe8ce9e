import { systemClock } from '../clock.ts';
import { MillraceError } from '../errors.ts';
import type { EventLog } from '../events/event-log.ts';
import type { LmdbEnvironment } from '../lmdb/lmdb-environment.ts';
import { openLmdbEnvironment } from '../lmdb/lmdb-environment.ts';
import type { Project } from '../project/project.ts';
import { holdsPredictions, openPredictionEvents } from '../serving/open-prediction-log.ts';

/**
 * Opens the prediction log for reading, also beside running servers, for as long as `use` takes.
 * @throws MillraceError INVALID_PROJECT, STORE_FAILED, also where there are no predictions yet
 */
export async function withPredictions<T>(
  { streaming }: Project,
  dataDir: string,
  use: (log: EventLog, environment: LmdbEnvironment) => Promise<T>,
): Promise<T> {
  const environment = await openLmdbEnvironment({ path: dataDir, readOnly: true });
  try {
    if (!holdsPredictions(environment)) throw noPredictions(dataDir);
    const log = await openPredictionEvents(environment, streaming.partitions, systemClock);
    try {
      return await use(log, environment);
    } finally {
      await log.close();
    }
  } finally {
    await environment.close();
  }
}

function noPredictions(dataDir: string): MillraceError {
  const sentence = `There are no predictions in ${dataDir} yet: a server makes their log if the project has events, or an endpoint a "log".`;
  return new MillraceError('STORE_FAILED', sentence);
}
