/** Stores on a real Redis, for tests. */
import { createCachedStore } from '../../../src/features/cached-store.ts';
import type { CachedStore } from '../../../src/features/cached-store.ts';
import { openRedis } from '../../../src/features/redis/open-redis.ts';
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

/** A cached store of the sample project. */
export async function openStore(
  url: string,
  views: readonly FeatureView[],
  { layout = 'millrace', memoryBytesMax = 1e6, metrics = createMetrics(), ...settings }: StoreOptions = {},
): Promise<CachedStore> {
  const project = projectOf(views);
  const cache = { ...project.cache, ...settings };
  const remote = await openRedis({ ...project, cache }, { url, layout }, metrics, createLog('silent'));
  return createCachedStore(remote, { ...cache, views, memoryBytesMax, metrics });
}
