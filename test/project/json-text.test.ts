import fc from 'fast-check';
import { expect, it } from 'vitest';
import { jsonText } from '../../src/project/json-text.ts';
import type { JsonValue } from '../../src/project/json-text.ts';

it('writes what JSON.stringify writes', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(JSON.parse(jsonText(value as JsonValue))).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});

it('keeps every digit of a bigint, writes null for what JSON lacks, and leaves undefined fields out', () => {
  expect(jsonText({ id: 9007199254740993n, bad: [NaN, Infinity], gone: undefined })).toBe(
    '{"id":9007199254740993,"bad":[null,null]}',
  );
});
