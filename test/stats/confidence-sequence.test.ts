import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  confidenceSequence,
  oneSidedSequences,
  sequenceHalfWidth,
  sequenceRho,
} from '../../src/stats/confidence-sequence.ts';
import { differenceEstimate, relativeEstimate } from '../../src/stats/estimate.ts';
import { createMoments } from '../../src/stats/moments.ts';
import { seededRandom } from '../../src/stats/seeded-random.ts';
import { summaryOfMoments } from '../../src/stats/summary.ts';
import type { Summary } from '../../src/stats/summary.ts';

const design = { alpha: 0.05, optimalN: 5000 };
const estimates = fc.record({
  estimate: fc.double({ min: -10, max: 10, noNaN: true }),
  variance: fc.double({ min: 1e-6, max: 10, noNaN: true }),
  n: fc.integer({ min: 1, max: 1e6 }),
});

describe('the asymptotic confidence sequence', () => {
  it('agrees with the reference', () => {
    expect(sequenceRho(design)).toBeCloseTo(0.0398400668, 10);
    expect(sequenceHalfWidth(1, 5000, design)).toBeCloseTo(0.0429243372, 10);
  });

  it('holds the estimate, and excludes 0 just if p is below alpha', () => {
    fc.assert(
      fc.property(estimates, (estimate) => {
        const { lower, upper, p } = confidenceSequence(estimate, design);
        expect((lower + upper) / 2).toBeCloseTo(estimate.estimate, 6);
        expect(lower > 0 || upper < 0 || Math.abs(p - 0.05) < 1e-9).toBe(p < 0.05 + 1e-9);
      }),
    );
  });

  it('is wider on each side than a bound of one side', () => {
    fc.assert(
      // Far from the size that both are made for, either may be the wider one.
      fc.property(estimates, fc.integer({ min: 1000, max: 25_000 }), (drawn, n) => {
        const estimate = { ...drawn, n };
        const both = confidenceSequence(estimate, design);
        const one = oneSidedSequences(estimate, design);
        expect(one.lower).toBeGreaterThan(both.lower);
        expect(one.upper).toBeLessThan(both.upper);
      }),
    );
  });

  it('is narrowest, in its share of an interval for one look, near the size it is made for', () => {
    const relativeWidth = (n: number): number => sequenceHalfWidth(1, n, design) * Math.sqrt(n);
    expect(relativeWidth(5000)).toBeLessThan(relativeWidth(500));
    expect(relativeWidth(5000)).toBeLessThan(relativeWidth(50_000));
  });

  it('knows nothing of a sample without spread', () => {
    const still = { estimate: 1, variance: 0, n: 10 };
    expect(confidenceSequence(still, design)).toMatchObject({ lower: -Infinity, upper: Infinity, p: 1 });
    expect(oneSidedSequences(still, design)).toEqual({ lower: -Infinity, upper: Infinity });
  });

  it('refuses what is no design', () => {
    expect(() => sequenceRho({ alpha: 1, optimalN: 10 })).toThrow('alpha must lie between 0 and 1');
    expect(() => sequenceRho({ alpha: 0.05, optimalN: 0 })).toThrow('optimalN must be more than 0');
    expect(() => sequenceHalfWidth(-1, 10, design)).toThrow('standardDeviation must be');
  });
});

describe('looking all the time', () => {
  const runs = 400;
  const looks = { from: 100, to: 2000 };

  /** Looks at two arms of skewed values with a true difference of 0.1, from 100 units an arm on. */
  function countMisses(
    seed: number,
    every: number,
    isMissed: (baseline: Summary, candidate: Summary) => boolean,
  ): number {
    const random = seededRandom(seed);
    let misses = 0;
    for (let run = 0; run < runs; run++) {
      const baseline = createMoments();
      const candidate = createMoments();
      let missed = false;
      for (let n = 1; n <= looks.to && !missed; n++) {
        baseline.add(-Math.log(1 - random()));
        candidate.add(0.1 - Math.log(1 - random()));
        if (n < looks.from || n % every !== 0) continue;
        missed = isMissed(summaryOfMoments(baseline.moments()), summaryOfMoments(candidate.moments()));
      }
      if (missed) misses++;
    }
    return misses;
  }

  it('misses the difference in at most a share alpha of experiments', () => {
    const broad = { alpha: 0.1, optimalN: 1000 };
    const misses = countMisses(1, 1, (baseline, candidate) => {
      const { lower, upper } = confidenceSequence(differenceEstimate(baseline, candidate), broad);
      return lower > 0.1 || upper < 0.1;
    });
    expect(misses).toBeGreaterThan(0);
    expect(misses / runs).toBeLessThanOrEqual(0.1);
  });

  it('passes a one-sided bound in at most a share alpha of experiments', () => {
    const broad = { alpha: 0.1, optimalN: 1000 };
    const misses = countMisses(
      2,
      10,
      (baseline, candidate) => oneSidedSequences(differenceEstimate(baseline, candidate), broad).upper < 0.1,
    );
    expect(misses).toBeGreaterThan(0);
    expect(misses / runs).toBeLessThanOrEqual(0.1);
  });

  it('misses the lift in at most a share alpha of experiments', () => {
    const broad = { alpha: 0.1, optimalN: 1000 };
    const misses = countMisses(3, 10, (baseline, candidate) => {
      const { lower, upper } = confidenceSequence(relativeEstimate(baseline, candidate), broad);
      return lower > 0.1 || upper < 0.1;
    });
    expect(misses / runs).toBeLessThanOrEqual(0.1);
  });
});
