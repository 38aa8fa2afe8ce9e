/** The batchers of a project, one for each model version and way of filling it, and what they count. */
import { createBatcher } from '../inference/batcher.ts';
import type { Batcher, BatcherOptions, RefusalReason } from '../inference/batcher.ts';
import type { ModelRepository } from '../inference/model-repository.ts';
import type { ModelVersion, Project } from '../project/project.ts';
import { latencyBoundsSeconds, rowBounds } from '../telemetry/metrics.ts';
import type { Counter, Labels, Metrics } from '../telemetry/metrics.ts';
import type { ServedVariant } from './compile-project.ts';
import { batchKey } from './warm-variants.ts';

export interface Batchers {
  /**
   * Endpoints that fill the same model version equally wide share its batches.
   * @param runMs time of a run of a full batch, if it is known
   */
  for(served: ServedVariant, runMs: number | undefined): Batcher;
  /** Who fills a version so wide, if somebody does. */
  find(version: ModelVersion, widths: readonly number[]): Batcher | undefined;
  /** One for a version that no endpoint fills. */
  forTensors(version: ModelVersion, options: TensorBatching): Batcher;
  /** Of a version: whoever makes runs of it tells them of each. */
  observers(version: ModelVersion): RunObservers;
  /** Of a version, all runs of its session together, those of definitions before this one included. */
  runs(version: ModelVersion): RunCounts;
  /** Those whose runs block the event loop. */
  onLoop(): readonly Batcher[];
  /**
   * Whether rows of callers wait long enough for a model that whatever nobody waits for has to stand back: well before
   * a caller is refused.
   */
  isBusy(): boolean;
  /** Settles all that was submitted. */
  close(): Promise<void>;
}

export interface TensorBatching {
  readonly widths: readonly number[];
  readonly rowsMax: number;
  readonly runMs: number | undefined;
}

export interface RunCounts {
  runs: number;
  rows: number;
  ms: number;
  /** Runs of which it is known how long their first row waited, and that time. */
  waits: number;
  waitedMs: number;
}

export interface RunObservers {
  /** @param waitedMs undefined = it is not known */
  readonly onRun: (rows: number, durationMs: number, waitedMs?: number) => void;
  readonly onRefuse: (reason: RefusalReason) => void;
}

interface Observed extends RunObservers {
  readonly counts: RunCounts;
}

interface Kept {
  readonly batcher: Batcher;
  readonly labels: Labels;
  readonly isOnLoop: boolean;
  readonly queueRowsMax: number;
}

/** Of the time for an answer: half of a queue that may stand (admission.ts). */
const BUSY_DIVISOR = 80;
/** A run that others are waiting for is no queue yet. */
const BUSY_RUNS = 2;

/** @param repository whose models are where they are going to run */
export function createBatchers(
  { project, metrics }: { readonly project: Project; readonly metrics: Metrics },
  repository: ModelRepository,
): Batchers {
  const kept = new Map<string, Kept>();
  const observed = new Map<ModelVersion, Observed>();
  const observersOf = (version: ModelVersion): Observed => {
    const known = observed.get(version) ?? createObservers(metrics, version, countsOf(repository, version));
    observed.set(version, known);
    return known;
  };
  const busyMs = project.limits.timeoutMs / BUSY_DIVISOR;
  metrics.gauge('millrace_queue_rows', 'Rows that wait for a run of the model.', () =>
    queueRows([...kept.values()]),
  );
  const create = (version: ModelVersion, options: BatcherOptions): Batcher => {
    const { session } = repository.loaded(version);
    const batcher = createBatcher(session, {
      ...options,
      ...limitsOf(version, project.limits.timeoutMs),
      ...observersOf(version),
    });
    const labels = { model: version.model, version: version.version };
    const { queueRowsMax } = version;
    kept.set(batchKey(version, options.widths), {
      batcher,
      labels,
      isOnLoop: session.threads === 0,
      queueRowsMax,
    });
    return batcher;
  };
  return {
    for({ loaded: { version }, compiled }, runMs) {
      const { outputWidthsMin, transforms } = compiled;
      const { widths } = transforms;
      const known = kept.get(batchKey(version, widths));
      return known?.batcher ?? create(version, { ...version.batching, widths, runMs, outputWidthsMin });
    },
    find: (version, widths) => kept.get(batchKey(version, widths))?.batcher,
    forTensors: (version, options) => create(version, { ...version.batching, ...options }),
    observers: observersOf,
    runs: (version) => observersOf(version).counts,
    onLoop: () => [...kept.values()].filter(({ isOnLoop }) => isOnLoop).map(({ batcher }) => batcher),
    isBusy() {
      for (const { batcher, queueRowsMax } of kept.values()) {
        if (batcher.queueRows === 0) continue;
        if (batcher.queueRows > queueRowsMax / 2) return true;
        const waitMsMax = Math.max(busyMs, BUSY_RUNS * batcher.runMs);
        if (batcher.waitMs(performance.now()) > waitMsMax) return true;
      }
      return false;
    },
    close: async () => {
      await Promise.all([...kept.values()].map(async ({ batcher }) => batcher.close()));
    },
  };
}

/** One value for each model version, however many ways there are to fill it. */
function queueRows(kept: readonly Kept[]): { labels: Labels; value: number }[] {
  const values = new Map<string, { labels: Labels; value: number }>();
  for (const { labels, batcher } of kept) {
    const key = JSON.stringify(labels);
    const value = (values.get(key)?.value ?? 0) + batcher.queueRows;
    values.set(key, { labels, value });
  }
  return [...values.values()];
}

/** The server watches its own limit; the model's deadline counts where it is shorter. */
function limitsOf(
  { queueRowsMax, timeoutMs }: ModelVersion,
  serverMs: number,
): { queueRowsMax: number; answerMsMax: number; timeoutMs: number | undefined } {
  const isShorter = timeoutMs !== undefined && timeoutMs < serverMs;
  return {
    queueRowsMax,
    answerMsMax: isShorter ? timeoutMs : serverMs,
    timeoutMs: isShorter ? timeoutMs : undefined,
  };
}

function countsOf(repository: ModelRepository, version: ModelVersion): RunCounts {
  return repository.keep(version, 'runs', () => ({ runs: 0, rows: 0, ms: 0, waits: 0, waitedMs: 0 }));
}

function createObservers(metrics: Metrics, { model, version }: ModelVersion, counts: RunCounts): Observed {
  const labels = { model, version };
  const rows = metrics.histogram('millrace_batch_rows', 'Rows of a run of a model.', rowBounds, labels);
  const durations = metrics.histogram(
    'millrace_run_duration_seconds',
    'Time of a run of a model.',
    latencyBoundsSeconds,
    labels,
  );
  const waits = metrics.histogram(
    'millrace_queue_delay_seconds',
    'Time that the first row of a run waited for it.',
    latencyBoundsSeconds,
    labels,
  );
  const refused = (reason: RefusalReason): Counter =>
    metrics.counter('millrace_queue_refused_total', 'Requests that the queue of a model did not take.', {
      ...labels,
      reason,
    });
  const refusals = { queue_full: refused('queue_full'), too_late: refused('too_late') };
  const done = counts;
  return {
    counts,
    onRun(count, durationMs, waitedMs) {
      done.runs++;
      done.rows += count;
      done.ms += durationMs;
      rows.observe(count);
      durations.observe(durationMs / 1000);
      if (waitedMs === undefined) return;
      done.waits++;
      done.waitedMs += waitedMs;
      waits.observe(waitedMs / 1000);
    },
    onRefuse: (reason) => refusals[reason].add(1),
  };
}
