import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { populationStabilityIndex } from '../../src/stats/population-stability.ts';

describe('the population stability index', () => {
  it('agrees with the reference', () => {
    expect(populationStabilityIndex([10, 40, 50], [200, 300, 500])).toBeCloseTo(0.09808292530117264, 12);
  });

  it('is 0 of equal shares, never negative, and the same both ways', () => {
    const counts = fc.array(fc.nat(1000), { minLength: 3, maxLength: 3 });
    fc.assert(
      fc.property(counts, counts, (first, second) => {
        fc.pre(first.some(Boolean) && second.some(Boolean));
        const index = populationStabilityIndex(first, second);
        expect(index).toBeGreaterThanOrEqual(0);
        expect(index).toBeLessThan(Infinity);
        expect(populationStabilityIndex(second, first)).toBeCloseTo(index, 10);
        expect(populationStabilityIndex(first, first)).toBe(0);
      }),
    );
  });

  it('refuses what are no counts', () => {
    expect(() => populationStabilityIndex([1, -1], [1, 1])).toThrow('count must be 0 or more');
    expect(() => populationStabilityIndex([0, 0], [1, 1])).toThrow('the sum of counts');
    expect(() => populationStabilityIndex([1], [1, 1])).toThrow('equally many');
  });
});
