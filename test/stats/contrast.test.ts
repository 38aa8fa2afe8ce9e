import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { interactionTest, stratifiedWelchTest, welchTest } from '../../src/stats/contrast.ts';
import { uniformityTest } from '../../src/stats/kolmogorov-smirnov.ts';
import { seededRandom } from '../../src/stats/seeded-random.ts';
import { summaryOfMoments } from '../../src/stats/summary.ts';
import type { Summary } from '../../src/stats/summary.ts';
import { momentsOf } from './moments-of.ts';

const summaries = fc.record({
  n: fc.integer({ min: 2, max: 10_000 }),
  mean: fc.double({ min: -100, max: 100, noNaN: true }),
  variance: fc.double({ min: 0.01, max: 100, noNaN: true }),
});

function summaryOf(values: readonly number[]): Summary {
  return summaryOfMoments(momentsOf(values));
}

describe("Welch's t-test", () => {
  it('agrees with the reference on sums of thousands of units', () => {
    const ofSums = (n: number, sum: number, squares: number): Summary =>
      summaryOfMoments({ n, mean: sum / n, m2: squares - (sum * sum) / n });
    const baseline = ofSums(3407, 1396.87, 52377.9767);
    const candidate = ofSums(3461, 2422.7, 134698.29);
    const { p, lower, upper } = welchTest(baseline, candidate, 0.05);
    expect(p).toBeCloseTo(0.02016, 5);
    expect(lower).toBeCloseTo(0.04538, 5);
    expect(upper).toBeCloseTo(0.53462, 5);
  });

  it('agrees with the reference on a handful of units', () => {
    const comparison = welchTest(summaryOf([1, 2, 3, 4, 7]), summaryOf([2, 4, 6, 8, 10, 13]), 0.05);
    expect(comparison.statistic).toBeCloseTo(1.9439466754835149, 12);
    expect(comparison.p).toBeCloseTo(0.08721055820946264, 12);
    expect(comparison.degreesOfFreedom).toBeCloseTo(8.134227523307025, 12);
    expect(comparison.lower).toBeCloseTo(-0.6887349803709566, 10);
    expect(comparison.upper).toBeCloseTo(8.222068313704291, 10);
  });

  it('has an interval around the difference, that excludes 0 just if p is below alpha', () => {
    fc.assert(
      fc.property(summaries, summaries, (baseline, candidate) => {
        const { difference, p, lower, upper } = welchTest(baseline, candidate, 0.05);
        expect((lower + upper) / 2).toBeCloseTo(difference, 6);
        expect(p).toBeGreaterThanOrEqual(0);
        expect(p).toBeLessThanOrEqual(1);
        expect(lower > 0 || upper < 0 || Math.abs(p - 0.05) < 1e-9).toBe(p < 0.05 + 1e-9);
      }),
    );
  });

  it('changes only its sign when the arms change places', () => {
    fc.assert(
      fc.property(summaries, summaries, (first, second) => {
        const there = welchTest(first, second, 0.1);
        const back = welchTest(second, first, 0.1);
        expect(back.difference).toBeCloseTo(-there.difference, 12);
        expect(back.p).toBeCloseTo(there.p, 12);
      }),
    );
  });

  it('has evenly spread p values where both arms are the same', () => {
    const random = seededRandom(11);
    // Skewed, as revenue is.
    const sample = (): number[] => Array.from({ length: 60 }, () => -Math.log(1 - random()));
    const ps = Array.from({ length: 500 }, () => welchTest(summaryOf(sample()), summaryOf(sample()), 0.05).p);
    expect(uniformityTest(ps).p).toBeGreaterThan(0.01);
  });

  it('is certain where nothing varies', () => {
    const still = { n: 5, mean: 1, variance: 0 };
    expect(welchTest(still, still, 0.05)).toMatchObject({ difference: 0, p: 1, lower: 0, upper: 0 });
    expect(welchTest(still, { ...still, mean: 2 }, 0.05)).toMatchObject({ difference: 1, p: 0, lower: 1 });
  });

  it('refuses what is no sample', () => {
    const sound = { n: 5, mean: 1, variance: 1 };
    expect(() => welchTest(sound, { ...sound, n: 1 }, 0.05)).toThrow('n must be from 2');
    expect(() => welchTest(sound, { ...sound, variance: -1 }, 0.05)).toThrow('variance must be');
    expect(() => welchTest(sound, { ...sound, mean: Number.NaN }, 0.05)).toThrow('mean must be');
    expect(() => welchTest(sound, sound, 0)).toThrow('alpha must lie');
  });
});

describe('the interaction of two experiments', () => {
  const cell = (mean: number): Summary => ({ n: 100, mean, variance: 4 });

  it('is nothing where effects add up', () => {
    const cells = { neither: cell(1), onlyFirst: cell(3), onlySecond: cell(2), both: cell(4) };
    expect(interactionTest(cells, 0.05)).toMatchObject({ difference: 0, standardError: 0.4, p: 1 });
  });

  it('is what both have more than the sum of effects', () => {
    const cells = { neither: cell(1), onlyFirst: cell(3), onlySecond: cell(2), both: cell(6) };
    const { difference, statistic, degreesOfFreedom, p } = interactionTest(cells, 0.05);
    expect(difference).toBe(2);
    expect(statistic).toBeCloseTo(5, 12);
    expect(degreesOfFreedom).toBeCloseTo(396, 9);
    expect(p).toBeLessThan(1e-5);
  });
});

describe('means that are compared within strata', () => {
  const first = { baseline: { n: 50, mean: 3, variance: 4 }, candidate: { n: 20, mean: 5, variance: 9 } };
  const second = { baseline: { n: 30, mean: 8, variance: 1 }, candidate: { n: 90, mean: 7, variance: 2 } };

  it('are compared as usual where there is one', () => {
    const { baseline, candidate } = first;
    expect(stratifiedWelchTest([{ weight: 1, ...first }], 0.05)).toEqual(
      welchTest(baseline, candidate, 0.05),
    );
  });

  it('differ by the weighted sum, with the variance of all', () => {
    const strata = [
      { weight: 0.25, ...first },
      { weight: 0.75, ...second },
    ];
    const { difference, standardError } = stratifiedWelchTest(strata, 0.05);
    expect(difference).toBeCloseTo(0.25 * 2 - 0.75, 12);
    const variance = (4 / 50 + 9 / 20) / 16 + ((1 / 30 + 2 / 90) * 9) / 16;
    expect(standardError).toBeCloseTo(Math.sqrt(variance), 12);
  });
});
