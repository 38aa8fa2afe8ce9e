/**
 * The cells of files as values. Text (CSV) is converted by the type of the feature; typed cells (NDJSON, Parquet) are
 * only brought into the form that `decodeValue` takes. All that is judged about a value is judged there.
 *
 * null is a missing value. So is NaN in a typed cell, and `nan` in a text cell of a number, in whatever case: that is
 * how data frames write a missing number.
 */
import type { DataType, ScalarName } from '../../project/data-type.ts';
import { formatDataType } from '../../project/data-type.ts';
import type { Value } from '../../project/value.ts';
import { decodeValue, Refusal } from '../../project/value.ts';
import type { FeatureFile } from './feature-file.ts';

const SHOWN_CHARS_MAX = 40;

export type CellDecoder = (cell: unknown) => Value | Refusal;

export function createCellDecoder(type: DataType, cells: FeatureFile['cells']): CellDecoder {
  const prepare =
    cells === 'values' ? prepareTyped : type.length === undefined ? textParsers[type.scalar] : parseVector;
  return (cell) => {
    const prepared = prepare(cell, type);
    return prepared === null || prepared instanceof Refusal ? prepared : decodeValue(type, prepared);
  };
}

// Event times before 1973 or after 5138 in milliseconds are seconds, or microseconds.
const EVENT_TIME_MS_MIN = 1e11;
const EVENT_TIME_MS_MAX = 1e14;

/** Like the decoder of a timestamp, but null is refused, and so are numbers that can hardly be milliseconds. */
export function createEventTimeDecoder(cells: FeatureFile['cells']): CellDecoder {
  const decode = createCellDecoder({ scalar: 'timestamp', length: undefined }, cells);
  return (cell) => {
    const value = decode(cell);
    if (value === null) return new Refusal('is empty, and every row needs an event time');
    const isNumber =
      typeof cell === 'number' || typeof cell === 'bigint' || /^\s*-?\d+\s*$/.test(String(cell));
    if (typeof value !== 'number' || !isNumber) return value;
    if (value >= EVENT_TIME_MS_MIN && value <= EVENT_TIME_MS_MAX) return value;
    return new Refusal(`must be ISO 8601 or milliseconds since 1970, and ${String(cell)} is another unit`);
  };
}

/** Like the decoder of a feature, but a key cannot be empty. */
export function createJoinKeyDecoder(type: DataType, cells: FeatureFile['cells']): CellDecoder {
  const decode = createCellDecoder(type, cells);
  return (cell) => {
    const value = decode(cell);
    return value === null || value === ''
      ? new Refusal('is empty, and every row needs its join keys')
      : value;
  };
}

function prepareTyped(cell: unknown, type: DataType): unknown {
  if (cell === null || cell === undefined || Number.isNaN(cell)) return null;
  if (type.length !== undefined) return prepareVector(cell, type.scalar);
  if (cell instanceof Uint8Array) return new Refusal('is binary, or text that is not UTF-8');
  return prepareNumber(cell, type.scalar);
}

function prepareVector(cell: unknown, scalar: ScalarName): unknown {
  if (!Array.isArray(cell)) return cell;
  return cell.map((element: unknown) => prepareNumber(element, scalar));
}

function prepareNumber(cell: unknown, scalar: ScalarName): unknown {
  return typeof cell === 'bigint' && scalar !== 'int64' ? Number(cell) : cell;
}

type TextParser = (cell: unknown, type: DataType) => unknown;

/** Space around anything but a string means nothing. */
function trimmed(parse: (text: string, type: DataType) => unknown): TextParser {
  return (cell, type) => {
    const text = typeof cell === 'string' ? cell.trim() : '';
    return text === '' ? null : parse(text, type);
  };
}

const parseFloating = trimmed((text) => {
  if (/^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text)) return Number(text);
  return /^nan$/i.test(text) ? null : new Refusal(`must be a number, not ${shown(text)}`);
});

const textParsers: Readonly<Record<ScalarName, TextParser>> = {
  string: (cell) => cell,
  float32: parseFloating,
  float64: parseFloating,
  // A data frame with missing integers writes the others as `7.0`.
  int64: trimmed((text) => {
    const digits = /^([+-]?\d{1,40})(?:\.0*)?$/.exec(text)?.[1];
    if (digits !== undefined) return BigInt(digits.replace('+', ''));
    return /^nan$/i.test(text) ? null : new Refusal(`must be an integer, not ${shown(text)}`);
  }),
  bool: trimmed((text) => {
    if (/^(?:true|1)$/i.test(text)) return true;
    return /^(?:false|0)$/i.test(text)
      ? false
      : new Refusal(`must be true, false, 1 or 0, not ${shown(text)}`);
  }),
  timestamp: trimmed((text) => (/^-?\d{1,17}$/.test(text) ? Number(text) : text)),
};

const parseVector = trimmed((text, type) => {
  try {
    const vector: unknown = JSON.parse(text);
    if (Array.isArray(vector)) return vector as unknown[];
  } catch {
    // Whatever else the text is, the sentence is the same.
  }
  return new Refusal(
    `must be a JSON array for ${formatDataType(type)}, such as [0.5, 1], not ${shown(text)}`,
  );
});

function shown(text: string): string {
  return JSON.stringify(text.length <= SHOWN_CHARS_MAX ? text : `${text.slice(0, SHOWN_CHARS_MAX)}…`);
}
