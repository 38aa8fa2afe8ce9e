import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeFeastTime, encodeFeastTime } from '../../../src/features/redis/feast/feast-time.ts';
import { decodeFeastValue, encodeFeastValue } from '../../../src/features/redis/feast/feast-value.ts';
import type { FeastValue } from '../../../src/features/redis/feast/feast-value.ts';

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex');
}

const golden: readonly [string, FeastValue | null][] = [
  ['', null],
  ['0a 02 ff00', { type: 'BYTES', value: hex('ff00') }],
  ['12 03 c3a921', { type: 'STRING', value: 'é!' }],
  ['12 00', { type: 'STRING', value: '' }],
  ['18 01', { type: 'INT32', value: 1 }],
  ['18 ffffffffffffffffff01', { type: 'INT32', value: -1 }],
  ['20 00', { type: 'INT64', value: 0 }],
  ['20 e907', { type: 'INT64', value: 1001 }],
  ['20 ffffffffffffffff7f', { type: 'INT64', value: 2n ** 63n - 1n }],
  ['20 80808080808080808001', { type: 'INT64', value: -(2n ** 63n) }],
  ['20 8180808080808010', { type: 'INT64', value: 2n ** 53n + 1n }],
  ['29 000000000000f83f', { type: 'DOUBLE', value: 1.5 }],
  ['35 f5696d3f', { type: 'FLOAT', value: Buffer.from('f5696d3f', 'hex').readFloatLE() }],
  ['38 01', { type: 'BOOL', value: true }],
  ['38 00', { type: 'BOOL', value: false }],
  ['40 8ce2f8d403', { type: 'UNIX_TIMESTAMP', value: 983_445_772 }],
  ['5a 04 0a 02 0102', { type: 'BYTES', value: [hex('0102')] }],
  ['62 05 0a 01 61 0a 00', { type: 'STRING', value: ['a', ''] }],
  ['6a 04 0a 02 01 02', { type: 'INT32', value: [1, 2] }],
  ['72 05 0a 03 01 ac02', { type: 'INT64', value: [1, 300] }],
  ['7a 0a 0a 08 000000000000f83f', { type: 'DOUBLE', value: [1.5] }],
  ['8201 0a 0a 08 0000c03f 000000bf', { type: 'FLOAT', value: [1.5, -0.5] }],
  ['8201 00', { type: 'FLOAT', value: [] }],
  ['8a01 04 0a 02 01 00', { type: 'BOOL', value: [true, false] }],
  ['9201 03 0a 01 05', { type: 'UNIX_TIMESTAMP', value: [5] }],
];

describe('a value in Feast', () => {
  it.each(golden)('%s is written and read', (text, value) => {
    expect(encodeFeastValue(value).toString('hex')).toBe(text.replaceAll(' ', ''));
    expect(decodeFeastValue(hex(text))).toStrictEqual(value);
  });

  it('is null as a field of its own too', () => {
    expect(decodeFeastValue(hex('980100'))).toBeNull();
  });

  it('may have the numbers of a list one by one', () => {
    expect(decodeFeastValue(hex('8201 0a 0d 0000c03f 0d 000000bf'))?.value).toEqual([1.5, -0.5]);
    expect(decodeFeastValue(hex('72 05 08 01 08 ac02'))?.value).toEqual([1, 300]);
    expect(decodeFeastValue(hex('72 07 08 01 0a 01 02 08 03'))?.value).toEqual([1, 2, 3]);
  });

  it('may have fields that are not known, and the last known one counts', () => {
    const unknown = 'a001 8001  aa01 02 0000  b101 0000000000000000  b501 00000000';
    expect(decodeFeastValue(hex(`${unknown} 38 01 ${unknown}`))).toEqual({ type: 'BOOL', value: true });
    expect(decodeFeastValue(hex(unknown))).toBeNull();
    expect(decodeFeastValue(hex('20 01 12 01 61'))).toEqual({ type: 'STRING', value: 'a' });
    expect(decodeFeastValue(hex('72 08 12 02 0000 0a 02 01 02'))?.value).toEqual([1, 2]);
  });

  it.each([
    ['29 0000', 'end inside'],
    ['12 05 61', 'end inside'],
    ['12 ffffffffffffffffff01', 'out of range'],
    ['72 03 0a 05 01', 'end inside'],
    ['20 ffffffffffffffffffff01', 'more than 64 bits'],
    ['20', 'end inside'],
    ['3b', 'wire type 3'],
  ])('is refused as %s', (text, why) => {
    expect(() => decodeFeastValue(hex(text))).toThrow(why);
  });

  it('comes back as it was written', () => {
    const int64 = fc.oneof(
      fc.maxSafeInteger(),
      fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n }),
      fc.bigInt({ min: -(2n ** 63n), max: -(2n ** 53n) }),
    );
    const valueOf = (type: FeastValue['type'], scalar: fc.Arbitrary<unknown>): fc.Arbitrary<FeastValue> =>
      fc.oneof(scalar, fc.array(scalar)).map((value) => ({ type, value }) as FeastValue);
    const values = fc.oneof(
      valueOf(
        'BYTES',
        fc.uint8Array().map((array) => Buffer.from(array)),
      ),
      valueOf('STRING', fc.string({ unit: 'binary' })),
      valueOf('INT32', fc.integer()),
      valueOf('INT64', int64),
      valueOf('DOUBLE', fc.double()),
      valueOf('FLOAT', fc.float()),
      valueOf('BOOL', fc.boolean()),
      valueOf('UNIX_TIMESTAMP', int64),
    );
    fc.assert(
      fc.property(values, (value) => {
        expect(decodeFeastValue(encodeFeastValue(value))).toStrictEqual(value);
      }),
      { numRuns: 2000 },
    );
  });

  it('never does worse on any bytes than to refuse them', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 30 }), (array) => {
        expect(outcomeOf(array)).toMatch(/^read$|end inside|out of range|64 bits|wire type/);
      }),
      { numRuns: 5000 },
    );
  });
});

describe('an event time in Feast', () => {
  it.each([
    ['', 0],
    ['08 01', 1000],
    ['10 c0843d', 1],
    ['08 8ce2f8d403 10 80cab5ee01', 983_445_772_500],
    ['08 ffffffffffffffffff01 10 c08faedc03', -1],
    ['08 c0c7edfcffffffffff01', -6_593_600_000],
  ])('%s is written and read', (text, timeMs) => {
    expect(encodeFeastTime(timeMs).toString('hex')).toBe(text.replaceAll(' ', ''));
    expect(decodeFeastTime(hex(text))).toBe(timeMs);
  });

  it('comes back to the millisecond over the whole range of dates', () => {
    fc.assert(
      fc.property(fc.integer({ min: -8.64e15, max: 8.64e15 }), (timeMs) => {
        expect(decodeFeastTime(encodeFeastTime(timeMs))).toBe(timeMs);
      }),
    );
  });

  it('is read with fields that are not known, and down to the millisecond', () => {
    expect(decodeFeastTime(hex('1a 01 00 08 01 10 ffac d409 2001'.replaceAll(' ', '')))).toBe(1020);
    expect(() => decodeFeastTime(hex('08 ffffffffffffffff7f'))).toThrow('outside the range of a date');
  });
});

function outcomeOf(bytes: Uint8Array): string {
  try {
    decodeFeastValue(Buffer.from(bytes));
    return 'read';
  } catch (error) {
    return (error as Error).message;
  }
}
