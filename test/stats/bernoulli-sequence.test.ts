import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isShareBelow, oneSidedBernoulliSequences } from '../../src/stats/bernoulli-sequence.ts';
import { seededRandom } from '../../src/stats/seeded-random.ts';

const samples = fc
  .tuple(fc.nat(10_000), fc.nat(10_000))
  .map(([successes, failures]) => ({ successes, n: successes + failures }));

describe('the exact sequence of a share', () => {
  it('has bounds that agree with the roots of their definition', () => {
    const { lower, upper } = oneSidedBernoulliSequences({ successes: 30, n: 100 }, 0.05);
    expect(lower).toBeCloseTo(0.1714938018311, 12);
    expect(upper).toBeCloseTo(0.4439245442429, 12);
    expect(oneSidedBernoulliSequences({ successes: 0, n: 50 }, 0.05)).toEqual({
      lower: 0,
      upper: expect.closeTo(0.08572859284252, 12),
    });
  });

  it('knows nothing without units', () => {
    expect(oneSidedBernoulliSequences({ successes: 0, n: 0 }, 0.05)).toEqual({ lower: 0, upper: 1 });
  });

  it('holds the share, is the mirror of that of failures, and narrows as alpha grows', () => {
    fc.assert(
      fc.property(samples, ({ successes, n }) => {
        const { lower, upper } = oneSidedBernoulliSequences({ successes, n }, 0.05);
        const share = n === 0 ? 0.5 : successes / n;
        expect(lower).toBeLessThanOrEqual(share);
        expect(upper).toBeGreaterThanOrEqual(share);
        expect(1 - oneSidedBernoulliSequences({ successes: n - successes, n }, 0.05).upper).toBeCloseTo(
          lower,
          10,
        );
        const narrower = oneSidedBernoulliSequences({ successes, n }, 0.2);
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

  it('refuses more successes than units', () => {
    expect(() => oneSidedBernoulliSequences({ successes: 3, n: 2 }, 0.05)).toThrow('successes must be from');
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

  it('passes each one-sided bound in at most a share alpha of streams', () => {
    const above = countMisses(32, (successes, n) => isShareBelow(0.05, { successes, n }, 0.2));
    const below = countMisses(33, (successes, n) => isShareBelow(0.95, { successes: n - successes, n }, 0.2));
    expect(Math.min(above, below)).toBeGreaterThan(0);
    expect(Math.max(above, below) / runs).toBeLessThanOrEqual(0.2);
  });
});
