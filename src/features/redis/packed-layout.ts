/**
 * Millrace's own layout. One hash per entity key, `mr:<project>/<entity>/<entity key>`; in it one field per view, with
 * its name, that holds a packed row (row-codec.ts). So the rows of all views of an entity come in one HMGET.
 *
 * `mr:<project>:schemas` is a hash, view -> JSON, a list of every schema (row-schema.ts) that rows of this view were
 * written under. The place in the list is the schema id that a row carries. The list only grows. Names hold neither
 * slashes nor colons, so no two names are the same.
 */
import { MillraceError } from '../../errors.ts';
import type { Entity, FeatureView } from '../../project/project.ts';
import type { EntityKey, Row, WriteOutcome } from '../online-store.ts';
import { createRowCodec } from '../../records/row-codec.ts';
import { createRowConversion, rowSchema, sameSchema } from '../../records/row-schema.ts';
import type { RowConversion, RowSchema } from '../../records/row-schema.ts';
import type { LayoutCommands, RowLayout } from './row-layout.ts';

/** A view as it is stored. */
interface StoredView {
  readonly view: FeatureView;
  readonly fields: readonly string[];
  schemas: readonly RowSchema[];
  /** Undefined where nothing may be written. */
  schemaId: number | undefined;
  /** By the id of the schema to convert from; filled when such a row is first met. */
  readonly conversions: Map<number, RowConversion>;
}

/**
 * Compares the event times and stores. A row begins with an array's header (1, 3 or 5 bytes) and then the event time: a
 * small integer, a float32 or a float64. KEYS: the hash; ARGV: field and row in turn.
 */
const writeScript = `
local function event_time(row)
  local tag, at = string.byte(row, 1), 2
  if tag == 0xdc then at = 4 elseif tag == 0xdd then at = 6 end
  local kind = string.byte(row, at)
  if kind < 0x80 then return kind end
  if kind == 0xca then return (struct.unpack('>f', row, at + 1)) end
  return (struct.unpack('>d', row, at + 1))
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
  const stored = new Map<FeatureView, StoredView>();
  for (const view of views)
    stored.set(view, { view, fields: [view.name], schemas: [], schemaId: undefined, conversions: new Map() });
  const prefixes = new Map<Entity, string>();
  for (const { entity } of stored.keys()) prefixes.set(entity, `${prefix}${entity.name}/`);
  const storedView = (view: FeatureView): StoredView => {
    const known = stored.get(view);
    if (known === undefined) throw new Error(`feature view ${view.name} was not given to the layout`);
    return known;
  };
  return {
    encoding: 'utf8',
    prefixes: [prefix],
    writeScript,

    async prepare(redis) {
      const hash = `mr:${project}:schemas`;
      const known = await redis.readAll(hash);
      for (const of of stored.values()) await register(of, hash, known.get(of.view.name), redis);
    },

    hashOf: (entity: Entity, key: EntityKey) => (prefixes.get(entity) as string) + key,
    fieldsOf: (view) => storedView(view).fields,

    decode(view, values, at) {
      const bytes = values[at];
      if (bytes === null || bytes === undefined) return null;
      const { row, schemaId } = codec.decode(bytes);
      const of = storedView(view);
      return schemaId === of.schemaId ? row : convert(of, row, schemaId);
    },

    writeArgs({ view, row }) {
      const { schemaId } = storedView(view);
      if (schemaId === undefined) {
        const sentence = `Redis takes no rows of "${view.name}": its schema could not be written at the start.`;
        throw new MillraceError('STORE_FAILED', sentence);
      }
      return [view.name, Buffer.from(codec.encode(row, schemaId))];
    },

    outcomes: (reply) =>
      (reply as readonly number[]).map((code): WriteOutcome => (code === 1 ? 'written' : 'older')),
  };
}

/** Undefined = the schema is not known. */
function convert({ view, schemas, conversions }: StoredView, row: Row, schemaId: number): Row | undefined {
  const known = conversions.get(schemaId);
  if (known !== undefined) return [row[0], ...known(row, 1)];
  const schema = schemas[schemaId];
  if (schema === undefined) return undefined;
  const made = createRowConversion(view.features, schema);
  conversions.set(schemaId, made);
  return [row[0], ...made(row, 1)];
}

/** Another server may add a schema at the same moment: what it has changed is read again. */
async function register(
  of: StoredView,
  hash: string,
  text: string | undefined,
  redis: LayoutCommands,
): Promise<void> {
  const current = rowSchema(of.view.features);
  const schemas = text === undefined ? [] : (JSON.parse(text) as RowSchema[]);
  const id = schemas.findIndex((schema) => sameSchema(schema, current));
  of.schemas = schemas;
  if (id !== -1) {
    of.schemaId = id;
    return;
  }
  const name = of.view.name;
  if (await redis.replace(hash, name, text, JSON.stringify([...schemas, current]))) {
    of.schemas = [...schemas, current];
    of.schemaId = schemas.length;
    return;
  }
  const latest = (await redis.readAll(hash)).get(name);
  // Unchanged means that it may not be changed here.
  if (latest !== text) await register(of, hash, latest, redis);
}
