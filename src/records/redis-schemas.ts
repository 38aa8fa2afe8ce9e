/**
 * Every schema that rows or events were written under, in a hash of Redis: name -> JSON, a list of schemas. It only
 * grows. What is written carries the fingerprint of its schema, not a place in the list: should Redis lose the list, it
 * is unreadable to whoever has another schema until a server has listed it again, but never misread.
 */
import { MillraceError } from '../errors.ts';
import { parseDataType } from '../project/data-type.ts';
import type { HashCommands } from '../redis/hash-commands.ts';
import { rowSchema, schemaFingerprint } from './row-schema.ts';
import type { Column, RowSchema, Schemas } from './row-schema.ts';

export interface RedisSchemas extends Schemas {
  /** Whether others can know the current schema of a name: else nothing may be written under it. */
  isListed(name: string): boolean;
  /**
   * Reads the lists, and adds what is missing if it may. To be called before anything is written, and again when the
   * lists may have grown, or may be lost.
   * @throws MillraceError STORE_FAILED
   */
  prepare(redis: HashCommands): Promise<void>;
}

interface Listed {
  readonly current: RowSchema;
  readonly id: number;
  readonly known: Map<number, RowSchema>;
  isListed: boolean;
}

/**
 * @param hash where they are kept
 * @param columnsOf the current columns of each name that will be read or written
 * @param kind what is written under them, for messages
 */
export function createRedisSchemas(
  hash: string,
  columnsOf: ReadonlyMap<string, readonly Column[]>,
  kind: 'rows' | 'events',
): RedisSchemas {
  const names = new Map<string, Listed>();
  for (const [name, columns] of columnsOf) {
    const current = rowSchema(columns);
    const id = schemaFingerprint(current);
    names.set(name, { current, id, known: new Map(), isListed: false });
  }

  /** Another server may add a schema at the same moment: what it has changed is read again. */
  async function list(
    name: string,
    of: Listed,
    text: string | undefined,
    redis: HashCommands,
  ): Promise<void> {
    const schemas = text === undefined ? [] : parseSchemas(text, hash, name, kind);
    const ids = schemas.map(schemaFingerprint);
    ids.forEach((id, i) => of.known.set(id, schemas[i] as RowSchema));
    of.isListed = ids.includes(of.id);
    if (of.isListed) return;
    const added = await redis.replace(hash, name, text, JSON.stringify([...schemas, of.current]));
    of.isListed = added === 'done';
    if (added === 'changed meanwhile') await list(name, of, (await redis.readAll(hash)).get(name), redis);
  }

  return {
    idOf: (name) => names.get(name)?.id,
    schema: (name, id) => names.get(name)?.known.get(id),
    isListed: (name) => names.get(name)?.isListed === true,

    async prepare(redis) {
      const texts = await redis.readAll(hash);
      for (const [name, of] of names) await list(name, of, texts.get(name), redis);
    },
  };
}

/** @throws MillraceError STORE_FAILED if it is no list of schemas */
function parseSchemas(text: string, hash: string, name: string, kind: 'rows' | 'events'): RowSchema[] {
  try {
    const schemas: unknown = JSON.parse(text);
    if (Array.isArray(schemas) && schemas.every(isSchema)) return schemas;
  } catch {
    // Not even JSON.
  }
  const sentence = `In Redis, the field ${name} of ${hash} is no list of schemas. If no ${kind} of before are needed, type: HDEL ${hash} ${name}`;
  throw new MillraceError('STORE_FAILED', sentence);
}

function isSchema(schema: unknown): schema is RowSchema {
  return (
    Array.isArray(schema) &&
    schema.every(
      (column) =>
        Array.isArray(column) &&
        column.length === 2 &&
        typeof column[0] === 'string' &&
        typeof column[1] === 'string' &&
        typeof parseDataType(column[1]) !== 'string',
    )
  );
}
