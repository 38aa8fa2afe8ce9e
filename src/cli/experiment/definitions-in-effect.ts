/**
 * What can be reported on: what the project file says, and what was set at run time since, as the store of rollouts has
 * it, with the shares under each version. What ran once and was replaced can still be asked for by its name.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../clock.ts';
import { MillraceError } from '../../errors.ts';
import { definitionsOf } from '../../experiments/definition.ts';
import type { ExperimentDefinition } from '../../experiments/definition.ts';
import type { StorePlace } from '../../features/open-store.ts';
import { openLmdbEnvironment } from '../../lmdb/lmdb-environment.ts';
import type { LmdbEnvironment } from '../../lmdb/lmdb-environment.ts';
import type { Project } from '../../project/project.ts';
import { openLmdbRolloutStore } from '../../rollouts/lmdb-rollout-store.ts';
import type { RolloutStore } from '../../rollouts/rollout-store.ts';
import { createLog } from '../../telemetry/log.ts';
import { createMetrics } from '../../telemetry/metrics.ts';
import { runsOf } from './rollout-runs.ts';

/** Changes of an endpoint that are looked at. */
const CHANGES_MAX = 10_000;

export interface Definitions {
  /** By name, each the newest run of that name. */
  readonly all: readonly ExperimentDefinition[];
  /** What splits traffic now. */
  readonly now: readonly ExperimentDefinition[];
}

/**
 * @param environment undefined = there is no data folder
 * @throws MillraceError STORE_FAILED, STARTUP_FAILED
 */
export async function definitionsInEffect(
  project: Project,
  environment: LmdbEnvironment | undefined,
  { redis }: Pick<StorePlace, 'redis'>,
): Promise<Definitions> {
  const ofFile = definitionsOf(project);
  const store = await openStore(project, environment, redis?.url);
  if (store === undefined) return { all: ofFile, now: ofFile };
  try {
    const found: ExperimentDefinition[] = [];
    const now: ExperimentDefinition[] = [];
    for (const endpoint of project.endpoints.values()) {
      const entries = await store.audit(endpoint.name, CHANGES_MAX);
      const runs = runsOf(project, endpoint, entries);
      found.push(...runs);
      const latest = entries[0]?.version;
      const isNow = ({ versions }: ExperimentDefinition): boolean =>
        latest !== undefined && versions?.has(latest) === true;
      if (latest === undefined) now.push(...ofFile.filter((each) => each.endpoint === endpoint.name));
      else now.push(...runs.filter(isNow));
    }
    const byName = new Map([...found, ...ofFile].toReversed().map((each) => [each.name, each]));
    return { all: [...byName.values()].toReversed(), now };
  } finally {
    await store.close();
  }
}

/**
 * What splits traffic now, for whoever has opened nothing yet.
 * @throws MillraceError STORE_FAILED, STARTUP_FAILED
 */
export async function readDefinitions(
  project: Project,
  place: StorePlace,
): Promise<readonly ExperimentDefinition[]> {
  const isThere = place.redis === undefined && existsSync(join(place.dataDir, 'data.mdb'));
  const environment = isThere
    ? await openLmdbEnvironment({ path: place.dataDir, readOnly: true })
    : undefined;
  try {
    return (await definitionsInEffect(project, environment, place)).now;
  } finally {
    await environment?.close();
  }
}

/** Undefined where no server has kept a rollout yet. */
async function openStore(
  project: Project,
  environment: LmdbEnvironment | undefined,
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
  if (environment === undefined) return undefined;
  try {
    return openLmdbRolloutStore({ environment, ...parts });
  } catch (error) {
    if (error instanceof MillraceError && error.code === 'STORE_FAILED') return undefined;
    throw error;
  }
}
