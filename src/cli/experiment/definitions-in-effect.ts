/**
 * What can be reported on: what the project file says, and what was set at run time since, as the store of rollouts has
 * it, with the shares under each version. What ran once and was replaced can still be asked for by its name.
 */
import { systemClock } from '../../clock.ts';
import { MillraceError } from '../../errors.ts';
import { definitionOf, definitionsOf } from '../../experiments/definition.ts';
import type { ExperimentDefinition } from '../../experiments/definition.ts';
import type { StorePlace } from '../../features/open-store.ts';
import type { LmdbEnvironment } from '../../lmdb/lmdb-environment.ts';
import type { Endpoint, Project } from '../../project/project.ts';
import { decodeRollout } from '../../rollouts/decode-rollout.ts';
import { openLmdbRolloutStore } from '../../rollouts/lmdb-rollout-store.ts';
import type { AuditEntry } from '../../rollouts/rollout-record.ts';
import type { RolloutStore } from '../../rollouts/rollout-store.ts';
import { createSplit } from '../../rollouts/split.ts';
import { createLog } from '../../telemetry/log.ts';
import { createMetrics } from '../../telemetry/metrics.ts';

/** Changes of an endpoint that are looked at. */
const CHANGES_MAX = 10_000;

/** @throws MillraceError STORE_FAILED, STARTUP_FAILED */
export async function definitionsInEffect(
  project: Project,
  environment: LmdbEnvironment,
  { redis }: Pick<StorePlace, 'redis'>,
): Promise<ExperimentDefinition[]> {
  const store = await openStore(project, environment, redis?.url);
  if (store === undefined) return definitionsOf(project);
  try {
    const found = new Map<string, ExperimentDefinition>();
    for (const endpoint of project.endpoints.values()) {
      const entries = await store.audit(endpoint.name, CHANGES_MAX);
      for (const definition of definitionsFrom(project, endpoint, entries))
        if (!found.has(definition.name)) found.set(definition.name, definition);
    }
    for (const definition of definitionsOf(project))
      if (!found.has(definition.name)) found.set(definition.name, definition);
    return [...found.values()];
  } finally {
    await store.close();
  }
}

/** Undefined where no server has kept a rollout yet. */
async function openStore(
  project: Project,
  environment: LmdbEnvironment,
  redisUrl: string | undefined,
): Promise<RolloutStore | undefined> {
  const metrics = createMetrics();
  metrics.close();
  const parts = { clock: systemClock, metrics, log: createLog('silent') };
  if (redisUrl !== undefined) {
    const { openRedisRolloutStore } = await import('../../rollouts/redis-rollout-store.ts');
    const endpoints = [...project.endpoints.keys()];
    return openRedisRolloutStore({ url: redisUrl, project, endpoints, ...parts });
  }
  try {
    return openLmdbRolloutStore({ environment, ...parts });
  } catch (error) {
    if (error instanceof MillraceError && error.code === 'STORE_FAILED') return undefined;
    throw error;
  }
}

/** @param entries latest first */
function definitionsFrom(
  { eventTypes }: Project,
  endpoint: Endpoint,
  entries: readonly AuditEntry[],
): ExperimentDefinition[] {
  const shares = new Map<number, Readonly<Record<string, number>>>();
  const definitions: ExperimentDefinition[] = [];
  for (const { after } of entries) {
    const rollout = soundRollout(after.section, endpoint, eventTypes);
    if (rollout === undefined) continue;
    shares.set(after.version, Object.fromEntries(createSplit(rollout, after, Math.random).shares));
    const definition = definitionOf(endpoint, rollout);
    if (definition !== undefined)
      definitions.push({ ...definition, sharesOf: (version) => shares.get(version) });
  }
  return definitions;
}

/** What names a variant that is gone cannot be reported on any more. */
function soundRollout(
  section: string,
  endpoint: Endpoint,
  eventTypes: Project['eventTypes'],
): ReturnType<typeof decodeRollout> | undefined {
  try {
    return decodeRollout(JSON.parse(section), endpoint, eventTypes);
  } catch (error) {
    if (error instanceof MillraceError) return undefined;
    throw error;
  }
}
