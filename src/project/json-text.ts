/**
 * Values as JSON text. Differs from `JSON.stringify` in two places: a bigint becomes its digits (an int64 beyond 2^53
 * keeps them all), and a number that JSON does not have (NaN, Infinity) becomes null.
 */

export type JsonValue =
  null | undefined | number | bigint | string | boolean | readonly JsonValue[] | JsonObject;

export interface JsonObject {
  readonly [name: string]: JsonValue;
}

/** Fields that are undefined are left out, as `JSON.stringify` does. */
export function jsonText(value: JsonValue): string {
  switch (typeof value) {
    case 'number':
      return Number.isFinite(value) ? String(value) : 'null';
    case 'bigint':
    case 'boolean':
      return String(value);
    case 'string':
      return JSON.stringify(value);
    case 'undefined':
      return 'null';
    case 'object':
      break;
  }
  if (value === null) return 'null';
  if (Array.isArray(value)) return `[${value.map((element: JsonValue) => jsonText(element)).join(',')}]`;
  const fields: string[] = [];
  for (const [name, field] of Object.entries(value as JsonObject)) {
    if (field !== undefined) fields.push(`${JSON.stringify(name)}:${jsonText(field)}`);
  }
  return `{${fields.join(',')}}`;
}
