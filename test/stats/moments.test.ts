import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createMoments, mergeMoments, noMoments } from '../../src/stats/moments.ts';
import type { Moments } from '../../src/stats/moments.ts';
import { summaryOfMoments } from '../../src/stats/summary.ts';
import { momentsOf } from './moments-of.ts';

const numbers = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { maxLength: 40 });

function expectEqual(first: Moments, second: Moments): void {
  expect(first.n).toBe(second.n);
  expect(first.mean).toBeCloseTo(second.mean, 6);
  expect(first.m2 / Math.max(second.m2, 1)).toBeCloseTo(second.m2 / Math.max(second.m2, 1), 8);
}

describe('moments', () => {
  it('are those of the textbook', () => {
    expect(momentsOf([1, 2, 3, 4, 7])).toEqual({ n: 5, mean: 3.4, m2: expect.closeTo(21.2, 12) });
    expect(momentsOf([])).toEqual(noMoments);
  });

  it('are the same, accumulated or merged of parts in any order', () => {
    fc.assert(
      fc.property(numbers, numbers, (first, second) => {
        const whole = momentsOf([...first, ...second]);
        expectEqual(mergeMoments(momentsOf(first), momentsOf(second)), whole);
        expectEqual(mergeMoments(momentsOf(second), momentsOf(first)), whole);
      }),
    );
  });

  it('go on from where stored ones stopped', () => {
    const stored = JSON.parse(JSON.stringify(momentsOf([1, 2, 3]))) as Moments;
    const accumulator = createMoments(stored);
    accumulator.add(4);
    expectEqual(accumulator.moments(), momentsOf([1, 2, 3, 4]));
  });

  it('keep the variance of small differences of large numbers, which sums of squares lose', () => {
    expect(summaryOfMoments(momentsOf([1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16])).variance).toBe(30);
  });
});

describe('a summary', () => {
  it('has the unbiased variance', () => {
    expect(summaryOfMoments(momentsOf([1, 2, 3, 4, 7]))).toEqual({
      n: 5,
      mean: 3.4,
      variance: expect.closeTo(5.3, 12),
    });
  });

  it('needs two units', () => {
    expect(() => summaryOfMoments(momentsOf([1]))).toThrow('n must be from 2');
  });
});
