/** The types of the project file as JSON Schema: what is taken for a value of each, and an example of it. */
import { formatDataType } from '../../project/data-type.ts';
import type { DataType, ScalarName } from '../../project/data-type.ts';
import type { JsonValue } from '../../project/json-text.ts';
import { nullable } from './json-schema.ts';
import type { Schema } from './json-schema.ts';

const STRING_LENGTH_MAX = 65_536;
const FLOAT32_MAX = 3.4028234663852886e38;
const TIMESTAMP_MS_MAX = 8.64e15;

const scalarSchemas: Readonly<Record<ScalarName, Schema>> = {
  float32: { type: 'number', minimum: -FLOAT32_MAX, maximum: FLOAT32_MAX },
  float64: { type: 'number' },
  int64: {
    anyOf: [
      { type: 'integer', minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER },
      { type: 'string', pattern: '^-?[0-9]{1,19}$', description: 'All digits of an integer beyond 2^53.' },
    ],
  },
  string: { type: 'string', maxLength: STRING_LENGTH_MAX },
  bool: { type: 'boolean' },
  timestamp: {
    anyOf: [
      {
        type: 'string',
        pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ]|$)',
        description: 'ISO 8601; UTC without an offset.',
      },
      {
        type: 'number',
        minimum: -TIMESTAMP_MS_MAX,
        maximum: TIMESTAMP_MS_MAX,
        description: 'Milliseconds since 1970.',
      },
    ],
  },
};

export const timestampSchema: Schema = scalarSchemas.timestamp;

/** What a caller may send for a value of the type. */
export function valueSchema(type: DataType, isOptional: boolean = false): Schema {
  const scalar = scalarSchemas[type.scalar];
  const items = { type: 'array', items: scalar, minItems: type.length, maxItems: type.length };
  const schema = type.length === undefined ? scalar : items;
  const named = { ...(isOptional ? nullable(schema) : schema), description: formatDataType(type) };
  return isOptional ? { ...named, description: `${named.description}, or missing` } : named;
}

export const exampleTime = '2026-01-15T12:00:00Z';

/** @param name of the field, which makes texts that tell one field from another */
export function exampleValue(type: DataType, name: string): JsonValue {
  if (type.length !== undefined)
    return Array.from({ length: type.length }, () => scalarExample(type.scalar, name));
  return scalarExample(type.scalar, name);
}

function scalarExample(scalar: ScalarName, name: string): JsonValue {
  switch (scalar) {
    case 'float32':
    case 'float64':
      return 1.5;
    case 'int64':
      return 1;
    case 'string':
      return `${name}-1`;
    case 'bool':
      return true;
    case 'timestamp':
      return exampleTime;
  }
}
