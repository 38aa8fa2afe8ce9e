import { describe, expect, it } from 'vitest';
import { dkwSequence } from '../../src/stats/dkw-sequence.ts';
import { seededRandom } from '../../src/stats/seeded-random.ts';

describe('a bound for a whole distribution function', () => {
  it('is that of Howard and Ramdas', () => {
    expect(dkwSequence(10_000, 0.05)).toBeCloseTo(0.85 * Math.sqrt((2.3225 + 0.8 * 10.3811) / 10_000), 5);
    expect(dkwSequence(1, 0.05)).toBe(1);
    expect(dkwSequence(0, 0.05)).toBe(1);
    expect(() => dkwSequence(-1, 0.05)).toThrow(RangeError);
  });

  it('holds at every look at once, in at least 1 - alpha of 200 runs that are looked at after each 20 values', () => {
    const alpha = 0.5;
    let missed = 0;
    for (let seed = 0; seed < 200; seed++) {
      const random = seededRandom(seed);
      const counts = Array.from({ length: 50 }, () => 0);
      for (let n = 1; n <= 1000; n++) {
        const bin = Math.floor(random() * 50);
        counts[bin] = (counts[bin] as number) + 1;
        if (n % 20 === 0 && distanceFromUniform(counts, n) >= dkwSequence(n, alpha)) {
          missed++;
          break;
        }
      }
    }
    expect(missed / 200).toBeLessThanOrEqual(alpha);
  });

  it('is narrow enough to see a distance twice its width', () => {
    const width = dkwSequence(5000, 0.01);
    expect(width).toBeLessThan(0.045);
    expect(dkwSequence(20_000, 0.01)).toBeLessThan(0.52 * width);
  });
});

function distanceFromUniform(counts: readonly number[], n: number): number {
  let upTo = 0;
  return Math.max(
    ...counts.map((count, bin) => {
      upTo += count;
      return Math.abs(upTo / n - (bin + 1) / counts.length);
    }),
  );
}
