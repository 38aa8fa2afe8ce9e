/**
 * What a program gives as values, as what JSON and MessagePack can both say. A date becomes ISO 8601, a bigint a number
 * or, where that would lose digits, its digits as text, a typed array an array. What the server could only take for
 * something else is refused here: JSON would write NaN as null.
 */
import { MillraceClientError } from './client-error.ts';

export type WireValue =
  string | number | boolean | null | readonly WireValue[] | { readonly [name: string]: WireValue };

/**
 * @param path of the value in the request, for messages
 * @throws MillraceClientError INVALID_REQUEST
 */
function wireValue(value: unknown, path: string): WireValue {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      if (!Number.isFinite(value)) throw refusal(path, `must be finite, not ${value}`);
      return value;
    case 'bigint':
      return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
    case 'object':
      return value === null ? null : wireObject(value, path);
    default:
      throw refusal(path, `must be a value, not a ${typeof value}`);
  }
}

/** Fields that are undefined are left out. */
export function wireFields(fields: object, path: string): Record<string, WireValue> {
  const given = (Object.entries(fields) as [string, unknown][]).filter(([, value]) => value !== undefined);
  return Object.fromEntries(
    given.map(([name, value]) => [name, wireValue(value, path === '' ? name : `${path}.${name}`)]),
  );
}

function wireObject(value: object, path: string): WireValue {
  if (Array.isArray(value)) return wireElements(value, path);
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) throw refusal(path, 'must be a date that exists');
    return value.toISOString();
  }
  if (ArrayBuffer.isView(value) && Symbol.iterator in value)
    return wireElements([...(value as Iterable<unknown>)], path);
  return wireFields(value, path);
}

function wireElements(values: readonly unknown[], path: string): readonly WireValue[] {
  return values.map((value, i) => wireValue(value, `${path}[${i}]`));
}

function refusal(path: string, message: string): MillraceClientError {
  return new MillraceClientError('INVALID_REQUEST', `The request cannot be sent: ${path} ${message}.`, {
    details: [{ path, message }],
  });
}
