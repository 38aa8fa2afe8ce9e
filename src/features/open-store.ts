/** Opens the online store that the options name: the embedded one, or Redis behind a cache. */
import type { LmdbEnvironment } from '../lmdb/lmdb-environment.ts';
import type { Project } from '../project/project.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { createCachedStore } from './cached-store.ts';
import { openLmdbStore, openLmdbStoreAlone } from './lmdb-store.ts';
import type { OnlineStore } from './online-store.ts';
import type { RedisOptions } from './redis/redis-options.ts';
import { RECENT_KEYS_MAX, keepRecentRows, warmCache } from './warm-cache.ts';

export interface StorePlace {
  /** Folder of the embedded store; made if it is not there. Not used with Redis. */
  readonly dataDir: string;
  /** The environment in that folder, where the caller keeps more in it; without one, the store has one to itself. */
  readonly environment?: LmdbEnvironment | undefined;
  /** Where the store is if it is Redis. */
  readonly redis?: RedisOptions | undefined;
}

export interface StoreParts {
  readonly metrics: Metrics;
  readonly log: Log;
  /** Read what was asked for lately before the store is given out, and keep the list of it. */
  readonly isWarmed?: boolean;
}

/** @throws MillraceError STORE_FAILED, STARTUP_FAILED */
export async function openStore(
  project: Project,
  place: StorePlace,
  parts: StoreParts,
): Promise<OnlineStore> {
  const views = [...project.featureViews.values()];
  const { memoryBytesMax } = project.limits;
  if (place.redis === undefined) {
    const { environment, dataDir: path } = place;
    return environment === undefined
      ? openLmdbStoreAlone({ path, views, memoryBytesMax })
      : openLmdbStore({ environment, views, memoryBytesMax });
  }
  const { metrics, log, isWarmed = false } = parts;
  const { openRedis } = await import('./redis/open-redis.ts');
  const remote = await openRedis(project, place.redis, metrics, log);
  const store = createCachedStore(remote, { ...project.cache, views, memoryBytesMax, metrics });
  if (!isWarmed) return store;
  try {
    const rows = await warmCache(store, await remote.recent(RECENT_KEYS_MAX), views);
    if (rows > 0) log.info({ rows }, 'rows that were asked for lately are in memory');
  } catch (error) {
    log.warn({ err: error }, 'the cache could not be warmed');
  }
  const keepForTheLastTime = keepRecentRows(store, remote, log);
  return {
    get: (view, key) => store.get(view, key),
    staleMs: (view, key, row) => store.staleMs(view, key, row),
    state: () => store.state(),
    read: async (keys) => store.read(keys),
    write: async (rows) => store.write(rows),
    async close() {
      await keepForTheLastTime();
      await store.close();
    },
  };
}
