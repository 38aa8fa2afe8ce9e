/** Stores of rollouts on a real Redis, for tests, each with a connection of its own. */
import { systemClock } from '../../src/clock.ts';
import { openRedisRolloutStore } from '../../src/rollouts/redis-rollout-store.ts';
import type { RedisRolloutStoreOptions } from '../../src/rollouts/redis-rollout-store.ts';
import type { RolloutStore } from '../../src/rollouts/rollout-store.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { contractEndpoints } from './sample-change.ts';

export async function openRolloutsAt(
  url: string,
  project: string,
  options: Partial<RedisRolloutStoreOptions> = {},
): Promise<RolloutStore> {
  return openRedisRolloutStore({
    url,
    project: { name: project, cache: { readTimeoutMs: 2000 } },
    endpoints: contractEndpoints,
    clock: systemClock,
    metrics: createMetrics(),
    log: createLog('silent'),
    ...options,
  });
}
