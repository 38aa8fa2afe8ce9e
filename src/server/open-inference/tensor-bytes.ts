/**
 * Tensors as bytes, little-endian, row by row: numbers as they lie in memory, a bool as one byte, a string as the number
 * of its bytes in four and then its UTF-8.
 */
import { isUtf8 } from 'node:buffer';
import type { ElementType, NumericData, TensorData } from '../../inference/session.ts';
import { elementBytes, viewOf } from '../../inference/tensor-buffer.ts';

const LENGTH_BYTES = 4;

/**
 * Reads a tensor in place where its bytes are aligned to its elements, else from a copy.
 * @param count of its elements
 * @returns a sentence that follows the tensor's path if the bytes are not such a tensor
 */
export function tensorOfBytes(
  elementType: ElementType,
  count: number,
  bytes: Uint8Array,
): TensorData | string {
  if (elementType === 'string') return stringsOfBytes(count, bytes);
  const size = elementBytes(elementType);
  if (bytes.length !== count * size)
    return `has ${bytes.length} bytes, and ${count} elements take ${count * size}`;
  if (elementType === 'bool' && bytes.some((byte) => byte > 1)) return 'has a byte that is neither 0 nor 1';
  const aligned = bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes);
  return viewOf(elementType, aligned.buffer as ArrayBuffer, aligned.byteOffset, count);
}

function stringsOfBytes(count: number, bytes: Uint8Array): string[] | string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const strings: string[] = [];
  let at = 0;
  while (at < buffer.length) {
    if (strings.length === count)
      return `has ${buffer.length - at} bytes more than its ${count} elements take`;
    const start = at + LENGTH_BYTES;
    const end = start > buffer.length ? Infinity : start + buffer.readUInt32LE(at);
    if (end > buffer.length) return `ends inside of element ${strings.length}`;
    const text = textOf(buffer.subarray(start, end));
    if (text === undefined) return `has an element ${strings.length} that is not valid UTF-8`;
    strings.push(text);
    at = end;
  }
  return strings.length === count ? strings : `has ${strings.length} elements, and its shape has ${count}`;
}

/** Undefined = it is not valid UTF-8. */
export function textOf(bytes: Buffer): string | undefined {
  return isUtf8(bytes) ? bytes.toString('utf8') : undefined;
}

/** The tensor's own memory, if it is numeric. */
export function bytesOfTensor(data: TensorData): Buffer {
  if (!Array.isArray(data)) return bytesOfNumbers(data);
  const size = data.reduce((sum, text) => sum + LENGTH_BYTES + Buffer.byteLength(text), 0);
  const bytes = Buffer.allocUnsafe(size);
  let at = 0;
  for (const text of data) {
    const length = bytes.write(text, at + LENGTH_BYTES, 'utf8');
    bytes.writeUInt32LE(length, at);
    at += LENGTH_BYTES + length;
  }
  return bytes;
}

function bytesOfNumbers(data: NumericData): Buffer {
  return Buffer.from(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
}
