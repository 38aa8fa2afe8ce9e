/**
 * Feast's layout. One hash per entity key (feast/feast-key.ts) with the features of all views of this entity:
 *
 *   murmur3 of `view:feature`, 4 bytes, little-endian   the value (feast/feast-value.ts)
 *   `_ts:view`                                          the event time of the view's row (feast/feast-time.ts)
 *
 * A row is there if its event time is. A feature without a field was never written into it: a view that got a feature
 * later, say. Hashes of different features may be equal, and would then share a field; such views are refused.
 *
 * The name of a hash does not tell the entity, only its join keys. So two entities with the same join keys would share
 * hashes, which the cache does not expect; such are refused too.
 */
import { MillraceError } from '../../errors.ts';
import type { Entity, Feature, FeastSettings, FeatureView } from '../../project/project.ts';
import type { Value } from '../../project/value.ts';
import { decodeEntityKey } from '../entity-key.ts';
import type { Row, RowWrite, WriteOutcome } from '../online-store.ts';
import { readFeature, writeFeature } from './feast-feature.ts';
import { createFeastKeyFormat } from './feast/feast-key.ts';
import type { FeastKeyFormat, FeastKeyType } from './feast/feast-key.ts';
import { decodeFeastTime, encodeFeastTime } from './feast/feast-time.ts';
import { murmur3 } from './feast/murmur3.ts';
import type { RowLayout } from './row-layout.ts';

interface EntityKeys {
  readonly format: FeastKeyFormat;
  /** For keys that Feast cannot have: no row has such a name. */
  readonly unfit: FeastKeyFormat;
}

/**
 * Compares event times and stores, in one step for the whole hash. KEYS: the hash. ARGV, for each row in turn: the
 * number of arguments that follow for it, then field and value in turn; the first pair is the view's event time. Gives
 * 1 per row if it was stored, 0 if a later one stays.
 *
 * An integer is little-endian groups of seven bits; a negative one has ten of them, and is computed from its complement,
 * because a number is exact up to 2^53 only. Bytes that are no event time are older than any.
 */
const writeScript = `
local function varint(bytes, at)
  local value, complement, scale = 0, 0, 1
  for i = at, at + 8 do
    local byte = string.byte(bytes, i)
    if not byte then return nil end
    if byte < 128 then return value + byte * scale, i + 1 end
    value = value + (byte - 128) * scale
    complement = complement + (255 - byte) * scale
    scale = scale * 128
  end
  if string.byte(bytes, at + 9) ~= 1 then return nil end
  return -complement - 1, at + 10
end
local function event_time(bytes)
  local seconds, nanos, at = 0, 0, 1
  while at <= #bytes do
    local tag = string.byte(bytes, at)
    local value, after = varint(bytes, at + 1)
    if value and tag == 8 then seconds = value
    elseif value and tag == 16 then nanos = value
    else return nil end
    at = after
  end
  return seconds, nanos
end
local function is_later(a, b)
  local seconds, nanos = event_time(a)
  local other_seconds, other_nanos = event_time(b)
  if not seconds then return false end
  return seconds > other_seconds or (seconds == other_seconds and nanos > other_nanos)
end
local outcomes, at = {}, 1
while at <= #ARGV do
  local from, to = at + 1, at + tonumber(ARGV[at])
  local stored = redis.call('HGET', KEYS[1], ARGV[from])
  if stored and is_later(stored, ARGV[from + 1]) then
    outcomes[#outcomes + 1] = 0
  else
    for first = from, to, 1000 do
      redis.call('HSET', KEYS[1], unpack(ARGV, first, math.min(first + 999, to)))
    end
    outcomes[#outcomes + 1] = 1
  end
  at = to + 1
end
return outcomes
`;

/**
 * @param views every view that will be read or written
 * @throws MillraceError INVALID_PROJECT for views or entities that Feast's layout cannot tell apart
 */
export function createFeastLayout(settings: FeastSettings, views: Iterable<FeatureView>): RowLayout {
  const fields = fieldsOfViews([...views]);
  const entities = new Set([...fields.keys()].map(({ entity }) => entity));
  checkEntities(entities);
  const keysOf = new Map([...entities].map((entity) => [entity.name, entityKeys(settings, entity)]));
  return {
    encoding: 'latin1',
    // Names begin with bytes that nobody can type.
    keyPattern: '*',
    prefixes: shortest([...keysOf.values()].map(({ format }) => format.prefix)),
    writeScript,

    hashOf(entity, key) {
      const { format, unfit } = keysOf.get(entity.name) as EntityKeys;
      const values = decodeEntityKey(entity, key);
      return format.encode(values) ?? (unfit.encode(values) as string);
    },

    fieldsOf(view) {
      const known = fields.get(view);
      if (known === undefined) throw new Error(`feature view ${view.name} was not given to the layout`);
      return known;
    },

    decode(view, values, at) {
      const eventTime = values[at];
      return eventTime === null || eventTime === undefined ? null : decodeRow(view, eventTime, values, at);
    },

    writeArgs(write) {
      const { view, row } = write;
      checkKey(keysOf.get(view.entity.name) as EntityKeys, settings, write);
      const [time, ...features] = fields.get(view) as readonly (string | Buffer)[];
      const pairs = view.features.flatMap(({ type, index }) => [
        features[index] as Buffer,
        writeFeature(type, row[index + 1] as Value),
      ]);
      return [String(2 + pairs.length), time as string, encodeFeastTime(row[0]), ...pairs];
    },

    outcomes: (reply) =>
      (reply as readonly number[]).map((code): WriteOutcome => (code === 1 ? 'written' : 'older')),
  };
}

function decodeRow(
  view: FeatureView,
  eventTime: Buffer,
  values: readonly (Buffer | null)[],
  at: number,
): Row {
  const row: [number, ...Value[]] = [decodeFeastTime(eventTime)];
  const unwritten: number[] = [];
  for (const feature of view.features) {
    const bytes = values[at + 1 + feature.index] ?? null;
    row.push(bytes === null ? null : read(view, feature, bytes));
    if (bytes === null) unwritten.push(feature.index);
  }
  if (unwritten.length > 0) row.push(unwritten);
  return row;
}

function read(view: FeatureView, { name, type }: Feature, bytes: Buffer): Value {
  try {
    return readFeature(type, bytes);
  } catch (cause) {
    const sentence = `In Redis, the feature "${view.name}:${name}" ${(cause as Error).message}; see docs/feast.md for types.`;
    throw new MillraceError('STORE_FAILED', sentence, { cause });
  }
}

/** @throws MillraceError INVALID_PROJECT */
function fieldsOfViews(views: readonly FeatureView[]): Map<FeatureView, readonly (string | Buffer)[]> {
  const owners = new Map<string, string>();
  const fieldOf = (view: FeatureView, { name }: Feature): Buffer => {
    const reference = `${view.name}:${name}`;
    const field = Buffer.alloc(4);
    field.writeUInt32LE(murmur3(Buffer.from(reference), 0));
    const place = `${view.entity.name} ${field.toString('hex')}`;
    const owner = owners.get(place);
    owners.set(place, reference);
    if (owner === undefined) return field;
    throw new MillraceError(
      'INVALID_PROJECT',
      `In Feast's layout the features "${owner}" and "${reference}" share one field of Redis; rename one of them.`,
    );
  };
  return new Map(
    views.map((view) => [view, [`_ts:${view.name}`, ...view.features.map((of) => fieldOf(view, of))]]),
  );
}

/** @throws MillraceError INVALID_PROJECT */
function checkEntities(entities: Iterable<Entity>): void {
  const owners = new Map<string, string>();
  for (const { name, keys } of entities) {
    if (keys.length === 0) {
      const sentence = `The entity "${name}" has no join keys, and Feast's layout has no place for its features; use Millrace's.`;
      throw new MillraceError('INVALID_PROJECT', sentence);
    }
    const shape = keys.map((key) => `${key.name}: ${key.type}`).sort();
    const owner = owners.get(shape.join());
    owners.set(shape.join(), name);
    if (owner === undefined) continue;
    const sentence = `In Feast's layout the entities "${owner}" and "${name}" share their keys (${shape.join(', ')}); make one entity of them.`;
    throw new MillraceError('INVALID_PROJECT', sentence);
  }
}

function entityKeys({ project, entityKeyVersion, keyTypes }: FeastSettings, { keys }: Entity): EntityKeys {
  const plain = keys.map(({ name, type }) => ({ name, type: plainType(type) }));
  const typed = keys.map(({ name, type }) => ({
    name,
    type: keyTypes.get(name) === 'int32' ? ('INT32' as const) : plainType(type),
  }));
  return {
    format: createFeastKeyFormat(typed, project, entityKeyVersion),
    unfit: createFeastKeyFormat(plain, project, entityKeyVersion),
  };
}

function plainType(type: 'string' | 'int64'): FeastKeyType {
  return type === 'string' ? 'STRING' : 'INT64';
}

/** @throws MillraceError INVALID_REQUEST for a key under which Feast would not find the row */
function checkKey({ format }: EntityKeys, { keyTypes }: FeastSettings, { view, key }: RowWrite): void {
  const values = decodeEntityKey(view.entity, key);
  if (keyTypes.size === 0 || format.encode(values) !== undefined) return;
  const places = view.entity.keys.map(({ name }, i) => `${name} ${String(values[i])}`);
  const sentence = `A join key that is Int32 in Feast is out of its range: ${places.join(', ')}.`;
  throw new MillraceError('INVALID_REQUEST', sentence);
}

/** Redis tells a change once for each prefix, and takes no prefix that begins with another. */
function shortest(prefixes: readonly string[]): string[] {
  const distinct = [...new Set(prefixes)];
  return distinct.filter((prefix) => !distinct.some((other) => other !== prefix && prefix.startsWith(other)));
}
