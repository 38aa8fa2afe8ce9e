import { expect, it } from 'vitest';
import {
  createCellDecoder,
  createEventTimeDecoder,
  createJoinKeyDecoder,
} from '../../../src/features/load/cell-value.ts';
import { parseDataType } from '../../../src/project/data-type.ts';
import type { DataType } from '../../../src/project/data-type.ts';
import { Refusal } from '../../../src/project/value.ts';

const from = (cells: 'text' | 'values', type: string) => {
  const decode = createCellDecoder(parseDataType(type) as DataType, cells);
  return (cell: unknown): unknown => {
    const value = decode(cell);
    return value instanceof Refusal ? `refused: ${value.reason}` : value;
  };
};

it.each([
  ['float64', '1.5', 1.5],
  ['float64', ' -2e-3 ', -0.002],
  ['float64', '.5', 0.5],
  ['float64', '+7', 7],
  ['float64', 'NaN', null],
  ['float32', '0.1', Math.fround(0.1)],
  ['int64', '9007199254740993', 9007199254740993n],
  ['int64', '-7', -7],
  ['int64', '7.0', 7],
  ['bool', 'True', true],
  ['bool', '0', false],
  ['timestamp', '2001-03-09 14:05:00', Date.parse('2001-03-09T14:05:00Z')],
  ['timestamp', '984146700000', 984146700000],
  ['string', ' a ', ' a '],
  ['string', '', ''],
  ['float64', '', null],
  ['int64', '  ', null],
  ['float32[3]', '[1, 2.5, 3]', [1, 2.5, 3]],
  ['int64[2]', '[1, "9007199254740993"]', [1, 9007199254740993n]],
])('reads the text of a %s: %j', (type, text, value) => {
  expect(from('text', type)(text)).toEqual(value);
});

it.each([
  ['float64', 'abc', 'must be a number, not "abc"'],
  ['float64', '1,234', 'must be a number, not "1,234"'],
  ['float64', '0x10', 'must be a number, not "0x10"'],
  ['float64', 'Infinity', 'must be a number, not "Infinity"'],
  ['float64', '1e999', 'must be finite'],
  ['float32', '1e39', 'is too large for float32'],
  ['int64', '1.5', 'must be an integer, not "1.5"'],
  ['int64', '99999999999999999999', 'is outside the range of int64'],
  ['bool', 'yes', 'must be true, false, 1 or 0, not "yes"'],
  ['float32[2]', '1 2', 'must be a JSON array for float32[2], such as [0.5, 1], not "1 2"'],
  ['float32[2]', '[1]', 'must have 2 elements (float32[2]), not 1'],
  ['float32[2]', '{}', 'must be a JSON array for float32[2], such as [0.5, 1], not "{}"'],
  ['float64', 'x'.repeat(50), `must be a number, not "${'x'.repeat(40)}…"`],
])('refuses the text of a %s: %j', (type, text, reason) => {
  expect(from('text', type)(text)).toBe(`refused: ${reason}`);
});

it('takes NaN, null and undefined among typed cells for missing', () => {
  expect([NaN, null, undefined].map(from('values', 'float64'))).toEqual([null, null, null]);
  expect(from('values', 'int64')(NaN)).toBeNull();
});

it('takes bigints for numbers and timestamps, and keeps every digit of an int64', () => {
  expect(from('values', 'float64')(7n)).toBe(7);
  expect(from('values', 'timestamp')(984146700000n)).toBe(984146700000);
  expect(from('values', 'float32[2]')([1n, 2n])).toEqual([1, 2]);
  expect(from('values', 'int64')(2n ** 60n)).toBe(2n ** 60n);
});

it('refuses bytes that are no text, and a null inside a vector', () => {
  expect(from('values', 'string')(new Uint8Array([255]))).toBe(
    'refused: is binary, or text that is not UTF-8',
  );
  expect(from('values', 'float32[2]')([1, null])).toBe(
    'refused: has a bad element [1]: must be a number, not null',
  );
});

it('refuses an event time that is missing or counts seconds or microseconds', () => {
  const decode = createEventTimeDecoder('values');
  expect(decode(984146700000)).toBe(984146700000);
  expect(decode('1969-12-31')).toBe(-86400000);
  for (const cell of [null, 984146700, 984146700000000n]) expect(decode(cell)).toBeInstanceOf(Refusal);
  expect(createEventTimeDecoder('text')('984146700')).toBeInstanceOf(Refusal);
});

it('refuses an empty join key', () => {
  const decode = createJoinKeyDecoder({ scalar: 'string', length: undefined }, 'text');
  expect(decode('K1')).toBe('K1');
  for (const cell of [null, '']) expect(decode(cell)).toBeInstanceOf(Refusal);
});
