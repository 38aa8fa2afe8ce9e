import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bestBetaArm, betaDensity, betaPosterior, credibleInterval } from '../../src/stats/beta-posterior.ts';
import type { BetaDistribution } from '../../src/stats/beta-posterior.ts';

function posterior(successes: number, n: number): BetaDistribution {
  return betaPosterior({ successes, n });
}

const chanceToBeat = (baseline: BetaDistribution, candidate: BetaDistribution): number =>
  bestBetaArm([baseline, candidate]).chances[1] ?? 0;

function expectAll(values: readonly number[], expected: readonly number[], digits: number): void {
  expect(values).toHaveLength(expected.length);
  for (const [index, value] of values.entries()) expect(value).toBeCloseTo(expected[index] as number, digits);
}

const posteriors = fc.record({
  alpha: fc.double({ min: 0.5, max: 1e5, noNaN: true }),
  beta: fc.double({ min: 0.5, max: 1e5, noNaN: true }),
});

describe('the posterior of a share', () => {
  it('adds what was seen to the prior', () => {
    expect(posterior(3, 10)).toEqual({ alpha: 4, beta: 8 });
    expect(betaPosterior({ successes: 0, n: 0 }, { alpha: 2, beta: 3 })).toEqual({ alpha: 2, beta: 3 });
    expect(() => posterior(3, 2)).toThrow('successes must be from 0 to 2');
    expect(() => betaPosterior({ successes: 0, n: 0 }, { alpha: 0, beta: 3 })).toThrow('alpha of the');
  });

  it('has an interval that agrees with the reference', () => {
    const { lower, upper } = credibleInterval(posterior(100, 1000), 0.05);
    expect(lower).toBeCloseTo(0.0829364, 7);
    expect(upper).toBeCloseTo(0.12016913, 7);
    const many = credibleInterval(posterior(1e6, 1e7), 0.05);
    expect(many.lower).toBeCloseTo(0.09981422, 8);
    expect(many.upper).toBeCloseTo(0.10018609, 8);
  });

  it('can be plotted', () => {
    const points = betaDensity(posterior(100, 1000), 201);
    expect(points).toHaveLength(201);
    const [first, second] = points;
    const step = (second?.x ?? 0) - (first?.x ?? 0);
    expect(points.reduce((sum, { density }) => sum + density, 0) * step).toBeCloseTo(1, 3);
    const peak = points.reduce((best, point) => (point.density > best.density ? point : best));
    expect(peak.x).toBeCloseTo(0.1, 2);
    expect(betaDensity({ alpha: 0.5, beta: 0.5 }, 11).every(({ density }) => Number.isFinite(density))).toBe(
      true,
    );
  });
});

describe('the chance to beat', () => {
  it('agrees with the closed form', () => {
    expect(chanceToBeat(posterior(49, 100), posterior(51, 100))).toBeCloseTo(0.610770522688, 11);
    expect(chanceToBeat(posterior(100, 1000), posterior(120, 1000))).toBeCloseTo(0.923183438972, 11);
    expect(chanceToBeat(posterior(1000, 10_000), posterior(1050, 10_000))).toBeCloseTo(0.878076672876, 10);
  });

  it('is right for counts of millions, and of hundreds against millions', () => {
    expect(chanceToBeat(posterior(1e6, 1e7), posterior(1_000_200, 1e7))).toBeCloseTo(0.55924864483, 9);
    expect(chanceToBeat(posterior(1e6, 1e7), posterior(11, 100))).toBeCloseTo(0.69104376750331, 9);
  });

  it('is that of priors where nothing was seen', () => {
    expect(chanceToBeat(posterior(0, 0), posterior(0, 0))).toBeCloseTo(0.5, 12);
    // P(y > x) with density 2 y is 2 / 3.
    expect(chanceToBeat(posterior(0, 0), { alpha: 2, beta: 1 })).toBeCloseTo(2 / 3, 11);
    expect(() => chanceToBeat(posterior(0, 0), { alpha: 0.01, beta: 1 })).toThrow(RangeError);
  });

  it('and that to be beaten add up to 1', () => {
    fc.assert(
      fc.property(posteriors, posteriors, (first, second) => {
        expect(chanceToBeat(first, second) + chanceToBeat(second, first)).toBeCloseTo(1, 8);
      }),
      { numRuns: 15 },
    );
  });
});

describe('the best of several shares', () => {
  it('agrees with the reference', () => {
    const { chances, losses } = bestBetaArm([
      posterior(100, 1000),
      posterior(120, 1000),
      posterior(110, 1000),
    ]);
    expectAll(chances, [0.0462083, 0.7268865, 0.2269052], 7);
    expectAll(chances, [0.046208314989331666, 0.7268864978329835, 0.22690518717768474], 10);
    expectAll(losses, [0.022252730609337613, 0.002292650769018256, 0.012272690689177931], 12);
  });

  it('costs what the closed form says', () => {
    const { losses } = bestBetaArm([posterior(100, 1000), posterior(120, 1000)]);
    expect(losses[0]).toBeCloseTo(0.02044469377, 11);
    expect(losses[1]).toBeCloseTo(0.0004846139264, 13);
  });

  it('is anyone where nothing was seen, at the loss of the largest of three', () => {
    const { chances, losses } = bestBetaArm([posterior(0, 0), posterior(0, 0), posterior(0, 0)]);
    expectAll(chances, [1 / 3, 1 / 3, 1 / 3], 12);
    // The largest of three even numbers is 3 / 4 on average, each of them 1 / 2.
    expectAll(losses, [0.25, 0.25, 0.25], 11);
  });

  it('is certain of shares that are far apart, at the loss of their distance', () => {
    const { chances, losses } = bestBetaArm([posterior(1000, 1e6), posterior(5e5, 1e6)]);
    expectAll(chances, [0, 1], 12);
    expectAll(losses, [500_001 / 1_000_002 - 1001 / 1_000_002, 0], 10);
  });

  it('has chances that add up, and losses that differ as means do', () => {
    fc.assert(
      fc.property(fc.array(posteriors, { minLength: 2, maxLength: 4 }), (arms) => {
        const { chances, losses } = bestBetaArm(arms);
        expect(chances.reduce((sum, chance) => sum + chance, 0)).toBeCloseTo(1, 9);
        const means = arms.map(({ alpha, beta }) => alpha / (alpha + beta));
        for (const [arm, loss] of losses.entries()) {
          expect(loss).toBeGreaterThanOrEqual(0);
          expect(loss + (means[arm] as number)).toBeCloseTo((losses[0] as number) + (means[0] as number), 8);
        }
      }),
      { numRuns: 15 },
    );
  });

  it('refuses to choose from nothing', () => {
    expect(() => bestBetaArm([])).toThrow('the number of arms must be from 1');
  });
});
