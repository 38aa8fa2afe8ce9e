/** The rollouts of a project: what is in effect, who watches it, and a router for each endpoint. */
import type { Clock } from '../clock.ts';
import type { RowSource } from '../features/online-store.ts';
import type { ModelRepository } from '../inference/model-repository.ts';
import type { Endpoint, Project } from '../project/project.ts';
import { overlaps } from '../project/rollout-overlaps.ts';
import { openRolloutControl } from '../rollouts/rollout-control.ts';
import type { RolloutControl } from '../rollouts/rollout-control.ts';
import type { RolloutStore } from '../rollouts/rollout-store.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { ServedVariant } from './compile-project.ts';
import { checkWhen } from './compile-when.ts';
import type { OpenPredictionLog } from './open-prediction-log.ts';
import type { Plan } from './plan.ts';
import type { RolloutMemoryHolder } from './rollout-memory.ts';
import type { RolloutWatch, RolloutWatchParts, WatchedEndpoint } from './rollout-watch.ts';
import { createRouter } from './router.ts';
import type { Router } from './router.ts';
import { createShadowSet } from './shadow-set.ts';
import { createShadowTurns } from './shadow-turns.ts';

export interface OpenRollouts {
  readonly control: RolloutControl;
  /** Undefined = no endpoint has a second variant. */
  readonly watch: RolloutWatch | undefined;
  routerOf(endpoint: Endpoint): Router;
}

export interface OpenRolloutsParts {
  readonly project: Project;
  readonly rollouts?: RolloutStore | undefined;
  readonly rolloutMemory: RolloutMemoryHolder;
  readonly predictionLog?: OpenPredictionLog | undefined;
  readonly source: RowSource;
  readonly repository: ModelRepository;
  readonly variants: readonly ServedVariant[];
  /** Whether rows of callers wait for a model. */
  readonly isBusy: () => boolean;
  /** By endpoint and variant. */
  readonly plans: ReadonlyMap<string, ReadonlyMap<string, Plan>>;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** @throws MillraceError STORE_FAILED */
export async function openRollouts(parts: OpenRolloutsParts): Promise<OpenRollouts> {
  const { rollouts: store, predictionLog, plans, clock } = parts;
  const control = await openRolloutControl({ ...parts, store, check: checkWhen });
  warnOfOverlaps(control, parts.log);
  const feedbackLog = predictionLog?.log;
  const endpoints = watchedEndpoints(parts);
  const watch =
    store && (await openWatch(parts.rolloutMemory, { ...parts, control, store, endpoints, feedbackLog }));
  return {
    control,
    watch,
    routerOf: (endpoint) =>
      createRouter(endpoint, {
        plans: plans.get(endpoint.name) ?? new Map<string, Plan>(),
        control,
        store,
        clock,
        random: Math.random,
        predictionLog,
        observerOf: (inEffect, variant) => watch?.observerOf(inEffect, variant),
      }),
  };
}

function watchedEndpoints({
  project,
  plans,
  variants,
  ...parts
}: OpenRolloutsParts): Map<string, WatchedEndpoint> {
  const turns = createShadowTurns();
  const several = [...project.endpoints.values()].filter((endpoint) => endpoint.variants.length > 1);
  return new Map(
    several.map((endpoint) => {
      const own = plans.get(endpoint.name) ?? new Map<string, Plan>();
      const served = variants.filter((each) => each.endpoint === endpoint);
      return [
        endpoint.name,
        { plans: own, shadows: createShadowSet({ ...parts, variants: served, plans: own, turns }) },
      ];
    }),
  );
}

/** Loaded only where there is something to judge: what it judges with takes a quarter of a second to load. */
async function openWatch(
  holder: RolloutMemoryHolder,
  parts: Omit<RolloutWatchParts, 'memory'>,
): Promise<RolloutWatch> {
  const { createRolloutWatch } = await import('./rollout-watch.ts');
  return createRolloutWatch({ ...parts, memory: await holder.open() });
}

/** What is in effect may differ from the project file, which was checked when it was read. */
function warnOfOverlaps(control: RolloutControl, log: Log): void {
  for (const { endpoints, message } of overlaps(control.running()))
    log.warn({ endpoint: endpoints[1] }, `the rollout ${message}`);
}
