import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { quantileOfSorted } from '../../../src/stats/quantile.ts';
import { quantile } from '../../../src/streaming/aggregates/quantile.ts';

const shares = [0, 0.01, 0.25, 0.5, 0.9, 0.99, 1];

function sketchOf(values: readonly number[]): ReturnType<typeof quantile.create> {
  const state = quantile.create();
  for (const value of values) quantile.add(state, value, 0, 0);
  return state;
}

function worstError(values: readonly number[]): number {
  const state = sketchOf(values);
  const sorted = values.toSorted((a, b) => a - b);
  const errors = shares.map((share) => {
    const exact = quantileOfSorted(sorted, share);
    const found = quantile.result(state, { rank: 1, quantile: share }) as number;
    return found === exact ? 0 : Math.abs(found / exact - 1);
  });
  return Math.max(...errors);
}

const anyDouble = fc
  .double({ noNaN: true, noDefaultInfinity: true })
  .map((value) => (value === 0 ? 0 : value));

describe('a quantile', () => {
  it('is within 1 % of the value at its rank, whatever the values are', () => {
    fc.assert(
      fc.property(fc.array(anyDouble, { minLength: 1, maxLength: 300 }), (values) => {
        expect(worstError(values)).toBeLessThan(0.01 + 1e-9);
      }),
      { numRuns: 500 },
    );
  });

  it('is exact for zeros, for one value, and at both ends', () => {
    expect(quantile.result(sketchOf([-3.3, 0, 7]), { rank: 1, quantile: 0.5 })).toBe(0);
    expect(quantile.result(sketchOf([123.456, 123.456]), { rank: 1, quantile: 0.5 })).toBe(123.456);
    expect(quantile.result(sketchOf([-3.3, 0, 7.7]), { rank: 1, quantile: 0 })).toBe(-3.3);
    expect(quantile.result(sketchOf([-3.3, 0, 7.7]), { rank: 1, quantile: 1 })).toBe(7.7);
  });

  it('stays small and within a wider bound for values of all magnitudes', () => {
    const values = Array.from(
      { length: 40_000 },
      (_, i) => (i % 2 === 0 ? 1 : -1) * 10 ** (-300 + (600 * i) / 40_000),
    );
    expect(sketchOf(values).keys.length).toBeLessThanOrEqual(2048);
    expect(worstError(values)).toBeLessThan(0.86);
    expect(worstError(values)).toBeGreaterThan(0.01);
  });

  it('does not depend on the order of merging, where buckets are joined too', () => {
    const wide = (from: number, to: number): number[] =>
      Array.from({ length: 1500 }, (_, i) => 10 ** (from + ((to - from) * i) / 1500));
    const parts = [wide(-5, 8), wide(8, 30), wide(-200, -150), [0, -1], [5]];
    const whole = quantile.encode(sketchOf(parts.flat()));
    for (const order of [
      [0, 1, 2, 3, 4],
      [4, 3, 2, 1, 0],
      [2, 0, 4, 1, 3],
    ]) {
      const state = quantile.create();
      for (const part of order) quantile.merge(state, sketchOf(parts[part] ?? []));
      expect(quantile.encode(state)).toEqual(whole);
    }
  });
});
