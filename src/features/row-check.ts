/**
 * Rows of a store that others may write to are checked before they are served: one with a value of another type would
 * fail every request that it is in, and what is larger than its schema says would not be counted in memory.
 */
import type { DataType } from '../project/data-type.ts';
import type { Value } from '../project/value.ts';
import type { Row } from './online-store.ts';

// The range of ECMAScript's Date.
const TIME_MS_MAX = 8.64e15;

/** Gives a function that gives the row back, or throws an Error if it is not one of these columns. */
export function createRowCheck(types: readonly DataType[]): (row: Row) => Row {
  return (row) => {
    const [eventTimeMs] = row;
    if (!(Math.abs(eventTimeMs) <= TIME_MS_MAX)) throw new Error('the event time of a stored row is no date');
    if (row.length !== types.length + 1) throw new Error('a stored row has not as many values as its schema');
    for (let i = 0; i < types.length; i++) {
      const value = row[i + 1] as Value;
      if (!fits(types[i] as DataType, value)) throw new Error('a stored row has a value of another type');
    }
    return row;
  };
}

function fits({ scalar, length }: DataType, value: Value): boolean {
  if (value === null) return true;
  if (length !== undefined) {
    return Array.isArray(value) && value.length === length && value.every(isNumber);
  }
  switch (scalar) {
    case 'string':
      return typeof value === 'string';
    case 'bool':
      return typeof value === 'boolean';
    case 'timestamp':
      return typeof value === 'number' && Math.abs(value) <= TIME_MS_MAX;
    default:
      return isNumber(value);
  }
}

function isNumber(value: unknown): boolean {
  return typeof value === 'number' || typeof value === 'bigint';
}
