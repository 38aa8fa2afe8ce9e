/**
 * One loaded ONNX model. The only file that imports onnxruntime-node: what it cannot do, and what it reports, is
 * turned into plain sentences here.
 *
 * A run blocks the event loop for its whole duration: ONNX Runtime for Node defers it with setImmediate, then runs it
 * synchronously. Inputs are read in place at that moment, so their data must not change before the run settles;
 * outputs are fresh copies, which the caller may keep. A run of a small model costs about 11 us whether it has 1 row
 * or 32: rows that arrive together should share one (batcher.ts).
 */
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { MillraceError } from '../errors.ts';
import type { ErrorDetail } from '../errors.ts';
import { suggestName } from '../project/suggestion.ts';
import { fileProblem, loadProblem } from './load-problem.ts';

export const elementTypes = ['float32', 'float64', 'int64', 'bool', 'string'] as const;

export type ElementType = (typeof elementTypes)[number];

/** The elements of a tensor, row by row; a bool is a byte, 0 or 1. */
export type TensorData = Float32Array | Float64Array | BigInt64Array | Uint8Array | string[];

/** One input or output as the model declares it. */
export interface TensorSpec {
  readonly name: string;
  readonly elementType: ElementType;
  /** The first is the batch; undefined = the model leaves it open. */
  readonly shape: readonly (number | undefined)[];
}

export interface TensorValue {
  readonly data: TensorData;
  readonly dims: readonly number[];
}

export interface ModelSession {
  readonly path: string;
  readonly inputs: readonly TensorSpec[];
  /** Only those that are fetched, in the order asked. */
  readonly outputs: readonly TensorSpec[];
  /** Worker threads, each of which makes one run at a time; 0 = runs block the event loop. */
  readonly threads: number;

  /**
   * Runs the model on one tensor per input, in the order of `inputs`; gives one per output, in the order of
   * `outputs`. The tensors must not change until it settles. Without threads, runs that overlap are answered in the
   * order of the calls.
   * @throws MillraceError MODEL_FAILED if the model rejects the tensors, NOT_READY after `release`, WORKER_LOST if the
   *   thread of the run ended
   */
  run(inputs: readonly TensorValue[]): Promise<readonly TensorValue[]>;

  /** Waits for the runs in flight, then frees the model. */
  release(): Promise<void>;
}

export interface SessionOptions {
  /** Names of the outputs to fetch; undefined = all. What is not fetched may be of any type. */
  readonly outputs?: readonly string[] | undefined;
}

// One thread: a run blocks the loop, so a second thread helps only large batches and spins between runs.
// Severity 4: a failed load or run is reported by its exception and must not write to stderr as well.
const nativeOptions: InferenceSession.SessionOptions = {
  executionProviders: ['cpu'],
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  logSeverityLevel: 4,
};

/**
 * Loads a model file.
 * @throws MillraceError INVALID_MODEL; `details` has one entry for each input and output that cannot be served, with
 *   the path `inputs.<name>` or `outputs.<name>`, and is undefined if the file itself is at fault
 */
export async function openSession(path: string, options: SessionOptions = {}): Promise<ModelSession> {
  const problem = await fileProblem(path);
  if (problem !== undefined) throw new MillraceError('INVALID_MODEL', problem);
  const native = await loadNative(path);
  const details: ErrorDetail[] = [];
  const keep = (at: string, spec: TensorSpec | string): TensorSpec[] => {
    if (typeof spec !== 'string') return [spec];
    details.push({ path: at, message: spec });
    return [];
  };
  const inputs = native.inputMetadata.flatMap((found) =>
    keep(`inputs.${found.name}`, readSpec(found, 'input')),
  );
  const outputs = (options.outputs ?? native.outputNames).flatMap((name) =>
    keep(`outputs.${name}`, readOutput(name, native.outputMetadata)),
  );
  if (details.length === 0) return new OnnxSession(path, native, inputs, outputs);
  await native.release();
  const sentences = details.map((detail) => detail.message).join(' ');
  throw new MillraceError('INVALID_MODEL', `${path}: ${sentences}`, { details });
}

async function loadNative(path: string): Promise<InferenceSession> {
  try {
    return await InferenceSession.create(path, nativeOptions);
  } catch (cause) {
    throw new MillraceError('INVALID_MODEL', loadProblem(path, cause), { cause });
  }
}

function readOutput(name: string, available: readonly InferenceSession.ValueMetadata[]): TensorSpec | string {
  const found = available.find((candidate) => candidate.name === name);
  if (found !== undefined) return readSpec(found, 'output');
  const names = available.map((candidate) => candidate.name);
  return `The model has no output "${name}"; ${suggestName(name, names, 'its outputs')}`;
}

/** A spec of the runtime's metadata, or a sentence that says why it cannot be served. */
function readSpec(found: InferenceSession.ValueMetadata, kind: 'input' | 'output'): TensorSpec | string {
  const { name } = found;
  if (!found.isTensor)
    return `The ${kind} "${name}" is a sequence or a map, not a tensor. ${notTensorFix[kind]}`;
  const elementType = elementTypes.find((candidate) => candidate === found.type);
  if (elementType === undefined) {
    const cast = kind === 'input' ? 'add a Cast after it' : 'add a Cast before it';
    return (
      `The ${kind} "${name}" holds ${found.type}; Millrace serves ${elementTypes.join(', ')}. ` +
      `Export the model with one of these, or ${cast}.`
    );
  }
  return { name, elementType, shape: found.shape.map((dim) => (typeof dim === 'number' ? dim : undefined)) };
}

const notTensorFix = {
  input: 'Export the model with tensors as inputs.',
  output:
    'Export a scikit-learn or LightGBM classifier without ZipMap (options={"zipmap": False} in skl2onnx, ' +
    'zipmap=False in onnxmltools), or name only other outputs under `outputs` in model.yaml.',
} as const;

/** The runtime cuts strings at a NUL character, and the model would then answer for another string. */
function refuseNul(name: string, strings: readonly string[]): void {
  if (strings.some((text) => text.includes('\0'))) {
    throw new MillraceError(
      'MODEL_FAILED',
      `A string for the model's input "${name}" holds a NUL character, which ONNX Runtime cannot take.`,
    );
  }
}

class OnnxSession implements ModelSession {
  readonly path: string;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly threads = 0;
  private readonly native: InferenceSession;
  private readonly fetches: readonly string[];
  private runsInFlight = 0;
  private onIdle: (() => void) | undefined;
  private released: Promise<void> | undefined;

  constructor(
    path: string,
    native: InferenceSession,
    inputs: readonly TensorSpec[],
    outputs: readonly TensorSpec[],
  ) {
    this.path = path;
    this.native = native;
    this.inputs = inputs;
    this.outputs = outputs;
    this.fetches = outputs.map((output) => output.name);
  }

  async run(inputs: readonly TensorValue[]): Promise<readonly TensorValue[]> {
    if (this.released !== undefined) {
      throw new MillraceError('NOT_READY', `The model ${this.path} is being unloaded.`);
    }
    this.runsInFlight++;
    try {
      const feeds = this.feeds(inputs);
      const results = await this.native.run(feeds, this.fetches);
      return this.fetches.map((name) => results[name] as TensorValue);
    } catch (cause) {
      if (cause instanceof MillraceError) throw cause;
      throw new MillraceError('MODEL_FAILED', 'The model rejected the values of this request.', { cause });
    } finally {
      this.runsInFlight--;
      if (this.runsInFlight === 0) this.onIdle?.();
    }
  }

  release(): Promise<void> {
    this.released ??= this.releaseWhenIdle();
    return this.released;
  }

  /** A new object for every run: the runtime reads it later, when an overlapping run may have fed others. */
  private feeds(inputs: readonly TensorValue[]): Record<string, Tensor> {
    const feeds: Record<string, Tensor> = {};
    for (let i = 0; i < this.inputs.length; i++) {
      const { name, elementType } = this.inputs[i] as TensorSpec;
      const { data, dims } = inputs[i] as TensorValue;
      if (Array.isArray(data)) refuseNul(name, data);
      feeds[name] = new Tensor(elementType, data, dims);
    }
    return feeds;
  }

  private async releaseWhenIdle(): Promise<void> {
    if (this.runsInFlight > 0) {
      await new Promise<void>((resolve) => {
        this.onIdle = resolve;
      });
    }
    await this.native.release();
  }
}
