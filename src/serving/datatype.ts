/** The names that tensors' types have in the Open Inference Protocol. */
import type { ElementType } from '../inference/session.ts';

export const datatypes = {
  bool: 'BOOL',
  uint8: 'UINT8',
  uint16: 'UINT16',
  uint32: 'UINT32',
  uint64: 'UINT64',
  int8: 'INT8',
  int16: 'INT16',
  int32: 'INT32',
  int64: 'INT64',
  float16: 'FP16',
  float32: 'FP32',
  float64: 'FP64',
  string: 'BYTES',
} as const satisfies Record<ElementType, string>;

const elementTypeOf: ReadonlyMap<string, ElementType> = new Map(
  Object.entries(datatypes).map(([elementType, datatype]) => [datatype, elementType as ElementType]),
);

/** Undefined = there is no such datatype, or it is not served. */
export function parseDatatype(text: string): ElementType | undefined {
  return elementTypeOf.get(text);
}
