import { expect, it } from 'vitest';
import { relativeDifference } from '../../src/stats/relative-difference.ts';
import { seededRandom } from '../../src/stats/seeded-random.ts';
import { summaryOfMoments } from '../../src/stats/summary.ts';
import { momentsOf } from './moments-of.ts';

it('is the lift, with the error of both means', () => {
  const baseline = { n: 100, mean: 10, variance: 4 };
  const candidate = { n: 400, mean: 11, variance: 9 };
  const { difference, standardError, lower, upper } = relativeDifference(baseline, candidate, 0.05);
  expect(difference).toBeCloseTo(0.1, 12);
  expect(standardError).toBeCloseTo(Math.sqrt(0.0225 / 100 + (0.04 * 121) / 10_000), 12);
  expect((lower + upper) / 2).toBeCloseTo(0.1, 12);
  expect(upper - lower).toBeCloseTo(2 * 1.9599639845400545 * standardError, 9);
});

it('covers the true lift about as often as it says', () => {
  const random = seededRandom(3);
  const sample = (scale: number) =>
    summaryOfMoments(momentsOf(Array.from({ length: 200 }, () => scale * (1 + random()))));
  let covered = 0;
  for (let run = 0; run < 500; run++) {
    const { lower, upper } = relativeDifference(sample(2), sample(2.2), 0.1);
    if (lower <= 0.1 && 0.1 <= upper) covered++;
  }
  expect(covered / 500).toBeGreaterThan(0.87);
  expect(covered / 500).toBeLessThan(0.93);
});

it('needs a baseline above 0', () => {
  const arm = { n: 100, mean: 0, variance: 4 };
  expect(() => relativeDifference(arm, arm, 0.05)).toThrow("the baseline's mean must be more than 0");
});
