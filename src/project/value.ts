/**
 * Values of features and request fields as the process holds them, and the one decoder that turns outside data (JSON
 * bodies, pushes, files) into them.
 *
 * float32, float64   number, always finite; float32 is rounded to the nearest float32
 * int64              number while it is a safe integer, bigint beyond 2^53 - 1: equal values are always `===`
 * string             well-formed Unicode (a lone surrogate would collide with others once written as UTF-8)
 * bool               boolean
 * timestamp          milliseconds since 1970-01-01T00:00:00Z, number
 * vectors            array of such numbers
 * missing            null
 */
import type { DataType, ScalarName } from './data-type.ts';
import { formatDataType } from './data-type.ts';

export type Scalar = number | bigint | string | boolean;
export type Value = Scalar | readonly (number | bigint)[] | null;

/** The reason why a value was refused: a sentence that follows the field's path. */
export class Refusal {
  readonly reason: string;
  constructor(reason: string) {
    this.reason = reason;
  }
}

/** A stored string is repeated for every row that names its entity, so that a few large ones make a huge answer. */
const STRING_LENGTH_MAX = 65_536;
const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;
const FLOAT32_MAX = 3.4028234663852886e38;
// The range of ECMAScript's Date.
const TIMESTAMP_MS_MAX = 8.64e15;
const isoTimestamp =
  /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)(Z|[+-]\d{2}:?\d{2})?)?$/i;

/**
 * Decodes one JSON-like value. A `null` is the caller's business (a null feature value, a missing field) and is
 * refused here. Integers as decimal strings and bigints are taken for int64, so that nothing is lost beyond 2^53.
 */
export function decodeValue(type: DataType, input: unknown): Exclude<Value, null> | Refusal {
  if (type.length === undefined) return decodeScalar(type.scalar, input);
  if (!Array.isArray(input))
    return new Refusal(`must be an array of ${type.length} numbers, ${kindOf(input)}`);
  if (input.length !== type.length) {
    return new Refusal(`must have ${type.length} elements (${formatDataType(type)}), not ${input.length}`);
  }
  const vector: (number | bigint)[] = new Array<number>(type.length);
  for (let i = 0; i < type.length; i++) {
    const element = decodeScalar(type.scalar, input[i]);
    if (element instanceof Refusal) return new Refusal(`has a bad element [${i}]: ${element.reason}`);
    vector[i] = element as number | bigint;
  }
  return vector;
}

export function decodeScalar(scalar: ScalarName, input: unknown): Scalar | Refusal {
  switch (scalar) {
    case 'float64':
      if (typeof input === 'number' && Number.isFinite(input)) return input;
      return new Refusal(numberProblem(input));
    case 'float32':
      if (typeof input === 'number' && Number.isFinite(input)) {
        if (Math.abs(input) > FLOAT32_MAX) return new Refusal('is too large for float32');
        return Math.fround(input);
      }
      return new Refusal(numberProblem(input));
    case 'int64':
      return decodeInt64(input);
    case 'string':
      if (typeof input !== 'string') return new Refusal(`must be a string, ${kindOf(input)}`);
      if (input.length > STRING_LENGTH_MAX)
        return new Refusal(`is longer than ${STRING_LENGTH_MAX} characters`);
      if (!input.isWellFormed())
        return new Refusal('holds half of a surrogate pair, which is not valid Unicode');
      return input;
    case 'bool':
      return typeof input === 'boolean' ? input : new Refusal(`must be true or false, ${kindOf(input)}`);
    case 'timestamp':
      return decodeTimestamp(input);
  }
}

/** The canonical form of an integer: number while safe, else bigint. The caller has checked the int64 range. */
export function canonicalInt64(value: bigint): number | bigint {
  const asNumber = Number(value);
  return Number.isSafeInteger(asNumber) ? asNumber : value;
}

function decodeInt64(input: unknown): Scalar | Refusal {
  if (typeof input === 'number') {
    // Adding 0 turns -0 into 0: equal integers must make equal keys.
    if (Number.isSafeInteger(input)) return input + 0;
    if (!Number.isInteger(input)) return new Refusal(`must be an integer, not ${input}`);
    return new Refusal('is beyond 2^53, where JSON numbers lose digits: send it as a string of digits');
  }
  if (typeof input === 'string' && /^-?\d{1,19}$/.test(input)) return boundedInt64(BigInt(input));
  if (typeof input === 'bigint') return boundedInt64(input);
  if (typeof input === 'string') return new Refusal('must be an integer or a string of digits');
  return new Refusal(`must be an integer, ${kindOf(input)}`);
}

function boundedInt64(value: bigint): number | bigint | Refusal {
  if (value < INT64_MIN || value > INT64_MAX) return new Refusal('is outside the range of int64');
  return canonicalInt64(value);
}

/**
 * A timestamp: milliseconds since 1970 as a number, a Date, or ISO 8601 (`2001-03-09`, `2001-03-09T14:05:00Z`,
 * `2001-03-09 14:05:00+01:00`). Without an offset it is UTC. Digits below a millisecond are dropped.
 */
function decodeTimestamp(input: unknown): number | Refusal {
  if (typeof input === 'number') {
    if (Math.abs(input) <= TIMESTAMP_MS_MAX) return Math.trunc(input) + 0;
    return new Refusal('must be milliseconds since 1970 within the range of a date');
  }
  if (input instanceof Date && Number.isFinite(input.getTime())) return input.getTime();
  if (typeof input !== 'string')
    return new Refusal(`must be ISO 8601 or milliseconds since 1970, ${kindOf(input)}`);
  const usualMs = decodeUsualTimestamp(input);
  if (usualMs !== undefined) return usualMs;
  const match = isoTimestamp.exec(input);
  if (match !== null) {
    const [, date, time = '00:00', offset = 'Z'] = match;
    const ms = Date.parse(
      `${date}T${time}${offset.length === 5 ? `${offset.slice(0, 3)}:${offset.slice(3)}` : offset.toUpperCase()}`,
    );
    // Date.parse rolls February 30th over into March; the day must be one that exists.
    const existing = new Date(Date.parse(`${date}T00:00Z`));
    if (!Number.isNaN(ms) && existing.toISOString().startsWith(date ?? '')) return ms;
  }
  return new Refusal('must be ISO 8601, such as 2001-03-09T14:05:00Z, or milliseconds since 1970');
}

const DIGIT_ZERO = 0x30;

/**
 * The form that most programs write, `2001-03-09T14:05:00Z`; anything else is undefined. Takes 0.05 us, where the
 * regular expression and the checks of the date take 1.3 us (Node 20).
 */
function decodeUsualTimestamp(text: string): number | undefined {
  if (text.length !== 20 || text[4] !== '-' || text[7] !== '-' || text[10] !== 'T') return undefined;
  if (text[13] !== ':' || text[16] !== ':' || text[19] !== 'Z') return undefined;
  const year = 100 * twoDigits(text, 0) + twoDigits(text, 2);
  const [month, day] = [twoDigits(text, 5), twoDigits(text, 8)];
  const [hour, minute, second] = [twoDigits(text, 11), twoDigits(text, 14), twoDigits(text, 17)];
  // Comparisons with NaN are false. Days that not every month has, and years that Date.UTC takes for others, are rare.
  const isDate = year >= 100 && month >= 1 && month <= 12 && day >= 1 && day <= 28;
  if (!isDate || !(hour <= 23 && minute <= 59 && second <= 59)) return undefined;
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

/** NaN if they are not digits. */
function twoDigits(text: string, at: number): number {
  const tens = text.charCodeAt(at) - DIGIT_ZERO;
  const ones = text.charCodeAt(at + 1) - DIGIT_ZERO;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? 10 * tens + ones : NaN;
}

function numberProblem(input: unknown): string {
  if (typeof input === 'number') return 'must be finite';
  if (typeof input === 'string') return 'must be a number, not a string';
  return `must be a number, ${kindOf(input)}`;
}

function kindOf(input: unknown): string {
  if (input === null) return 'not null';
  if (input === undefined) return 'and is missing';
  if (Array.isArray(input)) return 'not an array';
  return `not ${typeof input === 'object' ? 'an object' : `a ${typeof input}`}`;
}
