/** What the Open Inference Protocol tells of models: their tensors, their settings, what they have done. */
import type { ElementType, TensorSpec } from '../../inference/session.ts';
import type { JsonObject } from '../../project/json-text.ts';
import { datatypes } from '../../serving/datatype.ts';
import type { Duration, RawModel } from '../../serving/raw-model.ts';
import type { RawModels } from '../../serving/raw-models.ts';
import { readyVersions } from './find-model.ts';

const PLATFORM = 'onnx_onnxv1';
const NS_PER_MS = 1e6;

export const serverName = 'millrace';
/** What is served beside the protocol itself. */
export const extensions = [
  'binary_tensor_data',
  'model_repository',
  'model_configuration',
  'statistics',
] as const;

export interface TensorMetadata {
  readonly name: string;
  readonly datatype: string;
  /** -1 = open. */
  readonly shape: readonly number[];
}

export interface ModelMetadata {
  readonly name: string;
  readonly versions: readonly string[];
  readonly platform: string;
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
}

export function modelMetadata(models: RawModels, { name, inputs, outputs }: RawModel): ModelMetadata {
  const versions = readyVersions(models, name);
  return { name, versions, platform: PLATFORM, inputs: inputs.map(tensor), outputs: outputs.map(tensor) };
}

function tensor({ name, elementType, shape }: TensorSpec): TensorMetadata {
  return { name, datatype: datatypes[elementType], shape: shape.map((dim) => dim ?? -1) };
}

/** In the words of Triton; `max_batch_size` 0 says that the dimensions are all of a tensor's. */
export function modelConfig({ name, inputs, outputs, settings }: RawModel): JsonObject {
  const { batching, queueRowsMax, timeoutMs, execution, isDescribed } = settings;
  return {
    name,
    platform: PLATFORM,
    backend: 'onnxruntime',
    max_batch_size: 0,
    input: inputs.map(configTensor),
    output: outputs.map(configTensor),
    parameters: {
      rows_max: parameter(batching.rowsMax),
      delay_ms_max: parameter(batching.delayMsMax),
      queue_rows_max: parameter(queueRowsMax),
      timeout_ms: timeoutMs === undefined ? undefined : parameter(timeoutMs),
      execution: parameter(execution),
      is_described: parameter(isDescribed),
    },
  };
}

function parameter(value: number | string | boolean): JsonObject {
  return { string_value: String(value) };
}

function configTensor({ name, elementType, shape }: TensorSpec): JsonObject {
  return { name, data_type: configType(elementType), dims: shape.map((dim) => dim ?? -1) };
}

function configType(elementType: ElementType): string {
  return elementType === 'string' ? 'TYPE_STRING' : `TYPE_${datatypes[elementType]}`;
}

/** In the words of Triton; what is not measured (the time of reading inputs and of writing outputs) is 0. */
export function modelStatistics({ name, version, stats }: RawModel): JsonObject {
  const { success, fail, lastMs, runs } = stats;
  return {
    name,
    version,
    last_inference: lastMs,
    inference_count: runs.rows,
    execution_count: runs.runs,
    inference_stats: {
      success: inNs(success),
      fail: inNs(fail),
      queue: inNs({ count: runs.waits, ms: runs.waitedMs }),
      compute_input: inNs({ count: runs.runs, ms: 0 }),
      compute_infer: inNs({ count: runs.runs, ms: runs.ms }),
      compute_output: inNs({ count: runs.runs, ms: 0 }),
    },
  };
}

function inNs({ count, ms }: Duration): JsonObject {
  return { count, ns: Math.round(ms * NS_PER_MS) };
}

export interface IndexEntry {
  readonly name: string;
  readonly version: string;
  readonly state: 'READY' | 'UNAVAILABLE';
  /** Empty where it is ready. */
  readonly reason: string;
}

/** @param unloaded models that are not loaded until somebody asks for it */
export function repositoryIndex(
  models: RawModels,
  unloaded: Iterable<string>,
  isReadyOnly: boolean,
): IndexEntry[] {
  const known = models.list().map((model): IndexEntry => {
    const { name, version } = model;
    if (model.state === 'ready') return { name, version, state: 'READY', reason: '' };
    return { name, version, state: 'UNAVAILABLE', reason: model.reason };
  });
  const names = new Set(known.map(({ name }) => name));
  const others = [...unloaded].filter((name) => !names.has(name));
  const all = [
    ...known,
    ...others.map((name): IndexEntry => ({ name, version: '', state: 'UNAVAILABLE', reason: 'unloaded' })),
  ];
  return isReadyOnly ? all.filter(({ state }) => state === 'READY') : all;
}
