/**
 * The types of features, request fields and expressions: six scalars, and vectors of numbers such as `float32[64]`.
 */

export const scalarNames = ['float32', 'float64', 'int64', 'string', 'bool', 'timestamp'] as const;

export type ScalarName = (typeof scalarNames)[number];

export interface DataType {
  readonly scalar: ScalarName;
  /** Number of elements of a vector; undefined for a scalar. */
  readonly length: number | undefined;
}

const VECTOR_LENGTH_MAX = 65_536;
const vectorScalars: ReadonlySet<ScalarName> = new Set<ScalarName>(['float32', 'float64', 'int64']);

/** Parses `float64`, `string`, `float32[64]` …; returns a sentence that says what is wrong instead of throwing. */
export function parseDataType(text: string): DataType | string {
  const match = /^([a-z0-9]+)(?:\[(\d+)\])?$/.exec(text);
  const scalar = scalarNames.find((name) => name === match?.[1]);
  if (match === null || scalar === undefined) {
    return `"${text}" is not a type; types are ${scalarNames.join(', ')} and vectors such as float32[64]`;
  }
  if (match[2] === undefined) return { scalar, length: undefined };
  const length = Number(match[2]);
  if (!vectorScalars.has(scalar)) return `a vector holds float32, float64 or int64, not ${scalar}`;
  if (length < 1 || length > VECTOR_LENGTH_MAX) {
    return `a vector has 1 to ${VECTOR_LENGTH_MAX} elements, not ${match[2]}`;
  }
  return { scalar, length };
}

export function formatDataType(type: DataType): string {
  return type.length === undefined ? type.scalar : `${type.scalar}[${type.length}]`;
}
