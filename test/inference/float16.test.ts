import fc from 'fast-check';
import { expect, it } from 'vitest';
import { float16ToNumber, numberToFloat16 } from '../../src/inference/float16.ts';

const allBits = Array.from({ length: 0x1_0000 }, (_, bits) => bits);

it.each([
  [0x0000, 0],
  [0x8000, -0],
  [0x0001, 2 ** -24],
  [0x03ff, 1023 * 2 ** -24],
  [0x0400, 2 ** -14],
  [0x3c00, 1],
  [0xc000, -2],
  [0x3555, 0.333251953125],
  [0x7bff, 65504],
  [0x7c00, Infinity],
  [0xfc00, -Infinity],
  [0x7e00, Number.NaN],
])('reads the bits %i as %d', (bits, value) => {
  expect(float16ToNumber(bits)).toBe(value);
  expect(numberToFloat16(value)).toBe(bits);
});

it('gives every half back', () => {
  const changed = allBits.filter((bits) => {
    const value = float16ToNumber(bits);
    return Number.isNaN(value) ? numberToFloat16(value) !== 0x7e00 : numberToFloat16(value) !== bits;
  });
  expect(changed).toEqual([]);
});

it('rounds to the nearest half, and a tie to the even one', () => {
  const wrong = allBits.slice(0, 0x7bff).filter((bits) => {
    const [low, high] = [float16ToNumber(bits), float16ToNumber(bits + 1)];
    const middle = (low + high) / 2;
    const nearby = [
      [middle, bits % 2 === 0 ? bits : bits + 1],
      [middle - middle * Number.EPSILON, bits],
      [middle + middle * Number.EPSILON, bits + 1],
    ] as const;
    return nearby.some(([value, nearest]) => numberToFloat16(value) !== nearest);
  });
  expect(wrong).toEqual([]);
});

it('overflows to infinity where that is nearer than the largest half', () => {
  expect(numberToFloat16(65519.99)).toBe(0x7bff);
  expect(numberToFloat16(65520)).toBe(0x7c00);
  fc.assert(
    fc.property(fc.double({ noNaN: true, min: 65520 }), (value) => {
      expect(numberToFloat16(-value)).toBe(0xfc00);
    }),
  );
});
