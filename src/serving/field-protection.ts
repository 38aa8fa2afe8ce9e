/**
 * What of a request's row may be kept: its fields, but for those that the project file leaves out, and with those that
 * it names hashed. Entity keys are made of what is kept, so what is protected does not appear in them either.
 *
 * A hash is the first 128 bits of HMAC-SHA256 of the value as text. The key is made when the first log is, and lies
 * beside it: the same value has the same hash in every field and endpoint, so rows can still be counted and joined by
 * it. Whoever has the log alone cannot try all ids; whoever has the data folder can.
 */
import { createHmac } from 'node:crypto';
import type { LoggedValue } from '../events/prediction-events.ts';
import type { Endpoint, Feature } from '../project/project.ts';
import type { Value } from '../project/value.ts';

export interface FieldProtection {
  /** Names of what is kept, in order. */
  readonly fields: readonly string[];
  readonly hashed: readonly string[];
  /** The values that are kept of each row. */
  keep(rows: readonly (readonly Value[])[]): readonly (readonly LoggedValue[])[];
}

const HASH_CHARS = 22;

export function createFieldProtection({ request, log }: Endpoint, hashKey: Buffer): FieldProtection {
  const kept = request.filter(({ name }) => !log.leaveOut.includes(name));
  const isHashed = kept.map(({ name }) => log.hash.includes(name));
  const hasBigints = kept.some(({ type }) => type.scalar === 'int64');
  const isPlain = kept.length === request.length && !isHashed.includes(true) && !hasBigints;

  function keepRow(row: readonly Value[]): LoggedValue[] {
    return kept.map(({ index }, i) => {
      const value = loggedValue(row[index] ?? null);
      return isHashed[i] === true && value !== null ? hashOf(value, hashKey) : value;
    });
  }

  return {
    fields: kept.map(({ name }) => name),
    hashed: kept.filter((_, i) => isHashed[i]).map(({ name }) => name),
    // Without an int64 and with nothing protected, a row is what JSON takes.
    keep: (rows) => (isPlain ? (rows as readonly (readonly LoggedValue[])[]) : rows.map(keepRow)),
  };
}

/** JSON has no int64: beyond 2^53 it is its digits, as in requests. */
export function loggedValue(value: Value): LoggedValue {
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'object' || value === null) return value;
  return value.map((element) => (typeof element === 'bigint' ? String(element) : element));
}

/** Of a unit: a field that is hashed or left out, and what names a session, is hashed. */
export function createUnitProtection({ unit, log }: Endpoint, hashKey: Buffer): (unit: string) => string {
  const isKept = unit?.kind === 'field' && !log.hash.includes(unit.name) && !log.leaveOut.includes(unit.name);
  return isKept ? (text) => text : remembered((text) => hashOf(text, hashKey));
}

const REMEMBERED_MAX = 50_000;

/** A hash takes longer than all else that a request costs, and units come again. */
function remembered(hash: (text: string) => string): (text: string) => string {
  const known = new Map<string, string>();
  return (text) => {
    const before = known.get(text);
    if (before !== undefined) return before;
    if (known.size >= REMEMBERED_MAX) known.clear();
    const made = hash(text);
    known.set(text, made);
    return made;
  };
}

/** A feature as it is logged: protected ones as their hash. */
export function loggedFeature(
  { isProtected }: Pick<Feature, 'isProtected'>,
  value: Value,
  hashKey: Buffer,
): LoggedValue {
  const logged = loggedValue(value);
  return isProtected === true && logged !== null ? hashOf(logged, hashKey) : logged;
}

/** What stands in the log for a value that is hashed. */
function hashOf(value: LoggedValue, key: Buffer): string {
  return createHmac('sha256', key).update(String(value)).digest('base64url').slice(0, HASH_CHARS);
}
