/**
 * Where features are made of events, by its address, opened as a process of a server opens it: a folder, or a Redis.
 * Tests that kill processes give it to each of them.
 */
import { systemClock } from '../../src/clock.ts';
import type { OnlineStore } from '../../src/features/online-store.ts';
import { openLmdbStore } from '../../src/features/lmdb-store.ts';
import { openRedis } from '../../src/features/redis/open-redis.ts';
import { createCachedStore } from '../../src/features/cached-store.ts';
import { openLmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';
import type { Project } from '../../src/project/project.ts';
import { openEventStreaming } from '../../src/streaming/event-streaming.ts';
import type { EventStores, EventStreaming } from '../../src/streaming/event-streaming.ts';
import { openLmdbEvents } from '../../src/streaming/open-lmdb-events.ts';
import { openRedisEvents } from '../../src/streaming/open-redis-events.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { flightProject } from './flight-stream.ts';

interface OpenedStores {
  readonly store: OnlineStore;
  readonly events: EventStores;
  close(): Promise<void>;
}

/**
 * @param address a folder, or a URL of Redis
 * @param project default: that of flight-stream.ts
 * @param level of what it logs; its errors are lines on standard output, as a server's are
 */
export async function openPlace(
  address: string,
  project: Project = flightProject,
  level: 'error' | 'silent' = 'error',
): Promise<EventStreaming> {
  const metrics = createMetrics();
  const parts = { project, metrics, clock: systemClock, logger: createLog(level) };
  const stores = address.startsWith('redis')
    ? await openRedisStores(address, parts)
    : await openLmdbStores(address, parts);
  const streaming = await openEventStreaming(stores.events, { ...parts, store: stores.store });
  return {
    ...streaming,
    async close() {
      await streaming.close();
      await stores.close();
      metrics.close();
    },
  };
}

type PlaceParts = Parameters<typeof openRedisEvents>[1];

async function openLmdbStores(path: string, parts: PlaceParts): Promise<OpenedStores> {
  const environment = await openLmdbEnvironment({ path });
  const store = await openLmdbStore({ environment, views: [] });
  const events = await openLmdbEvents(environment, parts);
  return { store, events, close: async () => environment.close() };
}

async function openRedisStores(url: string, parts: PlaceParts): Promise<OpenedStores> {
  const { project, metrics, logger } = parts;
  const remote = await openRedis(project, { url }, metrics, logger);
  const { cache, limits } = project;
  const views = project.featureViews.values();
  const store = createCachedStore(remote, {
    ...cache,
    views,
    memoryBytesMax: limits.memoryBytesMax,
    metrics,
  });
  const events = await openRedisEvents(url, parts);
  return { store, events, close: async () => store.close() };
}
