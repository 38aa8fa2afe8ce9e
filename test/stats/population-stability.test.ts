import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { binCounts, populationStabilityIndex, quantileBins } from '../../src/stats/population-stability.ts';
import { seededRandom } from '../../src/stats/seeded-random.ts';

describe('bins', () => {
  it('hold equally many values of the reference', () => {
    const reference = Array.from({ length: 100 }, (_, index) => 100 - index);
    const ends = quantileBins(reference, 4);
    expect(ends).toEqual([25, 50, 75, Infinity]);
    expect(binCounts(reference, ends)).toEqual([25, 25, 25, 25]);
  });

  it('are fewer where values are often equal', () => {
    expect(quantileBins([0, 0, 0, 0, 0, 0, 1, 2], 4)).toEqual([0, Infinity]);
  });

  it('have a place for every number, and none for what is none', () => {
    expect(binCounts([-Infinity, 1, 1.5, Infinity, Number.NaN], [1, 2, Infinity])).toEqual([2, 1, 1]);
  });

  it('need a reference', () => {
    expect(() => quantileBins([], 10)).toThrow('the number of reference values');
  });
});

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

  it('tells a moved distribution from one that is drawn again', () => {
    const random = seededRandom(2);
    const draw = (shift: number): number[] => Array.from({ length: 5000 }, () => random() + shift);
    const reference = draw(0);
    const ends = quantileBins(reference, 10);
    const before = binCounts(reference, ends);
    expect(populationStabilityIndex(before, binCounts(draw(0), ends))).toBeLessThan(0.01);
    expect(populationStabilityIndex(before, binCounts(draw(0.3), ends))).toBeGreaterThan(0.25);
  });

  it('refuses what are no counts', () => {
    expect(() => populationStabilityIndex([1, -1], [1, 1])).toThrow('count must be 0 or more');
    expect(() => populationStabilityIndex([0, 0], [1, 1])).toThrow('the sum of counts');
    expect(() => populationStabilityIndex([1], [1, 1])).toThrow('equally many');
  });
});
