/** Stores on a real Redis, for tests. */
import { setTimeout as pause } from 'node:timers/promises';
import { createCachedStore } from '../../../src/features/cached-store.ts';
import type { CachedStore } from '../../../src/features/cached-store.ts';
import { openRedis } from '../../../src/features/redis/open-redis.ts';
import type { OnlineStore, RowKey } from '../../../src/features/online-store.ts';
import type { CacheSettings, FeatureView } from '../../../src/project/project.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import type { Metrics } from '../../../src/telemetry/metrics.ts';
import { projectOf } from '../sample-project.ts';

export interface StoreOptions extends Partial<CacheSettings> {
  readonly layout?: 'millrace' | 'feast';
  readonly memoryBytesMax?: number;
  readonly metrics?: Metrics;
}

/** No read comes too late because the machine is busy, but where a test is about that. */
const PATIENT_MS = 5000;

/** A cached store of the sample project. */
export async function openStore(
  url: string,
  views: readonly FeatureView[],
  { layout = 'millrace', memoryBytesMax = 1e6, metrics = createMetrics(), ...settings }: StoreOptions = {},
): Promise<CachedStore> {
  const project = projectOf(views);
  const cache = { ...project.cache, readTimeoutMs: PATIENT_MS, ...settings };
  const remote = await openRedis({ ...project, cache }, { url, layout }, metrics, createLog('silent'));
  return createCachedStore(remote, { ...cache, views, memoryBytesMax, metrics });
}

/**
 * Reads rows until they are in memory. One read may not be enough: it is not kept if it comes too late, or if a change
 * of its row is told meanwhile, such as the write before it.
 */
export async function untilInMemory(store: OnlineStore, keys: readonly RowKey[]): Promise<void> {
  for (;;) {
    await store.read(keys).catch(() => undefined);
    if (keys.every(({ view, key }) => store.get(view, key) !== undefined)) return;
    await pause(5);
  }
}
