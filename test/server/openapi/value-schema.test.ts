import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect, it } from 'vitest';
import fc from 'fast-check';
import { scalarNames } from '../../../src/project/data-type.ts';
import type { DataType } from '../../../src/project/data-type.ts';
import { Refusal, decodeValue } from '../../../src/project/value.ts';
import { exampleValue, valueSchema } from '../../../src/server/openapi/value-schema.ts';

const ajv = new Ajv2020({ strict: false });
const types: readonly DataType[] = [
  ...scalarNames.map((scalar) => ({ scalar, length: undefined })),
  { scalar: 'float32', length: 2 },
  { scalar: 'int64', length: 3 },
];

it.each(types)('the example of %j is a value of it, for the schema and the server alike', (type) => {
  const example = exampleValue(type, 'field');
  expect(decodeValue(type, example)).not.toBeInstanceOf(Refusal);
  expect(ajv.validate(valueSchema(type), example)).toBe(true);
});

it('the schema of a type takes whatever the server takes', () => {
  const inputs = fc.oneof(
    fc.jsonValue(),
    fc.double(),
    fc.maxSafeInteger(),
    fc.bigInt(-(10n ** 19n), 10n ** 19n).map(String),
    fc
      .date({ noInvalidDate: true, min: new Date(0), max: new Date('2100-01-01') })
      .map((date) => date.toISOString()),
    fc.constantFrom('2001-03-09', '2001-03-09 14:05', '2001-03-09T14:05:00+01:00', '2001-03-09t14:05z'),
    fc.array(fc.oneof(fc.float({ noNaN: true }), fc.integer()), { maxLength: 4 }),
  );
  fc.assert(
    fc.property(fc.constantFrom(...types), inputs, (type, input) => {
      if (decodeValue(type, input) instanceof Refusal) return;
      expect(ajv.validate(valueSchema(type), input), JSON.stringify([type, input])).toBe(true);
    }),
    { numRuns: 500 },
  );
});

it.each([
  ['float64', '1'],
  ['float32', 1e39],
  ['int64', 1.5],
  ['int64', 2 ** 60],
  ['int64', 'x'],
  ['bool', 1],
  ['string', 1],
  ['timestamp', 'yesterday'],
] as const)('the schema of %s refuses %j, as the server does', (scalar, input) => {
  const type = { scalar, length: undefined };
  expect(decodeValue(type, input)).toBeInstanceOf(Refusal);
  expect(ajv.validate(valueSchema(type), input)).toBe(false);
});
