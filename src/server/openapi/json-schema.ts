/** Parts that JSON Schemas are put together of. */
import type { JsonObject, JsonValue } from '../../project/json-text.ts';

export type Schema = JsonObject;

/** An object with these fields and no others. */
export function object(properties: Readonly<Record<string, Schema>>, required?: readonly string[]): Schema {
  return {
    type: 'object',
    properties,
    required:
      (required ?? Object.keys(properties)).length === 0 ? undefined : (required ?? Object.keys(properties)),
    additionalProperties: false,
  };
}

export function array(items: Schema, limits: JsonObject = {}): Schema {
  return { type: 'array', items, ...limits };
}

export function mapOf(values: Schema): Schema {
  return { type: 'object', additionalProperties: values };
}

export function constant(value: JsonValue): Schema {
  return { const: value };
}

export function oneOfNames(names: Iterable<string>): Schema {
  return { type: 'string', enum: [...names] };
}

export function nullable(schema: Schema): Schema {
  return typeof schema['type'] === 'string' && schema['enum'] === undefined && schema['const'] === undefined
    ? { ...schema, type: [schema['type'], 'null'] }
    : { anyOf: [schema, { type: 'null' }] };
}

/** One schema by itself, several as alternatives, each once. */
export function anyOf(schemas: readonly Schema[]): Schema {
  const each = [...new Map(schemas.map((schema) => [JSON.stringify(schema), schema])).values()];
  return each.length === 1 ? (each[0] as Schema) : { anyOf: each };
}

export function reference(component: string): Schema {
  return { $ref: `#/components/schemas/${component}` };
}

export function described(schema: Schema, description: string): Schema {
  return { ...schema, description };
}

export const text: Schema = { type: 'string' };
export const truth: Schema = { type: 'boolean' };
export const count: Schema = { type: 'integer', minimum: 0 };
export const number: Schema = { type: 'number' };
export const moment: Schema = { type: 'string', format: 'date-time' };
