/** Inferences as messages: their tensors in typed fields, or as raw bytes beside them. */
import type { ErrorDetail } from '../../errors.ts';
import type { ElementType, TensorData } from '../../inference/session.ts';
import { shortName } from '../../project/problem-list.ts';
import { datatypes, parseDatatype } from '../../serving/datatype.ts';
import { invalidRequest } from '../../serving/raw-inference.ts';
import type { RawInference, RawTensor } from '../../serving/raw-inference.ts';
import type { RawModel, RawResult } from '../../serving/raw-model.ts';
import { asksForClasses, noClasses } from '../open-inference/classification.ts';
import { bytesOfTensor, tensorOfBytes, textOf } from '../open-inference/tensor-bytes.ts';
import { TensorRefusal, readTensor } from '../open-inference/tensor-json.ts';
import type {
  ContentsMessage,
  InferRequestMessage,
  InferResponseMessage,
  ParameterMessage,
  ParameterMessages,
  TensorMessage,
} from './messages.ts';

type ContentsField = keyof ContentsMessage;

/** FP16 has no field. */
const contentsFields: Readonly<Record<Exclude<ElementType, 'float16'>, ContentsField>> = {
  bool: 'bool_contents',
  int8: 'int_contents',
  int16: 'int_contents',
  int32: 'int_contents',
  int64: 'int64_contents',
  uint8: 'uint_contents',
  uint16: 'uint_contents',
  uint32: 'uint_contents',
  uint64: 'uint64_contents',
  float32: 'fp32_contents',
  float64: 'fp64_contents',
  string: 'bytes_contents',
};

/** Parameters that say how to answer, and are not given back. */
const controls: ReadonlySet<string> = new Set(['timeout', 'priority', 'classification']);

/** @throws MillraceError INVALID_REQUEST with a detail for each mistake */
export function readInference(request: InferRequestMessage): RawInference {
  const { inputs, outputs, parameters, raw_input_contents: raw } = request;
  const details: ErrorDetail[] = [];
  if (raw.length > 0 && raw.length !== inputs.length) {
    const message = `has ${raw.length} tensors, and there are ${inputs.length} inputs`;
    details.push({ path: 'raw_input_contents', message });
  }
  const tensors = inputs.flatMap((input, i): RawTensor[] => {
    const read = readInput(`inputs[${i}]`, input, raw.length === 0 ? undefined : raw[i]);
    if ('data' in read) return [read];
    details.push(read);
    return [];
  });
  const timeoutMs = timeoutOf(parameters['timeout'], details);
  outputs.forEach(({ parameters: { classification } }, i) => {
    if (asksForClasses(classification && plainParameter(classification)))
      details.push({ path: `outputs[${i}].parameters.classification`, message: noClasses });
  });
  if (details.length > 0) throw invalidRequest(details);
  const names = outputs.map(({ name }) => name);
  return { inputs: tensors, outputs: names.length === 0 ? undefined : names, timeoutMs };
}

/** Null = it was sent empty. */
function plainParameter(parameter: ParameterMessage): unknown {
  return parameter[parameter.parameter_choice as keyof ParameterMessage] ?? null;
}

/** @param raw undefined = the tensor is in typed fields */
function readInput(path: string, input: TensorMessage, raw: Buffer | undefined): RawTensor | ErrorDetail {
  const { name, datatype } = input;
  const elementType = parseDatatype(datatype);
  if (elementType === undefined) {
    const message = `is "${shortName(datatype)}"; ${Object.values(datatypes).join(', ')} are served`;
    return { path: `${path}.datatype`, message };
  }
  const shape = input.shape.map(Number);
  const contents = input.contents ?? undefined;
  if (raw !== undefined && contents !== undefined)
    return { path: `${path}.contents`, message: 'is there beside raw_input_contents' };
  const count = shape.reduce((product, dim) => product * dim, 1);
  const data =
    raw === undefined
      ? typedData(elementType, shape, count, contents)
      : tensorOfBytes(elementType, count, raw);
  if (typeof data !== 'string') return { name, elementType, shape, data };
  return { path: raw === undefined ? `${path}.contents` : `raw_input_contents of ${path}`, message: data };
}

function typedData(
  elementType: ElementType,
  shape: readonly number[],
  count: number,
  contents: ContentsMessage | undefined,
): TensorData | string {
  if (elementType === 'float16') return 'has no field for FP16; send raw_input_contents';
  const field = contentsFields[elementType];
  const elements: readonly unknown[] = contents?.[field] ?? [];
  if (elements.length !== count)
    return `has ${elements.length} elements in ${field}, and the shape [${shape.join(', ')}] has ${count}`;
  // JSON has no NaN and no infinities; messages do.
  if (elementType === 'float32') return Float32Array.from(elements as readonly number[]);
  if (elementType === 'float64') return Float64Array.from(elements as readonly number[]);
  const read = readTensor(elementType, shape, elements.map(plain));
  return read instanceof TensorRefusal ? `${read.at} ${read.message}` : read;
}

/** Undefined = bytes that are no UTF-8, which no tensor takes. */
function plain(element: unknown): unknown {
  if (typeof element === 'string') return BigInt(element);
  return element instanceof Uint8Array ? textOf(Buffer.from(element)) : element;
}

/** Microseconds. */
function timeoutOf(parameter: ParameterMessage | undefined, details: ErrorDetail[]): number | undefined {
  const value =
    parameter === undefined ? 0 : Number(parameter.int64_param ?? parameter.uint64_param ?? Number.NaN);
  if (value === 0) return undefined;
  if (value > 0) return value / 1000;
  details.push({ path: 'parameters.timeout', message: 'must be a whole number of microseconds' });
  return undefined;
}

export function writeInference(
  { name, version }: Pick<RawModel, 'name' | 'version'>,
  request: InferRequestMessage,
  { outputs }: RawResult,
): InferResponseMessage {
  const isRaw =
    request.raw_input_contents.length > 0 || outputs.some(({ elementType }) => elementType === 'float16');
  return {
    model_name: name,
    model_version: version,
    id: request.id,
    parameters: withoutControls(request.parameters),
    outputs: outputs.map((tensor) => {
      const asked = request.outputs.find((output) => output.name === tensor.name);
      const head = {
        name: tensor.name,
        datatype: datatypes[tensor.elementType],
        shape: tensor.shape,
        parameters: withoutControls(asked?.parameters ?? {}),
      };
      return isRaw ? head : { ...head, contents: contentsOf(tensor) };
    }),
    raw_output_contents: isRaw ? outputs.map(({ data }) => bytesOfTensor(data)) : [],
  };
}

function withoutControls(parameters: ParameterMessages): ParameterMessages {
  return Object.fromEntries(Object.entries(parameters).filter(([name]) => !controls.has(name)));
}

function contentsOf({ elementType, data }: RawTensor): ContentsMessage {
  if (elementType === 'float16') throw new Error('FP16 is sent raw');
  return { [contentsFields[elementType]]: Array.from<unknown, unknown>(data, typedElement(elementType)) };
}

function typedElement(elementType: ElementType): (element: unknown) => unknown {
  if (elementType === 'bool') return (element) => element !== 0;
  if (elementType === 'string') return (element) => Buffer.from(element as string);
  return (element) => (typeof element === 'bigint' ? String(element) : element);
}
