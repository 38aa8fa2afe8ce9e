import { pack } from 'msgpackr';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MillraceError } from '../../src/errors.ts';
import { parseStrictMessagePack } from '../../src/server/strict-message-pack.ts';

function codeOf(body: Buffer): string {
  try {
    parseStrictMessagePack(body);
  } catch (error) {
    if (error instanceof MillraceError) return error.code;
    throw error;
  }
  return 'none';
}

const nested = (depth: number): Buffer => Buffer.from([...new Array<number>(depth - 1).fill(0x91), 0x90]);

it('reads what another encoder wrote', () => {
  const value = fc.jsonValue({ maxDepth: 5, noUnicodeString: false });
  fc.assert(
    fc.property(value, (written) => {
      expect(parseStrictMessagePack(pack(written))).toEqual(JSON.parse(JSON.stringify(written)));
    }),
  );
});

it.each([
  0,
  127,
  128,
  255,
  256,
  65_535,
  65_536,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 53 - 1,
  -1,
  -32,
  -33,
  -128,
  -129,
  -32_769,
  -(2 ** 31) - 1,
  0.1,
  -1e300,
])('reads the number %d', (number) => expect(parseStrictMessagePack(pack(number))).toBe(number));

it('keeps all digits of whole numbers of 64 bits', () => {
  for (const value of [2n ** 53n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 64n - 1n]) {
    expect(parseStrictMessagePack(pack(value))).toBe(value);
  }
  expect(parseStrictMessagePack(Buffer.from('d3ffffffffffffffff', 'hex'))).toBe(-1);
  expect(parseStrictMessagePack(Buffer.from('cf0000000000000005', 'hex'))).toBe(5);
});

it('keeps fields with the names of inherited ones as fields', () => {
  const body = Buffer.concat([
    Buffer.of(0x82, 0xa9),
    Buffer.from('__proto__'),
    Buffer.of(0x81, 0xa1, 0x61, 0x01),
  ]);
  const both = Buffer.concat([body, Buffer.of(0xa8), Buffer.from('toString'), Buffer.of(0x02)]);
  const value = parseStrictMessagePack(both) as Record<string, unknown>;
  expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  expect(Object.entries(value)).toEqual([
    ['__proto__', { a: 1 }],
    ['toString', 2],
  ]);
  expect('a' in {}).toBe(false);
});

describe('refuses', () => {
  it.each([
    ['an array that says it is huge', 'ddffffffff'],
    ['a map that says it is huge', 'dfffffffff'],
    ['a string that says it is huge', 'dbffffffff'],
    ['binary data', 'c403010203'],
    ['huge binary data', 'c6ffffffff'],
    ['an extension', 'd6ff00000000'],
    ['a huge extension', 'c9ffffffff01'],
    ['the type that is never used', 'c1'],
    ['a key that is a number', '810101'],
    ['a key that is a map', '818001'],
    ['bytes behind the value', '8000'],
    ['a string that ends early', 'a561'],
    ['a number that ends early', 'cb0000'],
    ['a length that ends early', 'dd0000'],
    ['a map without its last value', '81a161'],
  ])('%s', (_what, hex) => expect(codeOf(Buffer.from(hex, 'hex'))).toBe('MALFORMED_MESSAGE_PACK'));

  it.each([
    ['DUPLICATE_FIELD', '82a16101a16102'],
    ['DUPLICATE_FIELD', '82a16101d9016102'],
    ['INVALID_ENCODING', 'a2c328'],
    ['INVALID_ENCODING', 'a3eda080'],
    ['EMPTY_BODY', ''],
  ])('with %s: %s', (code, hex) => expect(codeOf(Buffer.from(hex, 'hex'))).toBe(code));

  it('a field __proto__ that stands twice', () => {
    const field = Buffer.concat([Buffer.of(0xa9), Buffer.from('__proto__'), Buffer.of(0x01)]);
    expect(codeOf(Buffer.concat([Buffer.of(0x82), field, field]))).toBe('DUPLICATE_FIELD');
  });

  it('nesting beyond that of JSON', () => {
    expect(codeOf(nested(16))).toBe('none');
    expect(codeOf(nested(17))).toBe('NESTED_TOO_DEEP');
    expect(codeOf(nested(1_000_000))).toBe('NESTED_TOO_DEEP');
  });
});

it('makes of any bytes a value or a named error', () => {
  const mutated = fc
    .tuple(fc.jsonValue(), fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 4 }))
    .map(([value, changes]) => {
      const body = Buffer.from(pack(value));
      for (const [at, byte] of changes) body[at % body.length] = byte;
      return body;
    });
  const random = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes));
  const seen = new Set<string>();
  fc.assert(
    fc.property(fc.oneof(mutated, random), (body) => void seen.add(codeOf(body))),
    { numRuns: 5000 },
  );
  expect([...seen]).toEqual(expect.arrayContaining(['none', 'MALFORMED_MESSAGE_PACK', 'INVALID_ENCODING']));
});
