/** The prediction log in the LMDB environment of the process, and the intake of feedback. */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { createFeedbackDecoder } from '../events/decode-feedback.ts';
import { createEventIds } from '../events/event-ids.ts';
import type { EventLog } from '../events/event-log.ts';
import { createEventIntake } from '../events/intake.ts';
import type { EventIntake } from '../events/intake.ts';
import { openLmdbEventLog } from '../events/lmdb-event-log.ts';
import { openLogDatabases } from '../events/lmdb-log-layout.ts';
import { predictionLogTypes, requestPartition } from '../events/prediction-events.ts';
import type { LmdbEnvironment } from '../lmdb/lmdb-environment.ts';
import type { Project } from '../project/project.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { createPredictionLog } from './prediction-log.ts';
import type { PredictionLog, QueueLimits } from './prediction-log.ts';

export interface OpenPredictionLog extends PredictionLog {
  readonly log: EventLog;
  readonly feedback: EventIntake;
}

export interface PredictionLogSources {
  readonly project: Project;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly logger: Log;
  readonly limits?: Partial<QueueLimits>;
}

const TRIM_MS = 60_000;
const HASH_KEY_BYTES = 32;

/** Whether any endpoint is logged, or may get an experiment, whose exposures are. */
export function logsPredictions({ endpoints }: Project): boolean {
  return [...endpoints.values()].some(({ log, variants }) => log.sample > 0 || variants.length > 1);
}

/** @throws MillraceError INVALID_PROJECT if it was made with another number of partitions; STORE_FAILED */
export async function openPredictionLog(
  environment: LmdbEnvironment,
  { project, metrics, clock, logger, limits = {} }: PredictionLogSources,
): Promise<OpenPredictionLog> {
  const { partitions: partitionCount, futureMsMax, eventsMax, retentionMs } = project.streaming;
  const log = await openPredictionEvents(environment, partitionCount, clock);
  const hashKey = await hashKeyOf(environment);
  const predictions = createPredictionLog({ log, hashKey, metrics, clock, logger, limits });
  const feedback = createEventIntake({
    decode: createFeedbackDecoder({ futureMsMax }, createEventIds(clock)),
    eventsMax,
    log,
    partitionsOf: ({ values }) => [requestPartition(values[0] as string, partitionCount)],
    clock,
  });
  const trim = async (): Promise<void> => {
    const bytesMax = project.streaming.retentionBytesMax;
    try {
      await log.trim({ appendedBeforeMs: clock.nowMs() - retentionMs, bytesMax });
    } catch (error) {
      logger.error({ err: error }, 'old predictions could not be dropped; it is tried again');
    }
  };
  let trimming: Promise<void> | undefined;
  const timer = setInterval(() => {
    trimming ??= trim().finally(() => (trimming = undefined));
  }, TRIM_MS);
  timer.unref();
  return {
    ...predictions,
    log,
    feedback,
    async close() {
      clearInterval(timer);
      await predictions.close();
      await trimming;
      await log.close();
    },
  };
}

/** The log alone, for those who read it. */
export async function openPredictionEvents(
  environment: LmdbEnvironment,
  partitionCount: number,
  clock: Clock,
): Promise<EventLog> {
  return openLmdbEventLog({
    environment,
    kind: 'prediction',
    types: predictionLogTypes,
    partitionCount,
    clock,
  });
}

/** Whether a server has logged here; for a read-only environment, which has no log else. */
export function holdsPredictions(environment: LmdbEnvironment): boolean {
  return openLogDatabases(environment, 'prediction')?.log.get('format') !== undefined;
}

/** With which fields are hashed there; undefined if there is no log yet. */
export function readHashKey(environment: LmdbEnvironment): Buffer | undefined {
  return environment.textKeys('prediction_secrets')?.get('hash');
}

/** The same for all processes that share the environment. */
async function hashKeyOf(environment: LmdbEnvironment): Promise<Buffer> {
  const secrets = environment.textKeys('prediction_secrets');
  if (secrets === undefined) throw new Error('the prediction log was opened for reading only');
  environment.refresh();
  const known = secrets.get('hash');
  if (known !== undefined) return known;
  return environment.transaction(() => {
    // Looked up again: another process may have made it meanwhile.
    const found = secrets.get('hash');
    if (found !== undefined) return found;
    const made = randomBytes(HASH_KEY_BYTES);
    secrets.put('hash', made);
    return made;
  });
}
