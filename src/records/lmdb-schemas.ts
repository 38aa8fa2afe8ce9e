/**
 * Every schema that rows were written under, in a database of an LMDB environment: name -> JSON, a list of schemas. The
 * place in the list is the schema id that a row carries. The list only grows, and a schema is committed before the
 * first row that has its id. Several processes may register at once.
 */
import type { LmdbEnvironment, LmdbJson } from '../lmdb/lmdb-environment.ts';
import type { Column, RowSchema, Schemas } from './row-schema.ts';
import { rowSchema, sameSchema } from './row-schema.ts';

/**
 * Registers the current columns of each name.
 * @returns undefined in a read-only environment that has no such database
 * @throws MillraceError STORE_FAILED
 */
export async function openLmdbSchemas(
  environment: LmdbEnvironment,
  database: string,
  columnsOf: ReadonlyMap<string, readonly Column[]>,
): Promise<Schemas | undefined> {
  const lists: LmdbJson<RowSchema[]> | undefined = environment.json(database);
  if (lists === undefined) return undefined;
  const find = (name: string): number | undefined => {
    const current = rowSchema(columnsOf.get(name) ?? []);
    const id = lists.get(name)?.findIndex((schema) => sameSchema(schema, current)) ?? -1;
    return id === -1 ? undefined : id;
  };
  const names = [...columnsOf.keys()];
  if (!environment.readOnly && names.some((name) => find(name) === undefined)) {
    await environment.transaction(() => {
      for (const name of names) {
        // Looked up again: another process may have registered the schema meanwhile.
        if (find(name) !== undefined) continue;
        void lists.put(name, [...(lists.get(name) ?? []), rowSchema(columnsOf.get(name) ?? [])]);
      }
    });
    environment.refresh();
  }
  const ids = new Map(names.map((name) => [name, find(name)]));
  return { idOf: (name) => ids.get(name), schema: (name, id) => lists.get(name)?.[id] };
}
