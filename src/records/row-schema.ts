/**
 * What the columns of a stored row mean. The features of a view, and the fields of an event type, may change from one
 * run to the next; rows that were written before are still read, by name: an added column is null, a removed one is
 * dropped, a moved one is found, and one whose type changed keeps its value where that value fits the new type and is
 * null where it does not.
 */
import { createHash } from 'node:crypto';
import type { DataType } from '../project/data-type.ts';
import { formatDataType } from '../project/data-type.ts';
import type { Value } from '../project/value.ts';
import { decodeValue, Refusal } from '../project/value.ts';

/** A feature of a view, a field of an event type. */
export interface Column {
  readonly name: string;
  readonly type: DataType;
}

/** Names and types of columns, in the order of the values. */
export type RowSchema = readonly (readonly [name: string, type: string])[];

/** Every schema that rows were written under, wherever they are kept. A row carries the id of its own. */
export interface Schemas {
  /** The id of the current schema of a name; undefined where nothing was ever written under it and nothing may be. */
  idOf(name: string): number | undefined;
  /** Undefined if nothing is known under this name and id. */
  schema(name: string, id: number): RowSchema | undefined;
}

/** The values of the current columns, out of a row of an older (or newer) schema whose values begin at `from`. */
export type RowConversion = (row: readonly Value[], from: number) => Value[];

export function rowSchema(columns: readonly Column[]): RowSchema {
  return columns.map(({ name, type }) => [name, formatDataType(type)] as const);
}

export function sameSchema(a: RowSchema, b: RowSchema): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** A number that tells schemas apart without a list of them: the first 48 bits of the SHA-256 of its JSON. */
export function schemaFingerprint(schema: RowSchema): number {
  return createHash('sha256').update(JSON.stringify(schema)).digest().readUIntBE(0, 6);
}

export function createRowConversion(columns: readonly Column[], stored: RowSchema): RowConversion {
  const readers = columns.map((column) => columnReader(column, stored));
  return (row, from) => readers.map((read) => read(row, from));
}

function columnReader(
  { name, type }: Column,
  stored: RowSchema,
): (row: readonly Value[], from: number) => Value {
  const index = stored.findIndex(([storedName]) => storedName === name);
  const storedType = stored[index]?.[1];
  if (storedType === undefined) return () => null;
  if (storedType === formatDataType(type)) return (row, from) => row[from + index] ?? null;
  return (row, from) => {
    const value = row[from + index] ?? null;
    if (value === null) return null;
    const decoded = decodeValue(type, value);
    return decoded instanceof Refusal ? null : decoded;
  };
}
