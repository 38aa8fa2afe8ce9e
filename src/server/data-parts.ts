/**
 * What a server keeps and reads: the online store, features from events, the prediction log, the rollouts. All of it is
 * made for the entities, events and views of one project, and outlives every other change of the project.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../clock.ts';
import type { OnlineStore, RowSource } from '../features/online-store.ts';
import { openStore } from '../features/open-store.ts';
import type { RedisOptions } from '../features/redis/redis-options.ts';
import { openLmdbEnvironment } from '../lmdb/lmdb-environment.ts';
import type { LmdbEnvironment } from '../lmdb/lmdb-environment.ts';
import type { Project } from '../project/project.ts';
import { openLmdbRolloutStore } from '../rollouts/lmdb-rollout-store.ts';
import type { RolloutStore } from '../rollouts/rollout-store.ts';
import { logsPredictions, openPredictionLog } from '../serving/open-prediction-log.ts';
import type { OpenPredictionLog } from '../serving/open-prediction-log.ts';
import { openEventStreaming } from '../streaming/event-streaming.ts';
import type { EventStores, EventStreaming } from '../streaming/event-streaming.ts';
import { openLmdbEvents } from '../streaming/open-lmdb-events.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';

export interface DataParts {
  readonly store: OnlineStore;
  /** What predictions read: stored rows and computed ones. */
  readonly source: RowSource;
  /** Undefined = the project has no events. */
  readonly streaming: EventStreaming | undefined;
  /** Undefined = no predictions are logged. */
  readonly predictions: OpenPredictionLog | undefined;
  /** Undefined = no endpoint has a second variant. */
  readonly rollouts: RolloutStore | undefined;
  close(): Promise<void>;
}

/** Where it is kept. The environment of the data folder outlives the parts: several may be open for a while. */
export interface DataPlace {
  readonly dataDir: string;
  readonly redis: RedisOptions | undefined;
  readonly environment: EnvironmentHolder;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** The LMDB environment of the data folder, opened when something is first kept there. */
export interface EnvironmentHolder {
  open(): Promise<LmdbEnvironment>;
  close(): Promise<void>;
}

export function createEnvironmentHolder(path: string): EnvironmentHolder {
  let environment: LmdbEnvironment | undefined;
  return {
    open: async () => (environment ??= await openLmdbEnvironment({ path })),
    close: async () => environment?.close(),
  };
}

const LOCAL_PREDICTIONS =
  'predictions are logged in the data folder of this machine, not in Redis: feedback must reach this machine, too';

/** @throws MillraceError STORE_FAILED, STARTUP_FAILED, INVALID_PROJECT */
export async function openDataParts(project: Project, place: DataPlace): Promise<DataParts> {
  const { dataDir, redis, clock, metrics, log } = place;
  const closers: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const closePart of closers.splice(0).toReversed()) await closePart();
  };
  try {
    const embedded = redis === undefined ? await place.environment.open() : undefined;
    const where = { dataDir, environment: embedded, redis };
    const store = await openStore(project, where, { metrics, log, isWarmed: true });
    closers.push(async () => store.close());
    const shared = { project, metrics, clock, logger: log };
    const streaming = await openStreams(place, embedded, store, shared);
    if (streaming !== undefined) closers.push(async () => streaming.close());
    const predictions = await openPredictions(place, shared);
    if (predictions !== undefined) closers.push(async () => predictions.close());
    const rollouts = await openRolloutStore(place, embedded, shared);
    if (rollouts !== undefined) closers.push(async () => rollouts.close());
    return { store, source: streaming?.source ?? store, streaming, predictions, rollouts, close };
  } catch (error) {
    await close();
    throw error;
  }
}

interface SharedParts {
  readonly project: Project;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly logger: Log;
}

async function openStreams(
  { redis }: DataPlace,
  embedded: LmdbEnvironment | undefined,
  store: OnlineStore,
  shared: SharedParts,
): Promise<EventStreaming | undefined> {
  if (shared.project.eventTypes.size === 0) return undefined;
  const stores =
    redis === undefined
      ? await openLmdbEvents(embedded as LmdbEnvironment, shared)
      : await openEventsInRedis(redis.url, shared);
  return openEventStreaming(stores, { ...shared, store });
}

async function openEventsInRedis(url: string, shared: SharedParts): Promise<EventStores> {
  const { openRedisEvents } = await import('../streaming/open-redis-events.ts');
  return openRedisEvents(url, shared);
}

async function openPredictions(
  { redis, environment, log }: DataPlace,
  shared: SharedParts,
): Promise<OpenPredictionLog | undefined> {
  if (!logsPredictions(shared.project)) return undefined;
  if (redis !== undefined) log.warn({}, LOCAL_PREDICTIONS);
  return openPredictionLog(await environment.open(), shared);
}

/** Nothing is kept of endpoints with one variant: there is nothing to change. */
async function openRolloutStore(
  { redis, clock, metrics, log }: DataPlace,
  embedded: LmdbEnvironment | undefined,
  { project }: SharedParts,
): Promise<RolloutStore | undefined> {
  if (!splitsTraffic(project)) return undefined;
  if (redis === undefined)
    return openLmdbRolloutStore({ environment: embedded as LmdbEnvironment, clock, metrics, log });
  const { openRedisRolloutStore } = await import('../rollouts/redis-rollout-store.ts');
  const endpoints = [...project.endpoints.keys()];
  return openRedisRolloutStore({ url: redis.url, project, endpoints, clock, metrics, log });
}

function splitsTraffic({ endpoints }: Project): boolean {
  return [...endpoints.values()].some(({ variants }) => variants.length > 1);
}

/**
 * The next project with the data of the one before, if its data is the same: what is open for that goes on, and what it
 * holds in memory stays. Undefined = it is not.
 */
export function keepingData(next: Project, before: Project): Project | undefined {
  if (!isDeepStrictEqual(dataOf(next), dataOf(before))) return undefined;
  // Stores know views by identity.
  const { entities, eventTypes, featureViews } = before;
  return Object.freeze({ ...next, entities, eventTypes, featureViews });
}

/** Everything of a project that `openDataParts` looks at. */
function dataOf(project: Project): unknown {
  const { name, entities, eventTypes, featureViews, streaming, cache, feast, limits, endpoints } = project;
  return {
    name,
    entities,
    eventTypes,
    featureViews,
    streaming,
    cache,
    feast,
    memoryBytesMax: limits.memoryBytesMax,
    logsPredictions: logsPredictions(project),
    splitsTraffic: splitsTraffic(project),
    endpoints: [...endpoints.keys()],
  };
}
