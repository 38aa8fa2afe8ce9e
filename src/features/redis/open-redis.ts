/** Opens the store that an address names: the cache, Redis behind it, and rows in one of the two layouts. */
import type { Project } from '../../project/project.ts';
import { openRedisConnection } from '../../redis/open-connection.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import type { RemoteStore } from '../remote-store.ts';
import { checkRights } from './check-rights.ts';
import { createFeastLayout } from './feast-layout.ts';
import { createPackedLayout } from './packed-layout.ts';
import type { RedisOptions } from './redis-options.ts';
import { openRedisStore } from './redis-store.ts';

/** @throws MillraceError STARTUP_FAILED, STORE_FAILED */
export async function openRedis(
  { name, featureViews, cache, feast }: Pick<Project, 'name' | 'featureViews' | 'cache' | 'feast'>,
  { url, layout: layoutName = feast.isDeclared ? 'feast' : 'millrace' }: RedisOptions,
  metrics: Metrics,
  log: Log,
): Promise<RemoteStore> {
  const views = featureViews.values();
  const layout = layoutName === 'feast' ? createFeastLayout(feast, views) : createPackedLayout(name, views);
  const { readTimeoutMs } = cache;
  const connection = await openRedisConnection({
    url,
    keyPattern: layout.keyPattern,
    encoding: layout.encoding,
    prefixes: layout.prefixes,
    readTimeoutMs,
    carries: 'features',
    metrics,
    log,
    check: async (shard, user, info) => checkRights(shard, layout, user, !info.includes('role:slave')),
  });
  try {
    return await openRedisStore({ project: name, connection, layout, readTimeoutMs });
  } catch (error) {
    await connection.close();
    throw error;
  }
}
