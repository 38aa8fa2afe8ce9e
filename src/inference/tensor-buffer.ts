/** Memory for tensors: rows are written into it one after the other, and runs read parts of it in place. */
import type { ElementType, TensorData } from './session.ts';

/** Elements that are all zero, false or the empty string. */
export function createBuffer(elementType: ElementType, length: number): TensorData {
  switch (elementType) {
    case 'float32':
      return new Float32Array(length);
    case 'float64':
      return new Float64Array(length);
    case 'int64':
      return new BigInt64Array(length);
    case 'bool':
      return new Uint8Array(length);
    case 'string':
      return new Array<string>(length).fill('');
  }
}

/** A part of a buffer, without a copy except of strings, which the runtime copies anyway. */
export function bufferPart(data: TensorData, from: number, to: number): TensorData {
  return Array.isArray(data) ? data.slice(from, to) : data.subarray(from, to);
}
