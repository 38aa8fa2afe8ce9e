/**
 * What a file of keys holds, as JSON:
 *
 *     {"keys": [{"id": "0f…", "name": "shop", "scopes": ["predict"], "sha256": "9a…", "created": "2026-01-01T00:00:00.000Z",
 *                "expires": "2026-04-01T00:00:00.000Z", "rate": {"per_second": 100, "burst": 200}}]}
 *
 * `expires` and `rate` may be left out. Secrets are not in it, only their digests, so who reads the file has no key.
 */
import type { ErrorDetail } from '../errors.ts';
import { MillraceError } from '../errors.ts';
import type { JsonRecord } from '../project/json-record.ts';
import { isRecord } from '../project/json-record.ts';
import { shortName } from '../project/problem-list.ts';
import { parseStrictJson } from '../project/strict-json.ts';
import { suggestName } from '../project/suggestion.ts';
import { keyIdPattern } from './key-text.ts';
import type { RateLimit } from './rate-limit.ts';
import { scopes } from './scope.ts';
import type { Scope } from './scope.ts';

export interface KeyRecord {
  readonly id: string;
  /** For people, in lists and logs. Several keys may have one: the old and the new one of a rotation. */
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** The digest of the secret, as 64 hexadecimal digits. */
  readonly sha256: string;
  readonly createdMs: number;
  /** From then on it is not valid; undefined = it never expires. */
  readonly expiresMs: number | undefined;
  /** Undefined = as often as it likes. */
  readonly rate: RateLimit | undefined;
}

/** Of calls in a second, and of a burst: beyond it, no limit limits. */
export const RATE_MAX = 1_000_000;

const MISTAKES_MAX = 20;
const NAME_CHARS_MAX = 100;
/** Letters of all languages, signs, and spaces within: no control characters, which would forge lines of a terminal. */
const namePattern = /^[^\p{C}\s]+( [^\p{C}\s]+)*$/u;
const keyFields: ReadonlySet<string> = new Set([
  'id',
  'name',
  'scopes',
  'sha256',
  'created',
  'expires',
  'rate',
]);

export function isKeyName(name: string): boolean {
  return name.length <= NAME_CHARS_MAX && namePattern.test(name);
}

export function isScope(name: unknown): name is Scope {
  return (scopes as readonly unknown[]).includes(name);
}

export function formatKeyRecords(records: readonly KeyRecord[]): string {
  return `${JSON.stringify({ keys: records.map(toJson) }, undefined, 2)}\n`;
}

/**
 * @param file as the messages name it
 * @throws MillraceError KEYS_FAILED, which names every mistake with its path
 */
export function parseKeyRecords(bytes: Buffer, file: string): readonly KeyRecord[] {
  const mistakes: ErrorDetail[] = [];
  const note: Note = (path, message) => {
    if (mistakes.length < MISTAKES_MAX) mistakes.push({ path, message });
  };
  const records = readKeys(parseJson(bytes, file), note);
  if (mistakes.length === 0) return records;
  const lines = mistakes.map(({ path, message }) => `  ${file}  ${path}  ${message}`);
  const count = mistakes.length === 1 ? 'a mistake' : `${mistakes.length} mistakes`;
  const text = [`The file of keys has ${count}:`, ...lines].join('\n');
  throw new MillraceError('KEYS_FAILED', text, { details: mistakes });
}

type Note = (path: string, message: string) => void;

function parseJson(bytes: Buffer, file: string): unknown {
  try {
    return parseStrictJson(bytes);
  } catch (error) {
    const sentence = `${file} is no file of keys: ${(error as Error).message}`;
    throw new MillraceError('KEYS_FAILED', sentence, { cause: error });
  }
}

function readKeys(data: unknown, note: Note): readonly KeyRecord[] {
  if (!isRecord(data) || !Array.isArray(data['keys'])) {
    note('keys', 'must be a list of keys');
    return [];
  }
  for (const name of Object.keys(data))
    if (name !== 'keys') note(shortName(name), 'is unknown; the only field is "keys"');
  const ids = new Set<string>();
  return data['keys'].flatMap((key: unknown, index) => {
    const path = `keys[${index}]`;
    if (!isRecord(key)) {
      note(path, 'must be an object');
      return [];
    }
    const record = readKey(key, path, note);
    if (ids.has(record.id)) note(`${path}.id`, `"${shortName(record.id)}" stands in the file twice`);
    ids.add(record.id);
    return [record];
  });
}

function readKey(key: JsonRecord, path: string, note: Note): KeyRecord {
  for (const name of Object.keys(key)) {
    if (!keyFields.has(name))
      note(`${path}.${shortName(name)}`, `is unknown; ${suggestName(name, keyFields, 'fields')}`);
  }
  const { name, id, sha256 } = key;
  if (typeof id !== 'string' || !keyIdPattern.test(id))
    note(`${path}.id`, 'must be 16 digits of 0-9 and a-f');
  if (typeof name !== 'string' || !isKeyName(name))
    note(`${path}.name`, `must be a name of at most ${NAME_CHARS_MAX} characters`);
  if (typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256))
    note(`${path}.sha256`, 'must be 64 digits of 0-9 and a-f');
  return {
    id: String(id),
    name: String(name),
    sha256: String(sha256),
    scopes: readScopes(key['scopes'], `${path}.scopes`, note),
    createdMs: readTime(key['created'], `${path}.created`, note),
    expiresMs: key['expires'] === undefined ? undefined : readTime(key['expires'], `${path}.expires`, note),
    rate: key['rate'] === undefined ? undefined : readRate(key['rate'], `${path}.rate`, note),
  };
}

function readScopes(value: unknown, path: string, note: Note): readonly Scope[] {
  if (!Array.isArray(value)) {
    note(path, 'must be a list of scopes');
    return [];
  }
  const read: Scope[] = [];
  value.forEach((scope: unknown, index) => {
    const place = `${path}[${index}]`;
    if (isScope(scope)) read.push(scope);
    else if (typeof scope !== 'string') note(place, 'must be the name of a scope');
    else note(place, `"${shortName(scope)}" is unknown; ${suggestName(scope, scopes, 'scopes')}`);
  });
  if (new Set(read).size !== read.length) note(path, 'names a scope twice');
  return read;
}

function readTime(value: unknown, path: string, note: Note): number {
  const timeMs = typeof value === 'string' ? Date.parse(value) : NaN;
  const isTime = typeof value === 'string' && /^\d{4}-\d{2}-\d{2}T[\d:.]+Z$/.test(value);
  if (!isTime || Number.isNaN(timeMs)) note(path, 'must be a time such as "2026-01-31T12:00:00Z"');
  return timeMs;
}

function readRate(value: unknown, path: string, note: Note): RateLimit | undefined {
  if (!isRecord(value)) {
    note(path, 'must be an object with "per_second" and "burst"');
    return undefined;
  }
  for (const name of Object.keys(value)) {
    if (name !== 'per_second' && name !== 'burst')
      note(`${path}.${shortName(name)}`, 'is unknown; fields are per_second, burst');
  }
  const { per_second: perSecond, burst } = value;
  if (!isWithin(perSecond, 0)) note(`${path}.per_second`, `must be a number above 0, of at most ${RATE_MAX}`);
  if (!isWithin(burst, 1) && burst !== 1)
    note(`${path}.burst`, `must be a number of at least 1, and of at most ${RATE_MAX}`);
  return { perSecond: Number(perSecond), burst: Number(burst) };
}

/** Above the least value, which itself is not within. */
function isWithin(value: unknown, above: number): boolean {
  return typeof value === 'number' && value > above && value <= RATE_MAX;
}

function toJson({ id, name, scopes: allowed, sha256, createdMs, expiresMs, rate }: KeyRecord): JsonRecord {
  return {
    id,
    name,
    scopes: allowed,
    sha256,
    created: new Date(createdMs).toISOString(),
    ...(expiresMs !== undefined && { expires: new Date(expiresMs).toISOString() }),
    ...(rate !== undefined && { rate: { per_second: rate.perSecond, burst: rate.burst } }),
  };
}
