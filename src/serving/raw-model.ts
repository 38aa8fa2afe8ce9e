/**
 * A model version as it serves tensors, whatever protocol they come in. Rows share their runs with those of predictions
 * wherever that is possible: every input has the batch as its first, open dimension, somebody fills the model equally
 * wide, and every wanted output is known to be made row by row. What is not runs alone, and in one piece.
 *
 * Invariant: nobody gets another caller's rows. An output that turns out not to tell rows apart fails those who read it,
 * and is run alone from then on.
 */
import { MillraceError } from '../errors.ts';
import type { Batcher } from '../inference/batcher.ts';
import type { ModelSession, TensorSpec, TensorValue } from '../inference/session.ts';
import type { ModelVersion } from '../project/project.ts';
import type { RequestSpan } from '../telemetry/tracing.ts';
import type { RunCounts } from './batchers.ts';
import type { LoneRuns } from './lone-runs.ts';
import { runShared } from './raw-caller.ts';
import { checkInference } from './raw-inference.ts';
import type { CheckedInference, RawInference, RawTensor } from './raw-inference.ts';

export interface RawModel {
  readonly state: 'ready';
  readonly name: string;
  readonly version: string;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** What the project says of it. */
  readonly settings: ModelVersion;
  readonly stats: RawStats;
  /** Whether a run could be made now: false while every thread of the model has ended and none is back. */
  readonly isAlive: boolean;
  /**
   * @throws MillraceError INVALID_REQUEST, TOO_MANY_ROWS, OVERLOADED, DEADLINE_EXCEEDED, MODEL_FAILED, NOT_READY,
   *   WORKER_LOST
   */
  infer(inference: RawInference): Promise<RawResult>;
}

export interface RawResult {
  /** Those that were wanted, in that order. */
  readonly outputs: readonly RawTensor[];
}

export interface Duration {
  count: number;
  ms: number;
}

/** What has been done since the model was loaded, also while other definitions of the project served it. */
export interface RawStats {
  /** Inferences of tensors, with the time from the request to its answer. */
  readonly success: Readonly<Duration>;
  readonly fail: Readonly<Duration>;
  /** Of the last one, in milliseconds since 1970; 0 = there was none. */
  readonly lastMs: number;
  /** Runs of the model and their rows, those of predictions included. */
  readonly runs: Readonly<RunCounts>;
}

/** What `RawStats` tells beside the runs. */
export interface RawCounts {
  readonly success: Duration;
  readonly fail: Duration;
  lastMs: number;
}

export function noCounts(): RawCounts {
  return { success: { count: 0, ms: 0 }, fail: { count: 0, ms: 0 }, lastMs: 0 };
}

export interface RawModelParts {
  readonly version: ModelVersion;
  readonly session: ModelSession;
  /** For each output, whether callers may share it. */
  readonly isPerRow: readonly boolean[];
  /** Whoever fills the model with so many slots per row of each input; undefined = nobody does. */
  readonly batcherOf: (widths: readonly number[]) => Batcher | undefined;
  readonly lone: LoneRuns;
  readonly runs: RunCounts;
  /** Goes on from what they are. */
  readonly counts: RawCounts;
  readonly rowsMax: number;
  /** Time for an answer. */
  readonly timeoutMs: number;
  readonly nowMs: () => number;
}

/** The longest that a timer takes. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export function createRawModel(parts: RawModelParts): RawModel {
  return new SharingModel(parts);
}

class SharingModel implements RawModel {
  readonly state = 'ready';
  readonly name: string;
  readonly version: string;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly settings: ModelVersion;
  private readonly parts: RawModelParts;
  private readonly isPerRow: boolean[];

  constructor(parts: RawModelParts) {
    const { version, session, isPerRow } = parts;
    this.name = version.model;
    this.version = version.version;
    this.settings = version;
    this.inputs = session.inputs;
    this.outputs = session.outputs;
    this.parts = parts;
    this.isPerRow = [...isPerRow];
  }

  get isAlive(): boolean {
    return this.parts.session.isAlive;
  }

  get stats(): RawStats {
    const { counts, runs } = this.parts;
    return { ...counts, runs };
  }

  async infer(inference: RawInference): Promise<RawResult> {
    const startedMs = performance.now();
    const { counts } = this.parts;
    counts.lastMs = this.parts.nowMs();
    try {
      const result = await this.inTime(inference);
      count(counts.success, startedMs);
      return result;
    } catch (error) {
      count(counts.fail, startedMs);
      throw error;
    }
  }

  private async inTime(inference: RawInference): Promise<RawResult> {
    const { session, rowsMax, version } = this.parts;
    const checked = checkInference(session, inference);
    if (checked.rows !== undefined && checked.rows > rowsMax) {
      const message = `The request has ${checked.rows} rows; limits.rows_max is ${rowsMax}. Split it.`;
      throw new MillraceError('TOO_MANY_ROWS', message);
    }
    const timeoutMs = Math.min(
      inference.timeoutMs ?? Infinity,
      version.timeoutMs ?? Infinity,
      this.parts.timeoutMs,
    );
    return within(Math.min(timeoutMs, TIMER_MS_MAX), async (isLate) => {
      const isGone = (): boolean => isLate() || inference.isGone?.() === true;
      const results = await traced(inference.span, async () => this.run(checked, isGone));
      return { outputs: checked.fetch.map((output, i) => this.named(output, results[i] as TensorValue)) };
    });
  }

  private async run(checked: CheckedInference, isGone: () => boolean): Promise<readonly TensorValue[]> {
    const { rows, tensors, fetch } = checked;
    if (
      rows === undefined ||
      rows === 0 ||
      fetch.length === 0 ||
      !fetch.every((output) => this.isPerRow[output])
    )
      return this.alone(checked, isGone);
    const widths = tensors.map(({ data }) => data.length / rows);
    const batcher = this.parts.batcherOf(widths);
    // Who describes a model vouches for its rows; of another only probes are known, so a request stays in one piece.
    const isWhole = !this.settings.isDescribed;
    if (batcher === undefined || (isWhole && rows > batcher.rowsMax)) return this.alone(checked, isGone);
    const caller = { isGone, isWhole };
    try {
      return await runShared(batcher, this.parts.session, { ...checked, rows }, widths, caller);
    } catch (error) {
      if (!(error instanceof MillraceError) || error.code !== 'INVALID_MODEL') throw error;
    }
    const results = await this.alone(checked, isGone);
    this.learn(checked, results);
    return results;
  }

  private async alone(checked: CheckedInference, isGone: () => boolean): Promise<readonly TensorValue[]> {
    const results = await this.parts.lone.run(checked, isGone);
    if (results === undefined)
      throw new MillraceError('DEADLINE_EXCEEDED', 'Nobody waits for the answer any more.');
    return results;
  }

  /** What the rows of a shared run were refused for. */
  private learn({ fetch, rows }: CheckedInference, results: readonly TensorValue[]): void {
    const found = fetch.filter((_, i) => results[i]?.dims[0] !== rows);
    for (const output of found.length === 0 ? fetch : found) this.isPerRow[output] = false;
  }

  private named(output: number, { data, dims }: TensorValue): RawTensor {
    const { name, elementType } = this.outputs[output] as TensorSpec;
    return { name, elementType, shape: dims, data };
  }
}

async function traced<T>(span: RequestSpan | undefined, run: () => Promise<T>): Promise<T> {
  const part = span?.part('model run');
  try {
    const result = await run();
    part?.end();
    return result;
  } catch (error) {
    part?.end(error instanceof MillraceError ? error.code : 'INTERNAL');
    throw error;
  }
}

async function within<T>(timeoutMs: number, work: (isLate: () => boolean) => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      reject(new MillraceError('DEADLINE_EXCEEDED', `The answer took longer than ${timeoutMs} ms.`));
    }, timeoutMs);
    work(() => isLate)
      .then(resolve, reject)
      .finally(() => clearTimeout(timer));
  });
}

function count(duration: Duration, startedMs: number): void {
  duration.count++;
  duration.ms += performance.now() - startedMs;
}
