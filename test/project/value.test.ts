import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { DataType, ScalarName } from '../../src/project/data-type.ts';
import { parseDataType, scalarNames } from '../../src/project/data-type.ts';
import { Refusal, canonicalInt64, decodeScalar, decodeValue } from '../../src/project/value.ts';

function decode(type: string, input: unknown): unknown {
  return decodeValue(parseDataType(type) as DataType, input);
}

function reason(type: string, input: unknown): string {
  const result = decode(type, input);
  return result instanceof Refusal ? result.reason : `taken as ${String(result)}`;
}

describe('every type', () => {
  test.each(scalarNames)(
    '%s answers any JSON value with a value or a reason, never an exception',
    (scalar) => {
      fc.assert(
        fc.property(fc.anything({ withBigInt: true, withDate: true }), (input) => {
          const result = decodeScalar(scalar, input);
          const isReason = result instanceof Refusal && /^(must|is|holds) /.test(result.reason);
          expect(isReason || ['number', 'bigint', 'string', 'boolean'].includes(typeof result)).toBe(true);
        }),
      );
    },
  );

  test.each(scalarNames)('%s refuses null, undefined and objects', (scalar) => {
    expect(reason(scalar, null)).toMatch(/not null$/);
    expect(reason(scalar, undefined)).toMatch(/is missing$/);
    expect(reason(scalar, {})).toMatch(/not an object$/);
    expect(reason(scalar, [])).toMatch(/not an array$/);
  });

  test.each(scalarNames)('%s decodes its own values to themselves', (scalar) => {
    fc.assert(
      fc.property(decodable(scalar), (input) => {
        const once = decodeScalar(scalar, input);
        expect(once).not.toBeInstanceOf(Refusal);
        expect(decodeScalar(scalar, once)).toBe(once);
      }),
    );
  });
});

function decodable(scalar: ScalarName): fc.Arbitrary<unknown> {
  switch (scalar) {
    case 'float32':
      return fc.float({ noNaN: true, noDefaultInfinity: true });
    case 'float64':
      return fc.double({ noNaN: true, noDefaultInfinity: true });
    case 'int64':
      return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    case 'string':
      return fc.string({ unit: 'binary' });
    case 'bool':
      return fc.boolean();
    case 'timestamp':
      return fc.date({ noInvalidDate: true });
  }
}

describe('float64 and float32', () => {
  test('take finite numbers only', () => {
    expect(decode('float64', -0.5)).toBe(-0.5);
    for (const type of ['float32', 'float64']) {
      expect(reason(type, Number.NaN)).toBe('must be finite');
      expect(reason(type, Number.NEGATIVE_INFINITY)).toBe('must be finite');
      expect(reason(type, '1.5')).toBe('must be a number, not a string');
      expect(reason(type, true)).toBe('must be a number, not a boolean');
      expect(reason(type, 1n)).toBe('must be a number, not a bigint');
    }
  });

  test('float32 rounds to the nearest float32', () => {
    expect(decode('float32', 0.1)).toBe(Math.fround(0.1));
    expect(decode('float32', 16_777_217)).toBe(16_777_216);
    expect(decode('float32', 1e-60)).toBe(0);
  });

  test('float32 refuses what would round to infinity', () => {
    const largest = 3.4028234663852886e38;
    expect(decode('float32', largest)).toBe(largest);
    expect(reason('float32', 3.5e38)).toBe('is too large for float32');
    expect(reason('float32', -1e300)).toBe('is too large for float32');
  });
});

describe('int64', () => {
  test('equal integers are the same value, however they are sent', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (integer) => {
        const decoded = decode('int64', integer);
        expect(decode('int64', integer.toString())).toBe(decoded);
        expect(BigInt(decoded as number | bigint)).toBe(integer);
        expect(typeof decoded).toBe(Number.isSafeInteger(Number(integer)) ? 'number' : 'bigint');
        expect(decode('int64', decoded)).toBe(decoded);
      }),
    );
  });

  test('keeps every digit on both sides of 2^53', () => {
    expect(decode('int64', '9007199254740991')).toBe(9007199254740991);
    expect(decode('int64', '9007199254740992')).toBe(9007199254740992n);
    expect(decode('int64', '9007199254740993')).toBe(9007199254740993n);
    expect(decode('int64', '-9007199254740993')).toBe(-9007199254740993n);
    expect(decode('int64', '9223372036854775807')).toBe(9223372036854775807n);
    expect(decode('int64', '-9223372036854775808')).toBe(-9223372036854775808n);
    expect(canonicalInt64(-9007199254740991n)).toBe(-9007199254740991);
  });

  test('refuses a JSON number that may have lost digits', () => {
    expect(reason('int64', 2 ** 53)).toMatch(/beyond 2\^53.*send it as a string/);
    expect(reason('int64', -1e300)).toMatch(/beyond 2\^53/);
  });

  test('refuses what does not fit into 64 bits', () => {
    expect(reason('int64', '9223372036854775808')).toBe('is outside the range of int64');
    expect(reason('int64', -(2n ** 63n) - 1n)).toBe('is outside the range of int64');
  });

  test('has one zero', () => {
    expect(Object.is(decode('int64', -0), 0)).toBe(true);
    expect(Object.is(decode('int64', '-0'), 0)).toBe(true);
  });

  test.each([1.5, Number.NaN, '', '1.0', '1e3', ' 1', '+1', '0x10', '1_000', true])('refuses %j', (input) => {
    expect(reason('int64', input)).toMatch(/must be an integer/);
  });
});

describe('string', () => {
  test('keeps any well-formed text', () => {
    expect(decode('string', '')).toBe('');
    expect(decode('string', 'né 😀 \u0000')).toBe('né 😀 \u0000');
  });

  test('refuses half of a surrogate pair', () => {
    expect(reason('string', 'a\ud83d')).toMatch(/half of a surrogate pair/);
    expect(reason('string', '\ude00b')).toMatch(/half of a surrogate pair/);
  });

  test('does not turn numbers into text', () => {
    expect(reason('string', 5)).toBe('must be a string, not a number');
  });
});

describe('bool', () => {
  test('takes true and false, and nothing that resembles them', () => {
    expect(decode('bool', false)).toBe(false);
    for (const input of [0, 1, 'true', '']) expect(reason('bool', input)).toMatch(/must be true or false/);
  });
});

describe('timestamp', () => {
  test('reads ISO 8601 in the forms that JSON and files have', () => {
    const noon = Date.UTC(2001, 2, 9, 12, 0, 0);
    expect(decode('timestamp', '2001-03-09')).toBe(Date.UTC(2001, 2, 9));
    expect(decode('timestamp', '2001-03-09T12:00Z')).toBe(noon);
    expect(decode('timestamp', '2001-03-09 12:00:00')).toBe(noon);
    expect(decode('timestamp', '2001-03-09t12:00:00z')).toBe(noon);
    expect(decode('timestamp', '2001-03-09T13:30:00+01:30')).toBe(noon);
    expect(decode('timestamp', '2001-03-09T07:00:00-0500')).toBe(noon);
    expect(decode('timestamp', '2001-03-09T12:00:00.123456789Z')).toBe(noon + 123);
    expect(decode('timestamp', '2000-02-29')).toBe(Date.UTC(2000, 1, 29));
  });

  test('reads back what Date writes', () => {
    const year = (y: number): Date => new Date(Date.UTC(y, 0, 1));
    fc.assert(
      fc.property(fc.date({ min: year(1000), max: year(9999), noInvalidDate: true }), (date) => {
        expect(decode('timestamp', date.toISOString())).toBe(date.getTime());
        const whole = `${date.toISOString().slice(0, 19)}Z`;
        expect(decode('timestamp', whole)).toBe(Date.parse(whole));
      }),
    );
  });

  test('takes milliseconds and drops their fraction', () => {
    expect(decode('timestamp', 984_139_200_000.9)).toBe(984_139_200_000);
    expect(Object.is(decode('timestamp', -0.5), 0)).toBe(true);
    expect(decode('timestamp', 8.64e15)).toBe(8.64e15);
    expect(reason('timestamp', 8.64e15 + 1)).toMatch(/within the range of a date/);
    expect(reason('timestamp', Number.NaN)).toMatch(/within the range of a date/);
  });

  test('reads the usual form as Date.parse does, whatever the digits', () => {
    const two = fc.oneof(fc.integer({ min: 0, max: 31 }), fc.integer({ min: 0, max: 99 }));
    const parts = fc.tuple(fc.integer({ min: 0, max: 9999 }), two, two, two, two, two);
    fc.assert(
      fc.property(parts, (numbers) => {
        const [year, ...others] = numbers.map((number, i) => String(number).padStart(i === 0 ? 4 : 2, '0'));
        const [month, day, hour, minute, second] = others;
        const text = `${year}-${month}-${day}T${hour}:${minute}:${second}Z`;
        const ms = Date.parse(text);
        const exists =
          !Number.isNaN(ms) &&
          new Date(Date.parse(`${text.slice(0, 10)}T00:00Z`)).getUTCDate() === Number(day);
        const found = decode('timestamp', text);
        expect(found instanceof Refusal ? undefined : found).toBe(exists ? ms : undefined);
      }),
      { numRuns: 2000 },
    );
  });

  test.each(['2001-02-29', '2001-02-30T10:00Z', '2001-13-01', '2001-04-31', '2001-00-10', '2001-01-00'])(
    'refuses %s, a day that does not exist',
    (text) => {
      expect(reason('timestamp', text)).toMatch(/must be ISO 8601/);
    },
  );

  test.each([
    '',
    'now',
    '2001-3-9',
    '09.03.2001',
    '2001-03-09T25:00Z',
    '2001-03-09T10:61Z',
    '984139200000',
    '2001-03-09Z x',
  ])('refuses %j', (text) => {
    expect(reason('timestamp', text)).toMatch(/must be ISO 8601/);
  });

  test('refuses a Date that is invalid', () => {
    expect(reason('timestamp', new Date(Number.NaN))).toMatch(/must be ISO 8601/);
  });
});

describe('vectors', () => {
  test('decode each element', () => {
    expect(decode('float32[2]', [0.1, 1])).toEqual([Math.fround(0.1), 1]);
    expect(decode('int64[2]', ['9007199254740993', 1])).toEqual([9007199254740993n, 1]);
  });

  test('refuse another length, and what is no array', () => {
    expect(reason('float32[2]', [1])).toBe('must have 2 elements (float32[2]), not 1');
    expect(reason('float32[2]', '1,2')).toBe('must be an array of 2 numbers, not a string');
    expect(reason('float32[2]', null)).toBe('must be an array of 2 numbers, not null');
  });

  test('name the element that is wrong', () => {
    expect(reason('float64[3]', [1, null, 3])).toBe('has a bad element [1]: must be a number, not null');
    expect(reason('float64[1]', new Array(1))).toBe(
      'has a bad element [0]: must be a number, and is missing',
    );
  });
});
