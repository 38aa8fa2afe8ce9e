/** Reads the report of an experiment for a command, and writes it. */
import { systemClock } from '../../clock.ts';
import { MillraceError } from '../../errors.ts';
import { openLmdbEventLog } from '../../events/lmdb-event-log.ts';
import { holdsEvents } from '../../events/lmdb-event-logs.ts';
import type { EventLog } from '../../events/event-log.ts';
import { definitionsOf, findDefinition, runWith } from '../../experiments/definition.ts';
import type { ExperimentDefinition } from '../../experiments/definition.ts';
import { needsEvents } from '../../experiments/read-events.ts';
import { readReport } from '../../experiments/read-report.ts';
import type { OnProgress, ReportOptions } from '../../experiments/read-report.ts';
import type { ExperimentReport } from '../../experiments/report.ts';
import type { LmdbEnvironment } from '../../lmdb/lmdb-environment.ts';
import type { Project } from '../../project/project.ts';
import { createUnitProtection } from '../../serving/field-protection.ts';
import { readHashKey } from '../../serving/open-prediction-log.ts';
import { definitionsInEffect } from './definitions-in-effect.ts';
import { withPredictions } from '../open-predictions.ts';
import { createProgress } from '../progress.ts';
import { storePlace } from '../store-options.ts';
import type { StoreOptions } from '../store-options.ts';

export interface ReportRequest extends Pick<StoreOptions, 'project' | 'data' | 'redis'> {
  readonly name: string;
  readonly filter: Omit<ReportOptions, 'others'>;
}

/** @throws MillraceError UNKNOWN_EXPERIMENT, INVALID_PROJECT, STORE_FAILED */
export async function reportOf(project: Project, request: ReportRequest): Promise<ExperimentReport> {
  const place = storePlace(request);
  let known: readonly ExperimentDefinition[] = [];
  const reading = withPredictions(project, place.dataDir, async (predictions, environment) => {
    const { all: definitions } = await definitionsInEffect(project, environment, place);
    known = definitions;
    const { against, versions } = request.filter;
    const newest = findDefinition(definitions, request.name);
    const definition = runWith(newest, versions);
    if (against !== undefined) findDefinition(definitions, against);
    const others = definitions.filter((each) => each !== newest);
    const progress = createProgress(`reading ${definition.name}`);
    const onProgress: OnProgress = (done, total, step) => progress.update(done, total, step);
    try {
      return await withEvents(environment, { project, definition, request }, async (log) => {
        const events = log && { log, unitName: unitNames(environment, project, definition) };
        return readReport(definition, { predictions, events }, { ...request.filter, others }, onProgress);
      });
    } finally {
      progress.stop();
    }
  });
  return reading.catch((error: unknown) => {
    // A slip in the name is told also where nothing is logged yet.
    findDefinition([...definitionsOf(project), ...known], request.name);
    throw error;
  });
}

interface EventReading {
  readonly project: Project;
  readonly definition: ExperimentDefinition;
  readonly request: ReportRequest;
}

/** The event log, if a metric asks for it and there is one. */
async function withEvents<T>(
  environment: LmdbEnvironment,
  { project, definition, request }: EventReading,
  use: (log: EventLog | undefined) => Promise<T>,
): Promise<T> {
  if (!needsEvents(definition.metrics)) return use(undefined);
  const { redis } = storePlace(request);
  if (redis !== undefined) {
    const { withRedisLogs } = await import('../events/open-redis-logs.ts');
    let result: { readonly of: T } | undefined;
    await withRedisLogs(redis.url, project, async ({ log }) => {
      result = { of: await use(log) };
    });
    if (result === undefined) throw new Error('the event log was closed before it was used');
    return result.of;
  }
  if (!holdsEvents(environment)) return use(undefined);
  const { eventTypes: types, streaming } = project;
  const partitionCount = streaming.partitions;
  const log = await openLmdbEventLog({ environment, types, partitionCount, clock: systemClock });
  try {
    return await use(log);
  } finally {
    await log.close();
  }
}

/** As the prediction log names units: by their hash, where the field is hashed there. */
function unitNames(
  environment: LmdbEnvironment,
  { endpoints }: Project,
  { endpoint }: ExperimentDefinition,
): (text: string) => string {
  const known = endpoints.get(endpoint);
  const key = readHashKey(environment);
  return known === undefined || key === undefined ? (text) => text : createUnitProtection(known, key);
}

export function writeFailure(sentence: string, cause: unknown): MillraceError {
  return new MillraceError('EXPORT_FAILED', sentence, { cause });
}
