import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { oneSidedBernoulliSequences } from '../../src/stats/bernoulli-sequence.ts';
import { quantileSequence } from '../../src/stats/quantile-sequence.ts';
import { seededRandom } from '../../src/stats/seeded-random.ts';

const ends = [1, 2, 3, 4, 5, 6, 7, 8, 9, Infinity];

describe('the exact sequence of a quantile', () => {
  it('narrows to the bin that holds the quantile', () => {
    const counts = ends.map(() => 100_000);
    expect(quantileSequence({ ends, counts }, 0.55, 0.05)).toEqual({ lower: 5, estimate: 6, upper: 6 });
  });

  it('is wide while there are few values', () => {
    const counts = [1, 1, 1, 0, 0, 0, 0, 0, 0, 0];
    expect(quantileSequence({ ends, counts }, 0.5, 0.05)).toEqual({
      lower: -Infinity,
      estimate: 2,
      upper: Infinity,
    });
    const none = { lower: -Infinity, estimate: Number.NaN, upper: Infinity };
    expect(quantileSequence({ ends: [1], counts: [0] }, 0.5, 0.05)).toEqual(none);
  });

  it('holds its estimate', () => {
    const counts = fc.array(fc.nat(1000), { minLength: ends.length, maxLength: ends.length });
    fc.assert(
      fc.property(counts, fc.double({ min: 0.01, max: 0.99, noNaN: true }), (drawn, q) => {
        fc.pre(drawn.some((count) => count > 0));
        const { lower, estimate, upper } = quantileSequence({ ends, counts: drawn }, q, 0.05);
        expect(lower).toBeLessThan(estimate);
        expect(upper).toBeGreaterThanOrEqual(estimate);
      }),
    );
  });

  it('ends where bounds of the share at alpha / 2 leave q', () => {
    const fine = Array.from({ length: 200 }, (_, bin) => bin);
    const bounds = fine.map((bin) => oneSidedBernoulliSequences({ successes: 2 * (bin + 1), n: 400 }, 0.05));
    for (const q of [0.1, 0.3, 0.5, 0.7, 0.9]) {
      const { lower, upper } = quantileSequence({ ends: fine, counts: fine.map(() => 2) }, q, 0.1);
      expect(lower).toBe(fine[bounds.findLastIndex((share) => share.upper < q)] ?? -Infinity);
      expect(upper).toBe(fine[bounds.findIndex((share) => share.lower > q)] ?? Infinity);
    }
  });

  it('misses the quantile in at most a share alpha of streams that are looked at all the time', () => {
    const random = seededRandom(41);
    const runs = 200;
    let misses = 0;
    for (let run = 0; run < runs; run++) {
      const counts = ends.map(() => 0);
      let missed = false;
      for (let n = 1; n <= 1000; n++) {
        const bin = Math.floor(random() * 10);
        counts[bin] = (counts[bin] as number) + 1;
        if (missed || n % 10 !== 0) continue;
        const { lower, upper } = quantileSequence({ ends, counts }, 0.7, 0.4);
        // Of values that are even over 0 to 10 the quantile at 0.7 is 7.
        missed = lower >= 7 || upper < 7;
      }
      if (missed) misses++;
    }
    expect(misses).toBeGreaterThan(0);
    expect(misses / runs).toBeLessThanOrEqual(0.4);
  });

  it('refuses bins that do not ascend', () => {
    expect(() => quantileSequence({ ends: [1, 1], counts: [1, 2] }, 0.5, 0.05)).toThrow('ends must ascend');
    expect(() => quantileSequence({ ends: [1, 2], counts: [1] }, 0.5, 0.05)).toThrow('equally many');
    expect(() => quantileSequence({ ends: [1, 2], counts: [1, -1] }, 0.5, 0.05)).toThrow('count must be');
  });
});
