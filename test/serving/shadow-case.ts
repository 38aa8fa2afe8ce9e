/**
 * A variant that answers `[request.a, u.facts.score ?? -1]` with its first element, and a shadow of a model of choice
 * behind it, with the store and the queue between them, but without a rollout.
 */
import { EventEmitter, once } from 'node:events';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/clock.ts';
import { openLmdbStoreAlone } from '../../src/features/lmdb-store.ts';
import type { OnlineStore, RowSource } from '../../src/features/online-store.ts';
import { createBatcher } from '../../src/inference/batcher.ts';
import { createExitGuard } from '../../src/inference/exit-guard.ts';
import { openWorkerSession } from '../../src/inference/worker-session.ts';
import type { Endpoint, FeatureView } from '../../src/project/project.ts';
import { loadProject } from '../../src/project/read-project.ts';
import { compileProject, servedVersions } from '../../src/serving/compile-project.ts';
import type { ServedVariant } from '../../src/serving/compile-project.ts';
import { createPlan } from '../../src/serving/plan.ts';
import type { Plan } from '../../src/serving/plan.ts';
import type { PredictRequest } from '../../src/serving/predict-request.ts';
import { decodePredictRequest } from '../../src/serving/predict-request.ts';
import { Prediction } from '../../src/serving/prediction.ts';
import type { AnswerObserver, Route } from '../../src/serving/route.ts';
import { createShadowRunner } from '../../src/serving/shadow.ts';
import type { ShadowAnswer, ShadowRunner } from '../../src/serving/shadow.ts';
import { createShadowTurns } from '../../src/serving/shadow-turns.ts';
import type { ShadowTurns } from '../../src/serving/shadow-turns.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';

export interface ShadowCaseOptions {
  /** File in test/cases/models, without `.onnx`. */
  readonly model?: string;
  /** Of the shadow: ONNX input -> expressions; default: as those of the primary. */
  readonly inputs?: Readonly<Record<string, readonly string[]>>;
  /** Default: `{ y: 'y[0]' }`. */
  readonly outputs?: Readonly<Record<string, string>>;
  /** Further keys of its description. */
  readonly keys?: Readonly<Record<string, unknown>>;
  readonly heapMbMax?: number;
  readonly timeoutMs?: number;
  /** Default: all the time there is. */
  readonly turns?: ShadowTurns;
  readonly isBusy?: () => boolean;
  /** What the shadow reads from, of the store. */
  readonly sourceOf?: (store: OnlineStore) => RowSource;
}

export interface ShadowCase {
  readonly runner: ShadowRunner;
  readonly store: OnlineStore;
  readonly views: ReadonlyMap<string, FeatureView>;
  readonly compared: ShadowAnswer[];
  readonly failed: unknown[];
  /** Requests that the shadow did not take. */
  readonly shed: number;
  /** How often a thread was replaced. */
  readonly restarts: number;
  /** The answers of the primary. */
  ask(rows: readonly object[], more?: object): Promise<unknown[]>;
  /** Resolves when so many requests have been compared or have failed. */
  ended(count: number): Promise<void>;
  /** @param isHung whether a run of the shadow never ends */
  remove(isHung?: boolean): Promise<void>;
}

const primaryInputs = { x: ['request.a', 'u.facts.score ?? -1'] };
const entities = {
  u: { entity: 'user', keys: { id: 'request.id' } },
  o: { entity: 'user', keys: { id: 'request.other' } },
};

async function writeShadowProject(dir: string, options: ShadowCaseOptions): Promise<void> {
  const { model = 'identity_float32', inputs = primaryInputs, outputs = { y: 'y[0]' }, keys } = options;
  const view = { entity: 'user', features: { score: 'float64' } };
  const optional = { type: 'string', optional: true };
  const description = {
    project: 'test',
    entities: { user: { keys: { id: 'string' } } },
    feature_views: { facts: view, more: view },
    endpoints: {
      m: {
        request: { id: optional, other: optional, s: optional, a: 'float64' },
        variants: { primary: { model: 'm@1' }, shadow: { model: 'm@2' } },
      },
    },
  };
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, 'millrace.json'), JSON.stringify(description));
  await writeVersion(dir, '1', 'identity_float32', {
    entities,
    inputs: primaryInputs,
    outputs: { y: 'y[0]' },
  });
  await writeVersion(dir, '2', model, { entities, inputs, outputs, ...keys });
}

async function writeVersion(dir: string, version: string, model: string, description: object): Promise<void> {
  const folder = join(dir, 'm', version);
  await mkdir(folder, { recursive: true });
  await cp(new URL(`../cases/models/${model}.onnx`, import.meta.url), join(folder, 'model.onnx'));
  await writeFile(join(folder, 'model.json'), JSON.stringify(description));
}

export async function shadowCase(options: ShadowCaseOptions = {}): Promise<ShadowCase> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-shadow-'));
  await writeShadowProject(dir, options);
  const project = await loadProject(dir);
  const store = await openLmdbStoreAlone({ path: join(dir, 'data'), views: project.featureViews.values() });
  const metrics = createMetrics();
  const { repository, variants, mistakes } = await compileProject(project, servedVersions(project));
  if (mistakes.length > 0) throw new Error(JSON.stringify(mistakes));
  const endpoint = project.endpoints.get('m') as Endpoint;
  const [primary, plan] = variants.map(({ variant, compiled, loaded: { version, session } }) => {
    const batcher = createBatcher(session, { ...version.batching, widths: compiled.transforms.widths });
    return createPlan(endpoint, variant, compiled, { source: store, batcher, metrics });
  }) as [Plan, Plan];
  let restarts = 0;
  const onRestart = (): void => {
    restarts++;
  };
  const runner = await openRunner(variants[1] as ServedVariant, { plan, store, onRestart }, options);
  const outcomes = createOutcomes(runner, primary, plan);
  const route = { plan: primary, propensity: 1, assignment: undefined, observer: outcomes.observer };
  return {
    runner,
    store,
    views: project.featureViews,
    ...outcomes,
    get shed() {
      return outcomes.shed;
    },
    get restarts() {
      return restarts;
    },
    async ask(rows, more = {}) {
      const request = decodePredictRequest({ rows, ...more }, endpoint, project.limits);
      return predicted(route, request);
    },
    async remove(isHung = false) {
      const closed = runner.close();
      if (!isHung) await closed;
      await repository.release();
      await store.close();
      metrics.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

interface RunnerContext {
  readonly plan: Plan;
  readonly store: OnlineStore;
  readonly onRestart: () => void;
}

async function openRunner(
  { compiled, loaded: { version, session: inline } }: ServedVariant,
  { plan, store, onRestart }: RunnerContext,
  { heapMbMax, timeoutMs, turns, isBusy = () => false, sourceOf = (of) => of }: ShadowCaseOptions,
): Promise<ShadowRunner> {
  const session = await openWorkerSession(inline.path, {
    threads: 1,
    exitGuard: createExitGuard(),
    isBackground: true,
    heapMbMax,
    onRestart,
  });
  return createShadowRunner({
    plan,
    version,
    session,
    widths: compiled.transforms.widths,
    outputWidthsMin: compiled.outputWidthsMin,
    source: sourceOf(store),
    turns: turns ?? createShadowTurns({ savedMsMax: Infinity }),
    isBusy,
    ...(timeoutMs !== undefined && { timeoutMs }),
  });
}

async function predicted(route: Route, request: PredictRequest): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    new Prediction(route, request, systemClock.nowMs(), {
      requestId: 'r',
      isDone: false,
      answer: (answer) => {
        const text = answer.plan.jsonAnswer(answer, 'r', '');
        const { predictions } = JSON.parse(text) as { predictions: { y: unknown }[] };
        resolve(predictions.map(({ y }) => y));
      },
      fail: reject,
    }).start();
  });
}

interface Outcomes extends Pick<ShadowCase, 'compared' | 'failed' | 'shed' | 'ended'> {
  readonly observer: AnswerObserver;
}

function createOutcomes(runner: ShadowRunner, primary: Plan, plan: Plan): Outcomes {
  const compared: ShadowAnswer[] = [];
  const failed: unknown[] = [];
  const events = new EventEmitter();
  let shed = 0;
  const [primaryField, shadowField] = [primary.answer[0], plan.answer[0]];
  if (primaryField === undefined || shadowField === undefined) throw new Error('nothing is answered');
  return {
    compared,
    failed,
    get shed() {
      return shed;
    },
    observer: {
      wantsRows: () => true,
      failed: () => undefined,
      answered(served, entityRows = []) {
        const note = <T>(list: T[], outcome: T): void => {
          list.push(outcome);
          events.emit('ended');
        };
        const task = { primary, primaryField, shadowField, served, entityRows };
        const isRun = runner.run(task, {
          compared: (answer) => note(compared, answer),
          failed: (error) => note(failed, error),
        });
        if (!isRun) shed++;
      },
    },
    async ended(count) {
      while (compared.length + failed.length < count) await once(events, 'ended');
    },
  };
}
