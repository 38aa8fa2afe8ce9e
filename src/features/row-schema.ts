/**
 * What the columns of a stored row mean. A view's features may change from one run to the next; rows that were written
 * before are still read, by name: an added feature is null, a removed one is dropped, a moved one is found, and one
 * whose type changed keeps its value where that value fits the new type and is null where it does not.
 */
import { createHash } from 'node:crypto';
import { formatDataType } from '../project/data-type.ts';
import type { Feature, FeatureView } from '../project/project.ts';
import type { Value } from '../project/value.ts';
import { decodeValue, Refusal } from '../project/value.ts';
import type { Row } from './online-store.ts';

/** Names and types of a view's features, in the order of the values. */
export type RowSchema = readonly (readonly [name: string, type: string])[];

/** Turns a row of an older (or newer) schema into one of the current features. */
export type RowConversion = (row: Row) => Row;

export function rowSchema(view: FeatureView): RowSchema {
  return view.features.map((feature) => [feature.name, formatDataType(feature.type)] as const);
}

export function sameSchema(a: RowSchema, b: RowSchema): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** A number that tells schemas apart without a list of them: the first 48 bits of the SHA-256 of its JSON. */
export function schemaFingerprint(schema: RowSchema): number {
  return createHash('sha256').update(JSON.stringify(schema)).digest().readUIntBE(0, 6);
}

export function createRowConversion(view: FeatureView, stored: RowSchema): RowConversion {
  const readers = view.features.map((feature) => columnReader(feature, stored));
  return (row) => [row[0], ...readers.map((read) => read(row))];
}

function columnReader(feature: Feature, stored: RowSchema): (row: Row) => Value {
  const index = stored.findIndex(([name]) => name === feature.name);
  const storedType = stored[index]?.[1];
  if (storedType === undefined) return () => null;
  const column = index + 1;
  if (storedType === formatDataType(feature.type)) return (row) => row[column] ?? null;
  return (row) => {
    const value = row[column] ?? null;
    if (value === null) return null;
    const decoded = decodeValue(feature.type, value);
    return decoded instanceof Refusal ? null : decoded;
  };
}
