/**
 * Tensors as JSON: numbers, true and false, or strings, row by row. JSON has no NaN and no infinities: both are null in
 * answers, and null is NaN in requests; who has to tell them apart asks for binary tensors.
 */
import { float16ToNumber, numberToFloat16 } from '../../inference/float16.ts';
import type { ElementType, TensorData } from '../../inference/session.ts';
import { createBuffer } from '../../inference/tensor-buffer.ts';
import { shortShape } from '../../project/problem-list.ts';
import { datatypes } from '../../serving/datatype.ts';

/** Why a tensor cannot be read: where in it, as `[1][0]`, and a sentence that follows. */
export class TensorRefusal {
  readonly at: string;
  readonly message: string;

  constructor(at: string, message: string) {
    this.at = at;
    this.message = message;
  }
}

/** @param data flat, or nested as `shape` says */
export function readTensor(
  elementType: ElementType,
  shape: readonly number[],
  data: unknown,
): TensorData | TensorRefusal {
  if (!Array.isArray(data)) return new TensorRefusal('', 'must be an array');
  const elements: unknown[] = [];
  const ragged = Array.isArray(data[0]) ? flatten(data, shape, 0, '', elements) : undefined;
  if (ragged !== undefined) return ragged;
  const flat: readonly unknown[] = Array.isArray(data[0]) ? elements : data;
  const count = shape.reduce((product, dim) => product * dim, 1);
  if (flat.length !== count)
    return new TensorRefusal(
      '',
      `has ${flat.length} elements, and the shape ${shortShape(shape)} has ${count}`,
    );
  const tensor = createBuffer(elementType, count);
  const write = writers[elementType];
  for (let i = 0; i < count; i++) {
    if (!write(tensor, i, flat[i]))
      return new TensorRefusal(`[${i}]`, `is ${shown(flat[i])}, which is no ${datatypes[elementType]}`);
  }
  return tensor;
}

function flatten(
  nested: readonly unknown[],
  shape: readonly number[],
  depth: number,
  at: string,
  into: unknown[],
): TensorRefusal | undefined {
  const wanted = shape[depth];
  const isInnermost = depth === shape.length - 1;
  if (wanted === undefined)
    return new TensorRefusal(at, `is nested deeper than the shape ${shortShape(shape)}`);
  if (nested.length !== wanted)
    return new TensorRefusal(
      at,
      `has ${nested.length} elements, and the shape ${shortShape(shape)} has ${wanted}`,
    );
  for (let i = 0; i < nested.length; i++) {
    const element = nested[i];
    if (isInnermost && !Array.isArray(element)) into.push(element);
    else if (!Array.isArray(element))
      return new TensorRefusal(
        `${at}[${i}]`,
        `must be an array, as the shape ${shortShape(shape)} has ${shape.length} dimensions`,
      );
    else {
      const ragged = flatten(element, shape, depth + 1, `${at}[${i}]`, into);
      if (ragged !== undefined) return ragged;
    }
  }
  return undefined;
}

function shown(value: unknown): string {
  if (typeof value === 'bigint') return String(value);
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}

/** Writes a value of JSON into a tensor; false = it is not of the type. */
type Write = (tensor: TensorData, at: number, value: unknown) => boolean;

function integers(min: number, max: number): Write {
  return (tensor, at, value) => {
    if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) return false;
    (tensor as Int32Array)[at] = value;
    return true;
  };
}

function bigIntegers(min: bigint, max: bigint): Write {
  return (tensor, at, value) => {
    const isInteger = typeof value === 'bigint' || (typeof value === 'number' && Number.isInteger(value));
    const exact = isInteger ? BigInt(value) : undefined;
    if (exact === undefined || exact < min || exact > max) return false;
    (tensor as BigInt64Array)[at] = exact;
    return true;
  };
}

/** @param encode gives what the tensor holds; undefined = it is too large */
function floats(encode: (value: number) => number | undefined): Write {
  return (tensor, at, value) => {
    const number = typeof value === 'bigint' ? Number(value) : value;
    if (number !== null && (typeof number !== 'number' || !Number.isFinite(number))) return false;
    const encoded = encode(number ?? Number.NaN);
    if (encoded === undefined) return false;
    (tensor as Float64Array)[at] = encoded;
    return true;
  };
}

const FLOAT16_INFINITY = 0x7c00;

const writers: Readonly<Record<ElementType, Write>> = {
  int8: integers(-0x80, 0x7f),
  int16: integers(-0x8000, 0x7fff),
  int32: integers(-0x8000_0000, 0x7fff_ffff),
  int64: bigIntegers(-(2n ** 63n), 2n ** 63n - 1n),
  uint8: integers(0, 0xff),
  uint16: integers(0, 0xffff),
  uint32: integers(0, 0xffff_ffff),
  uint64: bigIntegers(0n, 2n ** 64n - 1n),
  float64: floats((value) => value),
  float32: floats((value) =>
    Number.isFinite(value) && !Number.isFinite(Math.fround(value)) ? undefined : value,
  ),
  float16: floats((value) => {
    const bits = numberToFloat16(value);
    return (bits & 0x7fff) === FLOAT16_INFINITY ? undefined : bits;
  }),
  bool: (tensor, at, value) => {
    if (value !== true && value !== false && value !== 0 && value !== 1) return false;
    (tensor as Uint8Array)[at] = Number(value);
    return true;
  },
  string: (tensor, at, value) => {
    if (typeof value !== 'string' || !value.isWellFormed()) return false;
    (tensor as string[])[at] = value;
    return true;
  },
};

/** A flat array. */
export function tensorText(elementType: ElementType, data: TensorData): string {
  if (Array.isArray(data)) return `[${data.map((text) => JSON.stringify(text)).join(',')}]`;
  switch (elementType) {
    case 'bool':
      return `[${Array.from(data as Uint8Array, (value) => value !== 0).join(',')}]`;
    case 'float16':
      return `[${Array.from(data as Uint16Array, (bits) => numberText(float16ToNumber(bits))).join(',')}]`;
    case 'float32':
    case 'float64':
      return `[${Array.from(data as Float64Array, numberText).join(',')}]`;
    default:
      return `[${data.join(',')}]`;
  }
}

function numberText(value: number): string {
  return Number.isFinite(value) ? String(value) : 'null';
}
