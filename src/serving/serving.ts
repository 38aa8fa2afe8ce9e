/** A project ready to answer: its models are loaded and warmed up, and every endpoint has its plan. */
import type { Clock } from '../clock.ts';
import type { OnlineStore, RowSource } from '../features/online-store.ts';
import type { ModelRepository } from '../inference/model-repository.ts';
import type { Endpoint, ModelVersion, Project } from '../project/project.ts';
import { invalidProject } from '../project/report.ts';
import type { RolloutControl } from '../rollouts/rollout-control.ts';
import type { RolloutStore } from '../rollouts/rollout-store.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { createAdmission } from './admission.ts';
import type { Admission } from './admission.ts';
import { answerShapes } from './answer-shape.ts';
import type { AnswerShape } from './answer-shape.ts';
import { createBatchers } from './batchers.ts';
import type { CallerNeeds } from './caller.ts';
import { compileProject, servedVersions } from './compile-project.ts';
import type { ServedVariant } from './compile-project.ts';
import type { Batcher } from '../inference/batcher.ts';
import { createSessionPool } from '../inference/session-pool.ts';
import type { SessionPool } from '../inference/session-pool.ts';
import { createPlan } from './plan.ts';
import type { Plan, PlanParts } from './plan.ts';
import { createPackedRequestReader } from './packed-request-reader.ts';
import type { PackedRequestReader } from './packed-request-reader.ts';
import { decodePredictRequest } from './predict-request.ts';
import type { PredictRequest } from './predict-request.ts';
import { placeModels } from './place-models.ts';
import { Prediction } from './prediction.ts';
import type { OpenPredictionLog } from './open-prediction-log.ts';
import type { PredictionSink } from './prediction.ts';
import { createRequestReader } from './request-reader.ts';
import type { RequestReader } from './request-reader.ts';
import type { Route } from './route.ts';
import { openRollouts } from './open-rollouts.ts';
import { newestVersions, openRawModels } from './raw-models.ts';
import type { RawModels } from './raw-models.ts';
import { createRolloutMemoryHolder } from './rollout-memory.ts';
import type { RolloutMemoryHolder } from './rollout-memory.ts';
import type { RolloutWatch } from './rollout-watch.ts';
import type { Router } from './router.ts';
import { threadPlanOf } from './thread-plan.ts';

export interface ServedEndpoint {
  /** What to read of the caller beside the request; undefined = nothing. */
  readonly callerNeeds: CallerNeeds | undefined;
  /** Reads the usual JSON body at once; undefined = parse it, and let `decode` judge. */
  readonly read: RequestReader;
  /** Reads the usual MessagePack message likewise, from behind its envelope. */
  readonly readPacked: PackedRequestReader;
  /**
   * Checks a parsed body.
   * @throws MillraceError INVALID_REQUEST, TOO_MANY_ROWS
   */
  decode(body: unknown): PredictRequest;
  /**
   * Answers a request through the sink.
   * @throws MillraceError KEY_TOO_LONG, STORE_FAILED, UNKNOWN_VARIANT
   */
  predict(request: PredictRequest, sink: PredictionSink): void;
}

export interface Serving {
  readonly project: Project;
  /** What is pushed goes here. */
  readonly store: OnlineStore;
  /** What predictions read. */
  readonly source: RowSource;
  readonly clock: Clock;
  readonly endpoints: ReadonlyMap<string, ServedEndpoint>;
  /** What the variants of each endpoint answer, by its name. */
  readonly answers: ReadonlyMap<string, readonly AnswerShape[]>;
  /** What serves tensors: the models of the endpoints, and the newest version of every other. */
  readonly models: RawModels;
  readonly control: RolloutControl;
  /** Undefined = no endpoint has a second variant. */
  readonly watch: RolloutWatch | undefined;
  /**
   * To be asked before a request is read: what would wait too long is refused while that costs little. Given, not
   * thrown: a throw costs more than all else that a refusal takes.
   * @returns OVERLOADED if rows would wait for their run longer than a quarter of `limits.timeout`, or, while a queue
   *   stands, than a fortieth of it
   */
  readonly refusal: Admission;
  /** Models that endpoints answer with and nothing can run at the moment: `name@version`. */
  lostModels(): readonly string[];
  /**
   * What becomes of predictions while the store cannot be asked: nothing, if none reads it; they are made with defaults;
   * or some fail, as the view says that they read.
   */
  readonly withoutStore: WithoutStore;
  /**
   * Waits for the batches in flight, then frees the models. The store stays open: it is its owner's. Shadows take
   * nothing more, but a run of theirs that is under way is not waited for.
   */
  close(): Promise<void>;
  /** Resolves after `close` when the threads of shadows have ended: never, if a model hangs. */
  shadowsEnded(): Promise<void>;
}

export type WithoutStore = 'unchanged' | 'defaults' | 'failures';

export interface ServingParts {
  readonly project: Project;
  readonly store: OnlineStore;
  /** Stored rows and, where there are any, computed ones; default: the store. */
  readonly source?: RowSource;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: Log;
  /** Shares the sessions of models with who serves them as well. */
  readonly pool?: SessionPool;
  /** Stays open: it is its owner's. Undefined = no endpoint has a second variant. */
  readonly rollouts?: RolloutStore | undefined;
  /** Of the process, for who serves several definitions one after the other; default: one of its own. */
  readonly rolloutMemory?: RolloutMemoryHolder;
  /** Stays open: it is its owner's. */
  readonly predictionLog?: OpenPredictionLog | undefined;
}

/** @throws MillraceError INVALID_PROJECT with every mistake, INVALID_MODEL, WORKER_LOST, STARTUP_FAILED */
export async function openServing(parts: ServingParts): Promise<Serving> {
  const { project, store, source = store, clock, rolloutMemory = createRolloutMemoryHolder() } = parts;
  const answering = servedVersions(project);
  const others = newestVersions(project);
  const { repository, variants, mistakes } = await compileProject(project, answering, {
    others,
    pool: parts.pool ?? createSessionPool((version) => threadPlanOf(version, parts)),
  });
  const batchers = createBatchers(parts, repository);
  let watch: RolloutWatch | undefined;
  const close = async (): Promise<void> => {
    await watch?.close();
    await batchers.close();
    await repository.release();
  };
  try {
    if (mistakes.length > 0) throw invalidProject(mistakes);
    const runsMs = await placeModels(variants, { ...parts, repository });
    const plans = plansOf(variants, { ...parts, source }, (served) =>
      batchers.for(served, runsMs.get(served.loaded.version)),
    );
    const rollouts = await openRollouts({
      ...parts,
      rolloutMemory,
      source,
      repository,
      variants,
      plans,
      isBusy: () => batchers.isBusy(),
    });
    watch = rollouts.watch;
    const endpoints = new Map<string, ServedEndpoint>();
    for (const endpoint of project.endpoints.values()) {
      const router = rollouts.routerOf(endpoint);
      endpoints.set(endpoint.name, createEndpoint(endpoint, router, project, clock));
    }
    const models = await openRawModels({ ...parts, repository, batchers, variants });
    const refusal = createAdmission(batchers.onLoop(), project.limits.timeoutMs);
    const shadowsEnded = async (): Promise<void> => watch?.shadowsEnded();
    const lostModels = (): readonly string[] => lostOf(answering, repository);
    const withoutStore = withoutStoreOf(plans);
    const answers = answerShapes(variants);
    const own = { endpoints, answers, models, refusal, lostModels, withoutStore, close, shadowsEnded };
    return { project, store, source, clock, ...rollouts, ...own };
  } catch (error) {
    await close();
    throw error;
  }
}

function lostOf(versions: readonly ModelVersion[], repository: ModelRepository): readonly string[] {
  return versions
    .filter((version) => repository.get(version)?.session.isAlive === false)
    .map(({ model, version }) => `${model}@${version}`);
}

function withoutStoreOf(plans: ReadonlyMap<string, ReadonlyMap<string, Plan>>): WithoutStore {
  const reads = [...plans.values()].flatMap((byVariant) =>
    [...byVariant.values()].flatMap((plan) => plan.reads),
  );
  if (reads.some(({ view }) => view.onUnavailable === 'error')) return 'failures';
  return reads.length > 0 ? 'defaults' : 'unchanged';
}

/** By endpoint and variant. */
function plansOf(
  variants: readonly ServedVariant[],
  parts: Omit<PlanParts, 'batcher'>,
  batcherOf: (served: ServedVariant) => Batcher,
): ReadonlyMap<string, ReadonlyMap<string, Plan>> {
  const plans = new Map<string, Map<string, Plan>>();
  for (const served of variants) {
    const { endpoint, variant, compiled } = served;
    const plan = createPlan(endpoint, variant, compiled, { ...parts, batcher: batcherOf(served) });
    const known = plans.get(endpoint.name);
    if (known === undefined) plans.set(endpoint.name, new Map([[variant.name, plan]]));
    else known.set(variant.name, plan);
  }
  return plans;
}

function createEndpoint(endpoint: Endpoint, router: Router, project: Project, clock: Clock): ServedEndpoint {
  return {
    read: createRequestReader(endpoint, project.limits),
    readPacked: createPackedRequestReader(endpoint, project.limits),
    decode: (body) => decodePredictRequest(body, endpoint, project.limits),
    callerNeeds: endpoint.variants.length > 1 ? { unit: endpoint.unit } : undefined,
    predict(request, sink) {
      const nowMs = clock.nowMs();
      const start = (route: Route): void => new Prediction(route, request, nowMs, sink).start();
      const route = router.route(request, sink);
      if (route instanceof Promise) route.then(start).catch((error: unknown) => sink.fail(error));
      else start(route);
    },
  };
}
