/** Memory for tensors: rows are written into it one after the other, and runs read parts of it in place. */
import type { ElementType, NumericData, TensorData } from './session.ts';

const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
} as const satisfies Record<Exclude<ElementType, 'string'>, unknown>;

/** Elements that are all zero, false or the empty string. */
export function createBuffer(elementType: ElementType, length: number): TensorData {
  return elementType === 'string' ? new Array<string>(length).fill('') : new arrays[elementType](length);
}

/** Bytes of an element in memory; a string has no such size. */
export function elementBytes(elementType: Exclude<ElementType, 'string'>): number {
  return arrays[elementType].BYTES_PER_ELEMENT;
}

/** Elements that lie in `buffer` from `byteOffset` on, which is a multiple of their size, in place. */
export function viewOf(
  elementType: Exclude<ElementType, 'string'>,
  buffer: ArrayBuffer,
  byteOffset: number,
  length: number,
): NumericData {
  return new arrays[elementType](buffer, byteOffset, length);
}

/** A part of a buffer, without a copy except of strings, which the runtime copies anyway. */
export function bufferPart(data: TensorData, from: number, to: number): TensorData {
  return Array.isArray(data) ? data.slice(from, to) : data.subarray(from, to);
}

/** Writes `count` elements of `from`, from `fromAt` on, into `to` at `toAt`; both hold the same type. */
export function copyElements(
  to: TensorData,
  toAt: number,
  from: TensorData,
  fromAt: number,
  count: number,
): void {
  if (Array.isArray(to)) {
    for (let i = 0; i < count; i++) to[toAt + i] = from[fromAt + i] as string;
    return;
  }
  (to as { set(values: unknown, at: number): void }).set(bufferPart(from, fromAt, fromAt + count), toAt);
}
