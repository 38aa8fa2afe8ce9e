/** The whole of a prediction log, joined. */
import { systemClock } from '../../src/clock.ts';
import type { EventLog } from '../../src/events/event-log.ts';
import { joinPredictions } from '../../src/events/joined-predictions.ts';
import type { JoinedPrediction, JoinedRecord } from '../../src/events/joined-predictions.ts';
import { openLmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';
import { openPredictionEvents } from '../../src/serving/open-prediction-log.ts';

export async function readJoined(log: EventLog): Promise<JoinedRecord[]> {
  const found: JoinedRecord[] = [];
  for await (const record of joinPredictions(log)) found.push(record);
  return found;
}

/** Of a data folder that nobody else has open in this process. */
export async function readJoinedIn(dataDir: string, partitionCount = 8): Promise<JoinedRecord[]> {
  const environment = await openLmdbEnvironment({ path: dataDir });
  const log = await openPredictionEvents(environment, partitionCount, systemClock);
  const found = await readJoined(log);
  await log.close();
  await environment.close();
  return found;
}

export function predictionsOf(records: readonly JoinedRecord[]): JoinedPrediction[] {
  return records.filter((record) => record.kind === 'prediction');
}
