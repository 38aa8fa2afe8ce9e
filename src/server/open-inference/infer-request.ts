/**
 * The body of an infer call: JSON, or JSON and behind it the bytes of the tensors that say how many are theirs, or
 * nothing but the bytes of one tensor.
 */
import { MillraceError } from '../../errors.ts';
import type { ErrorDetail } from '../../errors.ts';
import type { ElementType, TensorData, TensorSpec } from '../../inference/session.ts';
import { elementBytes } from '../../inference/tensor-buffer.ts';
import type { JsonObject, JsonValue } from '../../project/json-text.ts';
import { shortName } from '../../project/problem-list.ts';
import { parseStrictJsonWithBigints } from '../../project/strict-json.ts';
import { suggestName } from '../../project/suggestion.ts';
import { datatypes, parseDatatype } from '../../serving/datatype.ts';
import { invalidRequest } from '../../serving/raw-inference.ts';
import type { RawInference, RawTensor } from '../../serving/raw-inference.ts';
import type { RawModel } from '../../serving/raw-model.ts';
import { asksForClasses, noClasses } from './classification.ts';
import { tensorOfBytes, textOf } from './tensor-bytes.ts';
import { TensorRefusal, readTensor } from './tensor-json.ts';

export interface InferCall {
  readonly inference: RawInference;
  readonly form: AnswerForm;
}

/** How the answer is to be written. */
export interface AnswerForm {
  readonly id: string | undefined;
  /** Those of the request that mean nothing here come back as they are. */
  readonly parameters: JsonObject;
  /** By name: those of the outputs that were asked for. */
  readonly outputs: ReadonlyMap<string, OutputForm>;
  /** Of an output that was not asked for by name, or without saying. */
  readonly isBinary: boolean;
}

export interface OutputForm {
  readonly isBinary: boolean;
  readonly parameters: JsonObject;
}

/**
 * @param headerLength of the header Inference-Header-Content-Length; empty = the body is all JSON
 * @throws MillraceError INVALID_REQUEST with a detail for each mistake, and as `parseStrictJson`
 */
export function readInferCall(body: Buffer, headerLength: string, model: RawModel): InferCall {
  const jsonBytes = headerLength === '' ? body.length : lengthOf(headerLength, body.length);
  // What is lent by the transport is copied once, to where every number is aligned.
  const binary = new Uint8Array(body.subarray(jsonBytes));
  if (headerLength !== '' && jsonBytes === 0) return readRawCall(binary, model);
  return new CallReader(binary).read(parseStrictJsonWithBigints(body.subarray(0, jsonBytes)));
}

function lengthOf(headerLength: string, bodyBytes: number): number {
  const length = /^\d{1,15}$/.test(headerLength) ? Number(headerLength) : Infinity;
  if (length <= bodyBytes) return length;
  const sentence = `The header Inference-Header-Content-Length is "${shortName(headerLength)}", and the body has ${bodyBytes} bytes.`;
  throw new MillraceError('INVALID_REQUEST', sentence);
}

/** The whole body is the one input of the model, as one string or as numbers of which as many as there are. */
function readRawCall(bytes: Uint8Array, { name, inputs }: RawModel): InferCall {
  const [spec, ...others] = inputs;
  if (spec === undefined || others.length > 0) {
    const sentence = `The model ${name} has ${inputs.length} inputs, and a body without JSON is one: send JSON, and its length in the header.`;
    throw new MillraceError('INVALID_REQUEST', sentence);
  }
  const { elementType } = spec;
  const data = elementType === 'string' ? textOf(Buffer.from(bytes.buffer)) : numbersOf(elementType, bytes);
  if (data === undefined) throw invalidRequest([{ path: 'body', message: notOfType(spec, bytes.length) }]);
  const tensor = typeof data === 'string' ? [data] : data;
  const shape = shapeFor(spec, tensor.length);
  const form = { id: undefined, parameters: {}, outputs: new Map<string, OutputForm>(), isBinary: true };
  return { inference: { inputs: [{ name: spec.name, elementType, shape, data: tensor }] }, form };
}

function numbersOf(elementType: Exclude<ElementType, 'string'>, bytes: Uint8Array): TensorData | undefined {
  if (bytes.length % elementBytes(elementType) !== 0) return undefined;
  const data = tensorOfBytes(elementType, bytes.length / elementBytes(elementType), bytes);
  return typeof data === 'string' ? undefined : data;
}

function notOfType({ elementType }: TensorSpec, byteCount: number): string {
  return `has ${byteCount} bytes that are no tensor of ${datatypes[elementType]}`;
}

/** One open dimension is as long as the elements make it; more of them are 1 each, but the last. */
function shapeFor({ shape }: TensorSpec, count: number): number[] {
  const fixed = shape.reduce<number>((product, dim) => product * (dim ?? 1), 1);
  const open = shape.lastIndexOf(undefined);
  return shape.map((dim, d) => dim ?? (d === open && fixed > 0 ? count / fixed : 1));
}

const callFields = ['id', 'parameters', 'inputs', 'outputs', 'model_name', 'model_version'];
const inputFields = ['name', 'shape', 'datatype', 'parameters', 'data'];
const outputFields = ['name', 'parameters'];
/** What says how to answer, and is not given back. */
const controls: ReadonlySet<string> = new Set(['binary_data_output', 'timeout', 'priority']);

function isDim(dim: unknown): dim is number {
  return Number.isSafeInteger(dim) && (dim as number) >= 0;
}

class CallReader {
  private readonly binary: Uint8Array;
  private binaryAt = 0;
  private readonly details: ErrorDetail[] = [];

  constructor(binary: Uint8Array) {
    this.binary = binary;
  }

  read(value: unknown): InferCall {
    const call = this.fields('', value, callFields);
    const inputs = this.list('inputs', call?.['inputs']).flatMap((input, i) =>
      this.input(`inputs[${i}]`, input),
    );
    const asked = call?.['outputs'] ?? [];
    // Some clients say an empty list where they want all.
    const wanted = this.list('outputs', asked);
    const parameters = this.parameters('parameters', call?.['parameters']);
    const isBinary = this.flag('parameters.binary_data_output', parameters['binary_data_output']) ?? false;
    const outputs = wanted.flatMap((output, i) => this.output(`outputs[${i}]`, output, isBinary));
    const id = this.text('id', call?.['id'] ?? undefined);
    const timeoutMs = this.timeoutMs(parameters['timeout']);
    if (this.binaryAt < this.binary.length) {
      const message = `take ${this.binaryAt} bytes behind the JSON, and there are ${this.binary.length}`;
      this.refuse('inputs', message);
    }
    if (this.details.length > 0) throw invalidRequest(this.details);
    const kept = Object.entries(parameters).filter(([name]) => !controls.has(name));
    return {
      inference: {
        inputs,
        outputs: outputs.length === 0 ? undefined : outputs.map(([name]) => name),
        timeoutMs,
      },
      form: { id, parameters: Object.fromEntries(kept), outputs: new Map(outputs), isBinary },
    };
  }

  private input(path: string, value: unknown): RawTensor[] {
    const input = this.fields(path, value, inputFields);
    const name = this.text(`${path}.name`, input?.['name'], true);
    const shape = this.shape(`${path}.shape`, input?.['shape']);
    const datatype = this.text(`${path}.datatype`, input?.['datatype'], true);
    const elementType = datatype === undefined ? undefined : parseDatatype(datatype);
    if (datatype !== undefined && elementType === undefined)
      this.refuse(
        `${path}.datatype`,
        `is "${shortName(datatype)}"; ${Object.values(datatypes).join(', ')} are served`,
      );
    const size = this.parameters(`${path}.parameters`, input?.['parameters'])['binary_data_size'];
    const bytes =
      size === undefined ? undefined : this.takeBytes(`${path}.parameters.binary_data_size`, size);
    if (input === undefined || name === undefined || shape === undefined || elementType === undefined)
      return [];
    if ((bytes === undefined && size !== undefined) || !this.hasOneSource(path, input, size)) return [];
    const data =
      bytes === undefined
        ? this.jsonData(path, elementType, shape, input['data'])
        : this.binaryData(path, elementType, shape, bytes);
    return data === undefined ? [] : [{ name, elementType, shape, data }];
  }

  private hasOneSource(path: string, input: JsonObject, size: unknown): boolean {
    const hasData = input['data'] !== undefined;
    if (hasData === (size === undefined)) return true;
    this.refuse(`${path}.data`, hasData ? 'is there beside a binary_data_size' : 'is missing');
    return false;
  }

  private takeBytes(path: string, size: unknown): Uint8Array | undefined {
    const isSize = typeof size === 'number' && Number.isInteger(size) && size >= 0;
    const left = this.binary.length - this.binaryAt;
    if (!isSize || size > left) {
      this.refuse(
        path,
        isSize ? `is ${size}, and ${left} bytes are left of the body` : 'must be a number of bytes',
      );
      this.binaryAt = this.binary.length;
      return undefined;
    }
    this.binaryAt += size;
    return this.binary.subarray(this.binaryAt - size, this.binaryAt);
  }

  private jsonData(
    path: string,
    type: ElementType,
    shape: readonly number[],
    data: unknown,
  ): TensorData | undefined {
    const read = readTensor(type, shape, data);
    if (!(read instanceof TensorRefusal)) return read;
    return this.refuse(`${path}.data${read.at}`, read.message);
  }

  private binaryData(
    path: string,
    type: ElementType,
    shape: readonly number[],
    bytes: Uint8Array,
  ): TensorData | undefined {
    const count = shape.reduce((product, dim) => product * dim, 1);
    const read = tensorOfBytes(type, count, bytes);
    return typeof read === 'string' ? this.refuse(`${path}.data`, read) : read;
  }

  private output(path: string, value: unknown, isBinary: boolean): [string, OutputForm][] {
    const output = this.fields(path, value, outputFields);
    const name = this.text(`${path}.name`, output?.['name'], true);
    const {
      binary_data: asked,
      classification,
      ...parameters
    } = this.parameters(`${path}.parameters`, output?.['parameters']);
    if (asksForClasses(classification)) this.refuse(`${path}.parameters.classification`, noClasses);
    const own = this.flag(`${path}.parameters.binary_data`, asked);
    return name === undefined ? [] : [[name, { isBinary: own ?? isBinary, parameters }]];
  }

  /** Microseconds, as the protocol has it; 0 = no limit of the caller's own. */
  private timeoutMs(timeout: JsonValue): number | undefined {
    if (timeout === undefined || timeout === 0) return undefined;
    if (typeof timeout === 'number' && Number.isInteger(timeout) && timeout > 0) return timeout / 1000;
    return this.refuse('parameters.timeout', 'must be a whole number of microseconds');
  }

  private fields(path: string, value: unknown, known: readonly string[]): JsonObject | undefined {
    const at = path === '' ? 'body' : path;
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      return this.refuse(at, 'must be an object');
    for (const name of Object.keys(value)) {
      if (known.includes(name)) continue;
      const hint = suggestName(name, known, 'its fields');
      this.refuse(at, `has a field "${shortName(name)}" that is not known; ${hint}`);
    }
    return value as JsonObject;
  }

  private list(path: string, value: JsonValue): readonly unknown[] {
    if (Array.isArray(value)) return value;
    this.refuse(path, value === undefined ? 'is missing' : 'must be an array');
    return [];
  }

  private text(path: string, value: JsonValue, isNeeded = false): string | undefined {
    if (typeof value === 'string') return value;
    if (value === undefined) return isNeeded ? this.refuse(path, 'is missing') : undefined;
    return this.refuse(path, 'must be a string');
  }

  private flag(path: string, value: JsonValue): boolean | undefined {
    if (value === undefined || typeof value === 'boolean') return value;
    return this.refuse(path, 'must be true or false');
  }

  private shape(path: string, value: JsonValue): number[] | undefined {
    if (Array.isArray(value) && value.every(isDim)) return value;
    return this.refuse(path, value === undefined ? 'is missing' : 'must be an array of whole numbers from 0');
  }

  private parameters(path: string, value: JsonValue): JsonObject {
    if (value === undefined || value === null) return {};
    if (typeof value === 'object' && !Array.isArray(value)) return value as JsonObject;
    this.refuse(path, 'must be an object');
    return {};
  }

  private refuse(path: string, message: string): undefined {
    this.details.push({ path, message });
    return undefined;
  }
}
