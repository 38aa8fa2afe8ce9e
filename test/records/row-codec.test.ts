import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { unpack } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import type { Row } from '../../src/features/online-store.ts';
import { createRowCodec } from '../../src/records/row-codec.ts';
import type { Value } from '../../src/project/value.ts';

const number = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.float({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
  fc.maxSafeInteger(),
);
const bigint = fc.oneof(
  fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n }),
  fc.bigInt({ min: -(2n ** 63n), max: -(2n ** 53n) }),
);
const value: fc.Arbitrary<Value> = fc.oneof(
  number,
  bigint,
  fc.boolean(),
  fc.constant(null),
  fc.string({ unit: 'binary', maxLength: 400 }),
  fc.array(fc.oneof(number, bigint), { maxLength: 40 }),
);
const row = fc
  .tuple(fc.maxSafeInteger(), fc.array(value, { maxLength: 40 }))
  .map(([time, values]): Row => [time, ...values]);

describe('the row codec', () => {
  it('returns every row as it was, bit for bit', () => {
    const codec = createRowCodec();
    fc.assert(
      fc.property(row, fc.nat(70_000), (written, schemaId) => {
        expect(codec.decode(codec.encode(written, schemaId))).toStrictEqual({ row: written, schemaId });
      }),
      { numRuns: 1000 },
    );
  });

  it('writes one MessagePack array of event time, values and schema id', () => {
    const codec = createRowCodec();
    const bytes = Buffer.from(codec.encode([1000, 0.1, 1.5, -0, 'é', null, true, 2n ** 62n, [1, 2.5]], 3));
    expect(bytes.toString('hex')).toBe(
      '9a' + // array of 10
        'ca447a0000' + // 1000, exact as float32
        'cb3fb999999999999a' + // 0.1, as float64
        'ca3fc00000' + // 1.5
        'ca80000000' + // -0
        'a2c3a9' + // 'é'
        'c0' + // null
        'c3' + // true
        'd34000000000000000' + // 2^62
        '9201ca40200000' + // [1, 2.5]
        '03',
    );
    expect(unpack(bytes)).toStrictEqual([1000, 0.1, 1.5, -0, 'é', null, true, 2n ** 62n, [1, 2.5], 3]);
  });

  it.each([0, 31, 32, 255, 256, 65_535, 65_536, 200_000])('keeps a text of %i bytes', (length) => {
    const codec = createRowCodec();
    const written: Row = [1, 'x'.repeat(length), 'behind'];
    expect(codec.decode(codec.encode(written, 0)).row).toStrictEqual(written);
  });

  it.each([0, 15, 16, 65_535, 65_536])('keeps a vector of %i elements', (length) => {
    const codec = createRowCodec();
    const written: Row = [1, Array.from({ length }, (_, i) => i / 3), 'behind'];
    expect(codec.decode(codec.encode(written, 0)).row).toStrictEqual(written);
  });

  it.each([
    ['no array', '01', 'not an array'],
    ['an empty array', '90', 'no event time'],
    ['no event time', '92a16101', 'no event time'],
    ['half a row', '93ca447a0000', 'end of MessagePack'],
  ])('refuses bytes that hold %s', (_, hex, message) => {
    expect(() => createRowCodec().decode(Buffer.from(hex, 'hex'))).toThrow(message);
  });
});

it('gives arrays without holes, from which numbers are read without making objects', () => {
  const codec = new URL('../../dist/records/row-codec.js', import.meta.url).href;
  const program = `
    const { createRowCodec } = await import('${codec}');
    const codec = createRowCodec();
    const { row } = codec.decode(codec.encode([1.5e12, 0.5, 0.25], 3));
    const { row: mixed } = codec.decode(codec.encode([1.5e12, 'a', null, [0.5, 0.25]], 3));
    const holey = [row, mixed, mixed[3]].map((array) => %HasHoleyElements(array));
    console.log(JSON.stringify({ holey, areDoubles: [row, mixed[3]].map((array) => %HasDoubleElements(array)) }));`;
  const args = ['--allow-natives-syntax', '--input-type=module', '--eval', program];
  const { stdout } = spawnSync(process.execPath, args);
  expect(JSON.parse(stdout.toString())).toEqual({ holey: [false, false, false], areDoubles: [true, true] });
});
