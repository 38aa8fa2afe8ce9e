import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bernoulliDifferenceSequence,
  bernoulliRatioSequence,
  bernoulliSequence,
  isShareBelow,
  oneSidedBernoulliSequences,
} from '../../src/stats/bernoulli-sequence.ts';
import { seededRandom } from '../../src/stats/seeded-random.ts';

const samples = fc
  .tuple(fc.nat(10_000), fc.nat(10_000))
  .map(([successes, failures]) => ({ successes, n: successes + failures }));

describe('the exact sequence of a share', () => {
  it('agrees with the roots of its definition', () => {
    const { lower, upper } = bernoulliSequence({ successes: 30, n: 100 }, 0.05);
    expect(lower).toBeCloseTo(0.1694464780443, 12);
    expect(upper).toBeCloseTo(0.4572459875968, 12);
    const mixed = bernoulliSequence({ successes: 30, n: 100 }, 0.05, { alpha: 0.5, beta: 2 });
    expect(mixed.lower).toBeCloseTo(0.1690054043788, 12);
    expect(mixed.upper).toBeCloseTo(0.4578922565516, 12);
    const many = bernoulliSequence({ successes: 1e6, n: 1e7 }, 0.05);
    expect(many.lower).toBeCloseTo(0.09954881212655, 11);
    expect(many.upper).toBeCloseTo(0.1004523974526, 11);
    expect(bernoulliSequence({ successes: 0, n: 50 }, 0.05)).toEqual({
      lower: 0,
      upper: expect.closeTo(0.1293812890915, 12),
    });
  });

  it('has one-sided bounds that agree with the roots of theirs', () => {
    const { lower, upper } = oneSidedBernoulliSequences({ successes: 30, n: 100 }, 0.05);
    expect(lower).toBeCloseTo(0.1714938018311, 12);
    expect(upper).toBeCloseTo(0.4439245442429, 12);
    expect(oneSidedBernoulliSequences({ successes: 0, n: 50 }, 0.05)).toEqual({
      lower: 0,
      upper: expect.closeTo(0.08572859284252, 12),
    });
  });

  it('knows nothing without units', () => {
    expect(bernoulliSequence({ successes: 0, n: 0 }, 0.05)).toEqual({ lower: 0, upper: 1 });
    expect(oneSidedBernoulliSequences({ successes: 0, n: 0 }, 0.05)).toEqual({ lower: 0, upper: 1 });
  });

  it('holds the share, is the mirror of that of failures, and narrows as alpha grows', () => {
    fc.assert(
      fc.property(samples, ({ successes, n }) => {
        const { lower, upper } = bernoulliSequence({ successes, n }, 0.05);
        const share = n === 0 ? 0.5 : successes / n;
        expect(lower).toBeLessThanOrEqual(share);
        expect(upper).toBeGreaterThanOrEqual(share);
        expect(1 - bernoulliSequence({ successes: n - successes, n }, 0.05).upper).toBeCloseTo(lower, 10);
        const narrower = bernoulliSequence({ successes, n }, 0.2);
        expect(narrower.lower).toBeGreaterThanOrEqual(lower);
        expect(narrower.upper).toBeLessThanOrEqual(upper);
      }),
    );
  });

  it('answers for one share as its bound does', () => {
    fc.assert(
      fc.property(samples, fc.double({ min: 0.01, max: 0.99, noNaN: true }), (sample, share) => {
        const { upper } = oneSidedBernoulliSequences(sample, 0.05);
        fc.pre(Math.abs(upper - share) > 1e-9);
        expect(isShareBelow(share, sample, 0.05)).toBe(upper < share);
      }),
    );
  });

  it('bounds differences and ratios by both shares', () => {
    const baseline = { successes: 50, n: 1000 };
    const candidate = { successes: 100, n: 1000 };
    const first = bernoulliSequence(baseline, 0.025);
    const second = bernoulliSequence(candidate, 0.025);
    expect(bernoulliDifferenceSequence(baseline, candidate, 0.05)).toEqual({
      lower: second.lower - first.upper,
      upper: second.upper - first.lower,
    });
    expect(bernoulliRatioSequence(baseline, candidate, 0.05)).toEqual({
      lower: second.lower / first.upper,
      upper: second.upper / first.lower,
    });
  });

  it('refuses more successes than units, and a mixture that is none', () => {
    expect(() => bernoulliSequence({ successes: 3, n: 2 }, 0.05)).toThrow('successes must be from 0 to 2');
    expect(() => bernoulliSequence({ successes: 1, n: 2 }, 0.05, { alpha: 0, beta: 1 })).toThrow(RangeError);
    expect(() => oneSidedBernoulliSequences({ successes: 1, n: 2 }, 2)).toThrow('alpha must lie');
  });
});

describe('looking all the time', () => {
  const runs = 400;

  /** Looks after each of the first 50 units, then after every 20th, to 2,000. */
  function countMisses(seed: number, isMissed: (successes: number, n: number) => boolean): number {
    const random = seededRandom(seed);
    let misses = 0;
    for (let run = 0; run < runs; run++) {
      let successes = 0;
      let missed = false;
      for (let n = 1; n <= 2000; n++) {
        if (random() < 0.05) successes++;
        if (!missed && (n <= 50 || n % 20 === 0)) missed = isMissed(successes, n);
      }
      if (missed) misses++;
    }
    return misses;
  }

  it('misses the share in at most a share alpha of streams', () => {
    const misses = countMisses(31, (successes, n) => {
      const { lower, upper } = bernoulliSequence({ successes, n }, 0.2);
      return lower > 0.05 || upper < 0.05;
    });
    expect(misses).toBeGreaterThan(0);
    expect(misses / runs).toBeLessThanOrEqual(0.2);
  });

  it('passes each one-sided bound in at most a share alpha of streams', () => {
    const above = countMisses(32, (successes, n) => isShareBelow(0.05, { successes, n }, 0.2));
    const below = countMisses(33, (successes, n) => isShareBelow(0.95, { successes: n - successes, n }, 0.2));
    expect(Math.min(above, below)).toBeGreaterThan(0);
    expect(Math.max(above, below) / runs).toBeLessThanOrEqual(0.2);
  });
});
