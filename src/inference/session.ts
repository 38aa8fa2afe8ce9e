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
import { fileProblem, loadProblem } from './load-problem.ts';

export const elementTypes = [
  'float32',
  'float64',
  'float16',
  'int8',
  'int16',
  'int32',
  'int64',
  'uint8',
  'uint16',
  'uint32',
  'uint64',
  'bool',
  'string',
] as const;

export type ElementType = (typeof elementTypes)[number];

/** The elements of a tensor, row by row; a bool is a byte, 0 or 1, a float16 its 16 bits (float16.ts). */
export type TensorData = NumericData | string[];

/** What lies in memory as the runtime reads it. */
export type NumericData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array;

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
  /** Those that can be served, in the order of the model. */
  readonly outputs: readonly TensorSpec[];
  /** The others, each with the reason. */
  readonly refusedOutputs: readonly RefusedOutput[];
  /** Worker threads, each of which makes one run at a time; 0 = runs block the event loop. */
  readonly threads: number;
  /** Whether a run could be made now: false while every thread has ended and none is back. */
  readonly isAlive: boolean;

  /**
   * Runs the model on one tensor per input, in the order of `inputs`; gives one per output, in the order of
   * `outputs`, or of `fetch`: the positions in `outputs` of those that are wanted. The tensors must not change until
   * it settles. Without threads, runs that overlap are answered in the
   * order of the calls.
   * @throws MillraceError MODEL_FAILED if the model rejects the tensors, NOT_READY after `release`, WORKER_LOST if the
   *   thread of the run ended
   */
  run(inputs: readonly TensorValue[], fetch?: readonly number[]): Promise<readonly TensorValue[]>;

  /** Waits for the runs in flight, then frees the model. */
  release(): Promise<void>;
}

export interface RefusedOutput {
  readonly name: string;
  /** A sentence with the reason and the fix. */
  readonly message: string;
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
 * @throws MillraceError INVALID_MODEL; `details` has one entry for each input that cannot be served, with the path
 *   `inputs.<name>`, or for each output if none can, and is undefined if the file itself is at fault
 */
export async function openSession(path: string): Promise<ModelSession> {
  const problem = await fileProblem(path);
  if (problem !== undefined) throw new MillraceError('INVALID_MODEL', problem);
  const native = await loadNative(path);
  const inputs = readSpecs(native.inputMetadata, 'input');
  const outputs = readSpecs(native.outputMetadata, 'output');
  const atFault = outputs.specs.length === 0 ? [...inputs.refused, ...outputs.refused] : inputs.refused;
  if (atFault.length === 0) return new OnnxSession(path, native, inputs.specs, outputs);
  await native.release();
  const details = atFault.map(({ kind, name, message }): ErrorDetail => ({
    path: `${kind}s.${name}`,
    message,
  }));
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

type Kind = 'input' | 'output';

interface Specs {
  readonly specs: readonly TensorSpec[];
  readonly refused: readonly (RefusedOutput & { readonly kind: Kind })[];
}

function readSpecs(found: readonly InferenceSession.ValueMetadata[], kind: Kind): Specs {
  const read = found.map((each) => ({ kind, name: each.name, spec: readSpec(each, kind) }));
  return {
    specs: read.flatMap(({ spec }) => (typeof spec === 'string' ? [] : [spec])),
    refused: read.flatMap(({ spec, ...each }) =>
      typeof spec === 'string' ? [{ ...each, message: spec }] : [],
    ),
  };
}

/** A spec of the runtime's metadata, or a sentence that says why it cannot be served. */
function readSpec(found: InferenceSession.ValueMetadata, kind: Kind): TensorSpec | string {
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

/**
 * Where JavaScript has a Float16Array, the runtime's tensor would put the bits into one, whose memory its native part
 * cannot read. That part asks a tensor for these fields only.
 */
function float16Tensor(data: TensorData, dims: readonly number[]): Tensor {
  return { type: 'float16', data, dims, location: 'cpu' } as unknown as Tensor;
}

/** Where JavaScript has a Float16Array, the runtime gives float16 in one; here it is its bits everywhere. */
function asValue(tensor: Tensor): TensorValue {
  if (tensor.type !== 'float16' || tensor.data instanceof Uint16Array) return tensor;
  const { buffer, byteOffset, length } = tensor.data as unknown as Uint16Array;
  return { data: new Uint16Array(buffer, byteOffset, length), dims: tensor.dims };
}

class OnnxSession implements ModelSession {
  readonly path: string;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly refusedOutputs: readonly RefusedOutput[];
  readonly threads = 0;
  readonly isAlive = true;
  private readonly native: InferenceSession;
  private readonly all: readonly number[];
  private runsInFlight = 0;
  private onIdle: (() => void) | undefined;
  private released: Promise<void> | undefined;

  constructor(path: string, native: InferenceSession, inputs: readonly TensorSpec[], outputs: Specs) {
    this.path = path;
    this.native = native;
    this.inputs = inputs;
    this.outputs = outputs.specs;
    this.refusedOutputs = outputs.refused.map(({ name, message }) => ({ name, message }));
    this.all = this.outputs.map((_, position) => position);
  }

  async run(
    inputs: readonly TensorValue[],
    fetch: readonly number[] = this.all,
  ): Promise<readonly TensorValue[]> {
    if (this.released !== undefined) {
      throw new MillraceError('NOT_READY', `The model ${this.path} is being unloaded.`);
    }
    this.runsInFlight++;
    try {
      const feeds = this.feeds(inputs);
      const names = fetch.map((position) => (this.outputs[position] as TensorSpec).name);
      const results = await this.native.run(feeds, names);
      return names.map((name) => asValue(results[name] as Tensor));
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
      feeds[name] =
        elementType === 'float16' ? float16Tensor(data, dims) : new Tensor(elementType, data, dims);
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
