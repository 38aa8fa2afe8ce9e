/** A project ready to answer: its models are loaded and warmed up, and every endpoint has its plan. */
import type { Clock } from '../clock.ts';
import type { OnlineStore, RowSource } from '../features/online-store.ts';
import type { Endpoint, Project } from '../project/project.ts';
import { invalidProject } from '../project/report.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { createAdmission } from './admission.ts';
import type { Admission } from './admission.ts';
import { createBatchers } from './batchers.ts';
import { compileProject, servedVersions } from './compile-project.ts';
import { createPlan } from './plan.ts';
import type { Plan } from './plan.ts';
import { createPackedRequestReader } from './packed-request-reader.ts';
import type { PackedRequestReader } from './packed-request-reader.ts';
import { decodePredictRequest } from './predict-request.ts';
import type { PredictRequest } from './predict-request.ts';
import { placeModels } from './place-models.ts';
import { Prediction } from './prediction.ts';
import type { PredictionLog } from './prediction-log.ts';
import type { PredictionSink } from './prediction.ts';
import { createRequestReader } from './request-reader.ts';
import type { RequestReader } from './request-reader.ts';

export interface ServedEndpoint {
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
   * @throws MillraceError KEY_TOO_LONG, STORE_FAILED
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
  /**
   * To be asked before a request is read: what would wait too long is refused while that costs little. Given, not
   * thrown: a throw costs more than all else that a refusal takes.
   * @returns OVERLOADED if rows would wait for their run longer than a quarter of `limits.timeout`, or, while a queue
   *   stands, than a fortieth of it
   */
  readonly refusal: Admission;
  /** Waits for the batches in flight, then frees the models. The store stays open: it is its owner's. */
  close(): Promise<void>;
}

export interface ServingParts {
  readonly project: Project;
  readonly store: OnlineStore;
  /** Stored rows and, where there are any, computed ones; default: the store. */
  readonly source?: RowSource;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: Log;
  /** Stays open: it is its owner's. */
  readonly predictionLog?: PredictionLog | undefined;
}

/** @throws MillraceError INVALID_PROJECT with every mistake, INVALID_MODEL, WORKER_LOST, STARTUP_FAILED */
export async function openServing(parts: ServingParts): Promise<Serving> {
  const { project, store, source = store, clock } = parts;
  const { repository, variants, mistakes } = await compileProject(project, servedVersions(project));
  const batchers = createBatchers(parts, repository);
  const close = async (): Promise<void> => {
    await batchers.close();
    await repository.release();
  };
  try {
    if (mistakes.length > 0) throw invalidProject(mistakes);
    const runsMs = await placeModels(variants, { ...parts, repository });
    const endpoints = new Map<string, ServedEndpoint>();
    for (const served of variants) {
      const batcher = batchers.for(served, runsMs.get(served.loaded.version));
      const plan = createPlan(served.endpoint, served.variant, served.compiled, {
        ...parts,
        source,
        batcher,
      });
      endpoints.set(served.endpoint.name, createEndpoint(served.endpoint, plan, project, clock));
    }
    const refusal = createAdmission(batchers.onLoop(), project.limits.timeoutMs);
    return { project, store, source, clock, endpoints, refusal, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function createEndpoint(endpoint: Endpoint, plan: Plan, project: Project, clock: Clock): ServedEndpoint {
  return {
    read: createRequestReader(endpoint, project.limits),
    readPacked: createPackedRequestReader(endpoint, project.limits),
    decode: (body) => decodePredictRequest(body, endpoint, project.limits),
    predict(request, sink) {
      new Prediction(plan, request, clock.nowMs(), sink).start();
    },
  };
}
