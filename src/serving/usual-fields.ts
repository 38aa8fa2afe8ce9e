/**
 * What the readers of usual requests share, whatever the encoding: which fields were given, and what a field takes.
 * The fields that were given are kept as the bits of one small integer.
 */
import type { RequestField } from '../project/project.ts';
import { Refusal, decodeValue } from '../project/value.ts';
import type { Value } from '../project/value.ts';

/** An endpoint with more fields has no reader. */
export const USUAL_FIELDS_MAX = 30;

/** Stands for anything that is left to the strict way. */
export const unusual: unique symbol = Symbol('unusual');

/** The bits of the fields that a request must give. */
export function requiredBits(fields: readonly RequestField[]): number {
  return fields.reduce((bits, { optional }, f) => (optional ? bits : bits | (1 << f)), 0);
}

/** Puts the value of a field into its place; false = it is unusual, or not one that the field takes. */
export function takeValue(field: RequestField, input: unknown, values: Value[]): boolean {
  if (input === unusual) return false;
  if (input === null) return field.optional;
  const value = decodeValue(field.type, input);
  if (value instanceof Refusal) return false;
  values[field.index] = value;
  return true;
}
