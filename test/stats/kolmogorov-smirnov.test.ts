import fc from 'fast-check';
import { expect, it } from 'vitest';
import { uniformityTest } from '../../src/stats/kolmogorov-smirnov.ts';
import { seededRandom } from '../../src/stats/seeded-random.ts';

it('agrees with the reference on both of its series', () => {
  const even = uniformityTest([0.05, 0.13, 0.2, 0.21, 0.35, 0.47, 0.52, 0.68, 0.81, 0.99]);
  expect(even.statistic).toBeCloseTo(0.19, 12);
  expect(even.p).toBeCloseTo(0.8218919971920078, 10);
  const high = uniformityTest(Array.from({ length: 10 }, (_, index) => 0.5 + 0.04 * index));
  expect(high.statistic).toBeCloseTo(0.5, 12);
  expect(high.p).toBeCloseTo(0.008161678659143069, 10);
});

it('finds nothing in values that are too even', () => {
  const values = Array.from({ length: 1000 }, (_, index) => (index + 0.5) / 1000);
  expect(uniformityTest(values)).toEqual({ statistic: expect.closeTo(0.0005, 12), p: 1 });
});

it('has p from 0 to 1, whatever the order of values', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1 }), (values) => {
      const { statistic, p } = uniformityTest(values);
      expect(p).toBeGreaterThanOrEqual(0);
      expect(p).toBeLessThanOrEqual(1);
      expect(uniformityTest(values.toReversed()).statistic).toBe(statistic);
    }),
  );
});

it('has p values that are themselves evenly spread', () => {
  const random = seededRandom(9);
  const ps = Array.from({ length: 500 }, () => uniformityTest(Array.from({ length: 50 }, () => random())).p);
  expect(uniformityTest(ps).p).toBeGreaterThan(0.01);
});

it('refuses values outside of 0 to 1, and none', () => {
  expect(() => uniformityTest([1.5])).toThrow('value must be from 0 to 1');
  expect(() => uniformityTest([])).toThrow('the number of values');
});
