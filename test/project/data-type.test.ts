import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { DataType } from '../../src/project/data-type.ts';
import { formatDataType, parseDataType, scalarNames } from '../../src/project/data-type.ts';

describe('parseDataType', () => {
  test.each(scalarNames)('knows %s', (scalar) => {
    expect(parseDataType(scalar)).toEqual({ scalar, length: undefined });
  });

  test('reads back every vector type that formatDataType writes', () => {
    const vector = fc.record<DataType>({
      scalar: fc.constantFrom('float32', 'float64', 'int64'),
      length: fc.integer({ min: 1, max: 65_536 }),
    });
    fc.assert(
      fc.property(vector, (type) => {
        expect(parseDataType(formatDataType(type))).toEqual(type);
      }),
    );
  });

  test.each([
    '',
    'float',
    'FLOAT64',
    'float64 ',
    'float32[]',
    'float32[-1]',
    'float32[1.5]',
    'float32[1][2]',
    'toString',
  ])('says that %j is not a type, and which there are', (text) => {
    expect(parseDataType(text)).toMatch(/is not a type; types are float32, .*timestamp and vectors/);
  });

  test('refuses vectors of what is not a number, and lengths without sense', () => {
    expect(parseDataType('string[3]')).toBe('a vector holds float32, float64 or int64, not string');
    expect(parseDataType('float32[0]')).toMatch(/has 1 to 65536 elements, not 0/);
    expect(parseDataType('float32[65537]')).toMatch(/not 65537/);
    expect(parseDataType('float32[99999999999999999999]')).toMatch(/1 to 65536/);
  });
});
