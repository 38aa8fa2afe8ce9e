import { Unpackr } from 'msgpackr';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { MessagePackWriter } from '../../src/serving/message-pack-writer.ts';

const reader = new Unpackr({ useRecords: false });
/** Gives a 64-bit integer as a number, as JSON does, and every name of a map as it was written: `__proto__`, too. */
const exactReader = new Unpackr({ useRecords: false, int64AsType: 'number', mapsAsObjects: false });

function withMaps(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withMaps);
  if (typeof value !== 'object' || value === null) return value;
  return new Map(Object.entries(value).map(([name, field]) => [name, withMaps(field)]));
}

function written(write: (writer: MessagePackWriter) => void): Buffer {
  const writer = new MessagePackWriter();
  write(writer);
  return writer.bytes.subarray(0, writer.length);
}

it('writes what another decoder reads', () => {
  const value = fc.jsonValue({ maxDepth: 4, noUnicodeString: false });
  fc.assert(
    fc.property(value, (expected) => {
      const bytes = written((writer) => writer.value(expected));
      expect(exactReader.unpack(bytes)).toEqual(withMaps(JSON.parse(JSON.stringify(expected))));
    }),
  );
});

it('writes strings, lists and maps of any length', () => {
  for (const length of [0, 15, 16, 31, 32, 33, 255, 256, 65_535, 65_536, 70_000]) {
    for (const value of [
      'x'.repeat(length),
      'ü'.repeat(length),
      Array.from({ length }, () => 1),
      Object.fromEntries(Array.from({ length }, (_, i) => [`f${i}`, i])),
    ]) {
      expect(reader.unpack(written((writer) => writer.value(value)))).toEqual(value);
    }
  }
});

it('keeps whole numbers exact, in as few bytes as are usual', () => {
  const integers = fc.oneof(fc.maxSafeInteger(), fc.integer(), fc.integer({ min: -300, max: 300 }));
  fc.assert(
    fc.property(integers, (number) => {
      expect(Number(reader.unpack(written((writer) => writer.number(number))))).toBe(number);
    }),
  );
  for (const id of [
    2 ** 32 - 1,
    2 ** 32,
    1_795_445_362_210,
    Number.MAX_SAFE_INTEGER,
    -(2 ** 31),
    -(2 ** 40),
  ]) {
    expect(reader.unpack(written((writer) => writer.value({ id })))).toEqual({ id });
  }
  const bigints = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
  fc.assert(
    fc.property(bigints, (bigint) => {
      const read: unknown = reader.unpack(written((writer) => writer.bigint(bigint)));
      expect(String(read)).toBe(String(bigint));
    }),
  );
  expect(written((writer) => writer.bigint(5n))).toEqual(Buffer.of(5));
});

it('keeps floats exact in their own width, and writes nil for what JSON does not have', () => {
  fc.assert(
    fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (single) => {
      const bytes = written((writer) => writer.single(single));
      expect(bytes.length).toBe(5);
      expect(bytes.readFloatBE(1)).toBe(single);
    }),
  );
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (double) => {
      expect(written((writer) => writer.double(double)).readDoubleBE(1)).toBe(double);
    }),
  );
  for (const value of [Number.NaN, Infinity, -Infinity]) {
    expect(written((writer) => writer.single(value))).toEqual(Buffer.of(0xc0));
    expect(written((writer) => writer.value(value))).toEqual(Buffer.of(0xc0));
  }
});

it('leaves out fields that are undefined', () => {
  expect(reader.unpack(written((writer) => writer.value({ a: undefined, b: 1 })))).toEqual({ b: 1 });
});
