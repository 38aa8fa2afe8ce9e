/** A project ready to answer: its models are loaded and warmed up, and every endpoint has its plan. */
import type { Clock } from '../clock.ts';
import { overloaded } from './overloaded.ts';
import type { OnlineStore } from '../features/online-store.ts';
import { createBatcher } from '../inference/batcher.ts';
import type { Batcher } from '../inference/batcher.ts';
import type { Endpoint, Project } from '../project/project.ts';
import { invalidProject } from '../project/report.ts';
import type { Log } from '../telemetry/log.ts';
import { latencyBoundsSeconds, rowBounds } from '../telemetry/metrics.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { compileProject, servedVersions } from './compile-project.ts';
import type { ServedVariant } from './compile-project.ts';
import { createPlan } from './plan.ts';
import type { Plan } from './plan.ts';
import { createPackedRequestReader } from './packed-request-reader.ts';
import type { PackedRequestReader } from './packed-request-reader.ts';
import { decodePredictRequest } from './predict-request.ts';
import type { PredictRequest } from './predict-request.ts';
import { Prediction } from './prediction.ts';
import type { PredictionSink } from './prediction.ts';
import { createRequestReader } from './request-reader.ts';
import type { RequestReader } from './request-reader.ts';
import { batchKey, warmVariants } from './warm-variants.ts';

/** Reading the requests that were let in and answering them takes time too, so the wait may be a part of the limit. */
const WAIT_DIVISOR = 4;

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
  readonly store: OnlineStore;
  readonly clock: Clock;
  readonly endpoints: ReadonlyMap<string, ServedEndpoint>;
  /**
   * To be asked before a request is read. What would be answered too late anyway is refused while that costs little;
   * taking it would delay the requests that are waiting until they, too, are late.
   * @throws MillraceError OVERLOADED if rows wait for their run longer than a quarter of `limits.timeout`
   */
  admit(): void;
  /** Waits for the batches in flight, then frees the models. The store stays open: it is its owner's. */
  close(): Promise<void>;
}

export interface ServingParts {
  readonly project: Project;
  readonly store: OnlineStore;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: Log;
}

/** @throws MillraceError INVALID_PROJECT with every mistake, INVALID_MODEL */
export async function openServing(parts: ServingParts): Promise<Serving> {
  const { project, store, clock } = parts;
  const { repository, variants, mistakes } = await compileProject(project, servedVersions(project));
  const batchers = new Map<string, Batcher>();
  const close = async (): Promise<void> => {
    await Promise.all([...batchers.values()].map(async (batcher) => batcher.close()));
    await repository.release();
  };
  try {
    if (mistakes.length > 0) throw invalidProject(mistakes);
    await warm(variants, parts.log);
    const endpoints = new Map<string, ServedEndpoint>();
    for (const served of variants) {
      const batcher = batcherFor(served, batchers, parts.metrics);
      const plan = createPlan(served.endpoint, served.variant, served.compiled, { ...parts, batcher });
      endpoints.set(served.endpoint.name, createEndpoint(served.endpoint, plan, project, clock));
    }
    const admit = createAdmission([...batchers.values()], project.limits.timeoutMs / WAIT_DIVISOR);
    return { project, store, clock, endpoints, admit, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** All models run on one event loop, so whoever waits for one of them waits for all. */
function createAdmission(batchers: readonly Batcher[], waitMsMax: number): () => void {
  return () => {
    const nowMs = performance.now();
    for (const batcher of batchers) if (batcher.waitMs(nowMs) > waitMsMax) throw overloaded();
  };
}

/** @throws MillraceError INVALID_PROJECT */
async function warm(variants: readonly ServedVariant[], log: Log): Promise<void> {
  const { warmed, mistakes } = await warmVariants(variants);
  if (mistakes.length > 0) throw invalidProject(mistakes);
  for (const { model, version, result } of warmed) {
    const { runMs, warning } = result;
    if (warning !== undefined) log.warn({ model, version }, warning);
    log.info(
      { model, version, run_ms_one_row: runMs?.oneRow, run_ms_full_batch: runMs?.fullBatch },
      'model loaded',
    );
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

/** Endpoints that fill the same model version equally wide share its batches. */
function batcherFor(
  { loaded, compiled }: ServedVariant,
  batchers: Map<string, Batcher>,
  metrics: Metrics,
): Batcher {
  const { session, version } = loaded;
  const { widths } = compiled.transforms;
  const labels = { model: version.model, version: version.version };
  const key = batchKey(version, widths);
  const known = batchers.get(key);
  if (known !== undefined) return known;
  const rows = metrics.histogram('millrace_batch_rows', 'Rows of a run of a model.', rowBounds, labels);
  const durations = metrics.histogram(
    'millrace_run_duration_seconds',
    'Time of a run of a model.',
    latencyBoundsSeconds,
    labels,
  );
  const batcher = createBatcher(session, {
    ...version.batching,
    widths,
    outputWidthsMin: compiled.outputWidthsMin,
    onRun(count, durationMs) {
      rows.observe(count);
      durations.observe(durationMs / 1000);
    },
  });
  batchers.set(key, batcher);
  return batcher;
}
