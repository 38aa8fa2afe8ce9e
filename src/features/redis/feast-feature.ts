/**
 * Values of features between Feast's types and ours. Numbers are read from whatever numeric type Feast has, where
 * nothing of an integer is lost, and written as the type that the project file names. Bytes are read as base64, as in
 * Feast's HTTP answers. What is no finite number, or no date, has no value here: null.
 */
import type { DataType, ScalarName } from '../../project/data-type.ts';
import { formatDataType } from '../../project/data-type.ts';
import type { Scalar, Value } from '../../project/value.ts';
import { decodeFeastValue, encodeFeastValue } from './feast/feast-value.ts';
import type { FeastScalar, FeastType, FeastValue } from './feast/feast-value.ts';

interface Conversion {
  readonly written: FeastType;
  readonly read: readonly FeastType[];
}

const numbers: readonly FeastType[] = ['FLOAT', 'DOUBLE', 'INT32', 'INT64'];
const conversions: Readonly<Record<ScalarName, Conversion>> = {
  float32: { written: 'FLOAT', read: numbers },
  float64: { written: 'DOUBLE', read: numbers },
  int64: { written: 'INT64', read: ['INT64', 'INT32'] },
  string: { written: 'STRING', read: ['STRING', 'BYTES'] },
  bool: { written: 'BOOL', read: ['BOOL'] },
  timestamp: { written: 'UNIX_TIMESTAMP', read: ['UNIX_TIMESTAMP'] },
};
const MS_PER_SECOND = 1000;
// The range of ECMAScript's Date.
const TIMESTAMP_MS_MAX = 8.64e15;

/** @throws Error if the bytes are not a value, or not one of this type: a phrase such as `has STRING, not float64` */
export function readFeature(type: DataType, bytes: Buffer): Value {
  const feast = decodeFeastValue(bytes);
  if (feast === null) return null;
  const { value } = feast;
  const isReadable = conversions[type.scalar].read.includes(feast.type);
  if (!isReadable || lengthOf(value) !== type.length) {
    throw new Error(`has ${describe(feast)}, not ${formatDataType(type)}`);
  }
  if (!isList(value)) return readScalar(type.scalar, value);
  const vector = value.map((element) => readScalar(type.scalar, element));
  return vector.includes(null) ? null : (vector as (number | bigint)[]);
}

/** Timestamps lose what is finer than a second. */
export function writeFeature({ scalar }: DataType, value: Value): Buffer {
  if (value === null) return encodeFeastValue(null);
  const type = conversions[scalar].written;
  if (scalar === 'timestamp') {
    return encodeFeastValue({ type, value: Math.floor((value as number) / MS_PER_SECOND) });
  }
  return encodeFeastValue({ type, value });
}

function readScalar(scalar: ScalarName, value: FeastScalar): Scalar | null {
  switch (scalar) {
    case 'float64':
      return finite(Number(value));
    case 'float32':
      return finite(Math.fround(Number(value)));
    case 'timestamp': {
      const timeMs = Number(value) * MS_PER_SECOND;
      return Math.abs(timeMs) <= TIMESTAMP_MS_MAX ? timeMs : null;
    }
    default:
      return Buffer.isBuffer(value) ? value.toString('base64') : value;
  }
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

function isList(value: FeastValue['value']): value is readonly FeastScalar[] {
  return Array.isArray(value);
}

function lengthOf(value: FeastValue['value']): number | undefined {
  return isList(value) ? value.length : undefined;
}

function describe({ type, value }: FeastValue): string {
  return isList(value) ? `${type}_LIST of ${value.length}` : type;
}
