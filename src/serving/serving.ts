/** A project ready to answer: its models are loaded and warmed up, and every endpoint has its plan. */
import type { Clock } from '../clock.ts';
import type { OnlineStore } from '../features/online-store.ts';
import { createBatcher } from '../inference/batcher.ts';
import type { Batcher } from '../inference/batcher.ts';
import { resolveOutputs } from '../inference/model-repository.ts';
import { warmUp } from '../inference/warm-up.ts';
import type { Endpoint, Project } from '../project/project.ts';
import { invalidProject } from '../project/report.ts';
import type { Log } from '../telemetry/log.ts';
import { latencyBoundsSeconds, rowBounds } from '../telemetry/metrics.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { compileProject, servedVersions } from './compile-project.ts';
import type { ServedVariant } from './compile-project.ts';
import { createPlan } from './plan.ts';
import type { Plan } from './plan.ts';
import { decodePredictRequest } from './predict-request.ts';
import { Prediction } from './prediction.ts';
import type { PredictionSink } from './prediction.ts';

export interface ServedEndpoint {
  /**
   * Answers a decoded JSON body through the sink.
   * @throws MillraceError INVALID_REQUEST, TOO_MANY_ROWS, KEY_TOO_LONG, STORE_FAILED
   */
  predict(body: unknown, sink: PredictionSink): void;
}

export interface Serving {
  readonly project: Project;
  readonly store: OnlineStore;
  readonly clock: Clock;
  readonly endpoints: ReadonlyMap<string, ServedEndpoint>;
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
    const endpoints = new Map<string, ServedEndpoint>();
    for (const served of variants) {
      const batcher = await batcherFor(served, batchers, parts);
      const plan = createPlan(served.endpoint, served.variant, served.compiled, { ...parts, batcher });
      endpoints.set(served.endpoint.name, createEndpoint(served.endpoint, plan, project, clock));
    }
    return { project, store, clock, endpoints, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function createEndpoint(endpoint: Endpoint, plan: Plan, project: Project, clock: Clock): ServedEndpoint {
  return {
    predict(body, sink) {
      const request = decodePredictRequest(body, endpoint, project.limits);
      new Prediction(plan, request, clock.nowMs(), sink).start();
    },
  };
}

/** Endpoints that fill the same model version equally wide share its batches. */
async function batcherFor(
  { loaded, compiled }: ServedVariant,
  batchers: Map<string, Batcher>,
  { metrics, log }: ServingParts,
): Promise<Batcher> {
  const { session, version } = loaded;
  const { widths } = compiled.transforms;
  const labels = { model: version.model, version: version.version };
  const key = `${version.model}@${version.version} ${widths.join()}`;
  const known = batchers.get(key);
  if (known !== undefined) return known;
  if (version.warmup) {
    const { runMs, warning, outputWidths } = await warmUp(session, {
      widths,
      rowsMax: version.batching.rowsMax,
    });
    if (warning !== undefined) log.warn(labels, warning);
    // What the model file left open is known now.
    const { mistakes } = resolveOutputs(version, session, outputWidths);
    if (mistakes.length > 0) throw invalidProject(mistakes);
    log.info(
      { ...labels, run_ms_one_row: runMs?.oneRow, run_ms_full_batch: runMs?.fullBatch },
      'model loaded',
    );
  }
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
