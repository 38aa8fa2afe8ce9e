/** Estimates of the memory that rows take, for the limits of what is kept in it. */
import type { Value } from '../project/value.ts';
import type { Row } from './online-store.ts';

/** What an entry takes besides its values: the key, places in the cache, the array. */
const ENTRY_BYTES = 200;
const NUMBER_BYTES = 8;
const VALUE_BYTES = 24;

export function entryBytes(name: string): number {
  return ENTRY_BYTES + 2 * name.length;
}

/** An array of nothing but numbers holds them in place; one other value, and each number is an object of its own. */
export function rowBytes(row: Row): number {
  const numberBytes = row.every(isNumber) ? NUMBER_BYTES : VALUE_BYTES;
  let bytes = 0;
  for (const value of row) bytes += isNumber(value) ? numberBytes : valueBytes(value);
  return bytes;
}

function isNumber(value: Value): boolean {
  return typeof value === 'number';
}

function valueBytes(value: Value): number {
  if (typeof value === 'string') return VALUE_BYTES + 2 * value.length;
  return Array.isArray(value) ? VALUE_BYTES + NUMBER_BYTES * value.length : VALUE_BYTES;
}
