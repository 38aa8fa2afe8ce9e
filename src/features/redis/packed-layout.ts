/**
 * Millrace's own layout. One hash per entity key, `mr:<project>/<entity>/<entity key>`; in it one field per view, with
 * its name, that holds a packed row (row-codec.ts). So the rows of all views of an entity come in one HMGET.
 *
 * `mr:<project>:schemas` is a hash with the schemas that rows of each view were written under
 * (records/redis-schemas.ts). Names hold neither slashes nor colons, so no two names are the same.
 */
import { MillraceError } from '../../errors.ts';
import { parseDataType } from '../../project/data-type.ts';
import type { Entity, FeatureView } from '../../project/project.ts';
import type { EntityKey, Row, WriteOutcome } from '../online-store.ts';
import { createRowCheck } from '../row-check.ts';
import { createRedisSchemas } from '../../records/redis-schemas.ts';
import { createRowCodec } from '../../records/row-codec.ts';
import { createRowConversion } from '../../records/row-schema.ts';
import type { RowSchema } from '../../records/row-schema.ts';
import type { RowLayout } from './row-layout.ts';

type Conversion = (row: Row) => Row;

/** A view as it is stored. */
interface StoredView {
  readonly view: FeatureView;
  readonly fields: readonly string[];
  readonly schemaId: number;
  /** Refuses what somebody else has put there. */
  readonly check: (row: Row) => Row;
  /** By the id of the schema to convert from; filled when such a row is first met. */
  readonly conversions: Map<number, Conversion>;
}

/**
 * Compares the event times and stores. A row begins with an array's header (1, 3 or 5 bytes) and then the event time: a
 * small integer, a float32 or a float64. Bytes that are no event time are older than any. KEYS: the hash; ARGV: field
 * and row in turn.
 */
const writeScript = `
local function event_time(row)
  local tag, at = string.byte(row, 1), 2
  if tag == 0xdc then at = 4 elseif tag == 0xdd then at = 6 end
  local kind, time = string.byte(row, at), nil
  if kind and kind < 0x80 then time = kind
  elseif kind == 0xca and #row >= at + 4 then time = (struct.unpack('>f', row, at + 1))
  elseif kind == 0xcb and #row >= at + 8 then time = (struct.unpack('>d', row, at + 1)) end
  if time and time >= -8.64e15 and time <= 8.64e15 then return time end
  return -math.huge
end
local outcomes = {}
for i = 1, #ARGV, 2 do
  local stored = redis.call('HGET', KEYS[1], ARGV[i])
  if stored and event_time(stored) > event_time(ARGV[i + 1]) then
    outcomes[#outcomes + 1] = 0
  else
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
    outcomes[#outcomes + 1] = 1
  end
end
return outcomes
`;

/** @param views every view that will be read or written */
export function createPackedLayout(project: string, views: Iterable<FeatureView>): RowLayout {
  const prefix = `mr:${project}/`;
  const codec = createRowCodec();
  const all = [...views];
  const columnsOf = new Map(all.map((view) => [view.name, view.features]));
  const schemas = createRedisSchemas(`mr:${project}:schemas`, columnsOf, 'rows');
  const stored = new Map<FeatureView, StoredView>();
  for (const view of all)
    stored.set(view, {
      view,
      fields: [view.name],
      schemaId: schemas.idOf(view.name) as number,
      check: createRowCheck(view.features.map(({ type }) => type)),
      conversions: new Map(),
    });
  const prefixes = new Map<Entity, string>();
  for (const { entity } of stored.keys()) prefixes.set(entity, `${prefix}${entity.name}/`);
  const storedView = (view: FeatureView): StoredView => {
    const known = stored.get(view);
    if (known === undefined) throw new Error(`feature view ${view.name} was not given to the layout`);
    return known;
  };
  const conversion = ({ view, conversions }: StoredView, schemaId: number): Conversion | undefined => {
    const known = conversions.get(schemaId);
    const schema = known === undefined ? schemas.schema(view.name, schemaId) : undefined;
    if (schema === undefined) return known;
    const made = conversionFrom(view, schema);
    conversions.set(schemaId, made);
    return made;
  };
  return {
    encoding: 'utf8',
    prefixes: [prefix],
    keyPattern: 'mr:*',
    writeScript,

    prepare: async (redis) => schemas.prepare(redis),

    hashOf: (entity: Entity, key: EntityKey) => (prefixes.get(entity) as string) + key,
    fieldsOf: (view) => storedView(view).fields,

    decode(view, values, at) {
      const bytes = values[at];
      if (bytes === null || bytes === undefined) return null;
      const { row, schemaId } = codec.decode(bytes);
      const of = storedView(view);
      if (schemaId === of.schemaId) return of.check(row);
      return conversion(of, schemaId)?.(row);
    },

    writeArgs({ view, row }) {
      const { schemaId } = storedView(view);
      if (!schemas.isListed(view.name)) {
        const sentence = `Redis takes no rows of "${view.name}": its schema could not be written at the start.`;
        throw new MillraceError('STORE_FAILED', sentence);
      }
      return [view.name, Buffer.from(codec.encode(row, schemaId))];
    },

    outcomes: (reply) =>
      (reply as readonly number[]).map((code): WriteOutcome => (code === 1 ? 'written' : 'older')),
  };
}

function conversionFrom(view: FeatureView, schema: RowSchema): Conversion {
  const types = schema.map(([, type]) => parseDataType(type)).filter((type) => typeof type !== 'string');
  const check = createRowCheck(types);
  const convert = createRowConversion(view.features, schema);
  return (row) => [row[0], ...convert(check(row), 1)];
}
