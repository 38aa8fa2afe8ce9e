import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareProportions, compareStratifiedProportions } from '../../src/stats/compare-proportions.ts';
import { uniformityTest } from '../../src/stats/kolmogorov-smirnov.ts';
import { seededRandom } from '../../src/stats/seeded-random.ts';

it('agrees with the reference', () => {
  const comparison = compareProportions({ successes: 100, n: 1000 }, { successes: 120, n: 1000 }, 0.05);
  expect(comparison.difference).toBeCloseTo(0.02, 12);
  expect(comparison.statistic).toBeCloseTo(1.4293008498232314, 12);
  expect(comparison.p).toBeCloseTo(0.1529177818639462, 12);
  expect(comparison.lower).toBeCloseTo(-0.0074921675152110415, 12);
  expect(comparison.upper).toBeCloseTo(0.047550667456339055, 12);
});

it("has Newcombe's published interval of 56 of 70 against 48 of 80", () => {
  const { lower, upper } = compareProportions({ successes: 48, n: 80 }, { successes: 56, n: 70 }, 0.05);
  expect(lower).toBeCloseTo(0.0524, 4);
  expect(upper).toBeCloseTo(0.3339, 4);
});

it('has an interval around the difference, and p from 0 to 1', () => {
  const share = fc.tuple(fc.nat(1000), fc.integer({ min: 1, max: 1000 }));
  fc.assert(
    fc.property(share, share, ([s, f], [t, g]) => {
      const comparison = compareProportions({ successes: s, n: s + f }, { successes: t, n: t + g }, 0.05);
      expect(comparison.lower).toBeLessThanOrEqual(comparison.difference);
      expect(comparison.upper).toBeGreaterThanOrEqual(comparison.difference);
      expect(comparison.lower).toBeGreaterThanOrEqual(-1);
      expect(comparison.upper).toBeLessThanOrEqual(1);
      expect(comparison.p).toBeGreaterThanOrEqual(0);
      expect(comparison.p).toBeLessThanOrEqual(1);
    }),
  );
});

it('has evenly spread p values where both arms are the same', () => {
  const random = seededRandom(4);
  const sample = () => {
    let successes = 0;
    for (let unit = 0; unit < 2000; unit++) if (random() < 0.3) successes++;
    return { successes, n: 2000 };
  };
  const ps = Array.from({ length: 400 }, () => compareProportions(sample(), sample(), 0.05).p);
  expect(uniformityTest(ps).p).toBeGreaterThan(0.01);
});

it('sees no difference of arms in which all succeed, and refuses an empty one', () => {
  const all = { successes: 5, n: 5 };
  expect(compareProportions(all, all, 0.05)).toMatchObject({ difference: 0, p: 1 });
  expect(() => compareProportions(all, { successes: 0, n: 0 }, 0.05)).toThrow("the candidate's n");
});

describe('shares that are compared within strata', () => {
  const [first, second] = [
    { baseline: { successes: 10, n: 100 }, candidate: { successes: 12, n: 50 } },
    { baseline: { successes: 40, n: 80 }, candidate: { successes: 90, n: 200 } },
  ] as const;
  const of = ({ baseline, candidate }: typeof first | typeof second): ReturnType<typeof compareProportions> =>
    compareProportions(baseline, candidate, 0.05);

  it('are compared as usual where there is one', () => {
    expect(compareStratifiedProportions([{ weight: 1, ...first }], 0.05)).toEqual(of(first));
  });

  it('differ by the weighted sum, with the spread of both', () => {
    const strata = [
      { weight: 0.25, ...first },
      { weight: 0.75, ...second },
    ];
    const { difference, standardError, lower, upper } = compareStratifiedProportions(strata, 0.05);
    const [one, two] = [of(first), of(second)];
    expect(difference).toBeCloseTo(0.25 * 0.14 + 0.75 * -0.05, 12);
    expect(standardError).toBeCloseTo(Math.hypot(0.25 * one.standardError, 0.75 * two.standardError), 12);
    const below = Math.hypot(0.25 * (one.difference - one.lower), 0.75 * (two.difference - two.lower));
    expect(difference - lower).toBeCloseTo(below, 12);
    expect(upper).toBeGreaterThan(difference);
  });

  it('need weights that add up to 1', () => {
    expect(() => compareStratifiedProportions([{ weight: 0.5, ...first }], 0.05)).toThrow(
      'weights must add up',
    );
  });
});
