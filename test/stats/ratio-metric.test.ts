import { expect, it } from 'vitest';
import { createBivariateMoments } from '../../src/stats/bivariate-moments.ts';
import { welchTest } from '../../src/stats/contrast.ts';
import { uniformityTest } from '../../src/stats/kolmogorov-smirnov.ts';
import { ratioMetric } from '../../src/stats/ratio-metric.ts';
import { seededRandom } from '../../src/stats/seeded-random.ts';
import type { Summary } from '../../src/stats/summary.ts';

function ratioOf(pairs: readonly (readonly [denominator: number, numerator: number])[]): Summary {
  const accumulator = createBivariateMoments();
  for (const [denominator, numerator] of pairs) accumulator.add(denominator, numerator);
  return ratioMetric(accumulator.moments());
}

it('has the variance of the delta method', () => {
  const summary = ratioOf([
    [1, 2],
    [2, 4],
    [3, 5],
    [4, 4],
    [5, 5],
    [6, 9],
  ]);
  expect(summary.n).toBe(6);
  expect(summary.mean).toBeCloseTo(1.380952380952381, 12);
  expect(summary.variance).toBeCloseTo(0.14875283446712007, 12);
});

it('has evenly spread p values where users differ in how much they do, and arms do not', () => {
  const random = seededRandom(21);
  const sample = (): Summary =>
    ratioOf(
      Array.from({ length: 200 }, () => {
        const views = 1 + Math.floor(10 * random());
        const taste = random() / 2;
        let clicks = 0;
        for (let view = 0; view < views; view++) if (random() < taste) clicks++;
        return [views, clicks] as const;
      }),
    );
  const ps = Array.from({ length: 300 }, () => welchTest(sample(), sample(), 0.05).p);
  expect(uniformityTest(ps).p).toBeGreaterThan(0.01);
});

it('needs a denominator', () => {
  expect(() =>
    ratioOf([
      [0, 1],
      [0, 2],
    ]),
  ).toThrow('the mean of the denominator must be more than 0');
});
