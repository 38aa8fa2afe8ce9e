import fc from 'fast-check';
import { expect, it } from 'vitest';
import { rankCorrelation } from '../../src/stats/rank-correlation.ts';

it('agrees with the reference on ties', () => {
  expect(rankCorrelation([1, 2, 2, 4, 5, 5], [3, 1, 4, 4, 6, 5])).toBeCloseTo(0.8508410434878082, 12);
});

it('is 1 of the same order, -1 of the reverse, and looks at nothing but order', () => {
  const distinct = fc.uniqueArray(fc.integer({ min: -100, max: 100 }), { minLength: 2, maxLength: 50 });
  fc.assert(
    fc.property(distinct, (values) => {
      const grown = values.map((value) => value ** 3 + 5);
      expect(rankCorrelation(values, grown)).toBeCloseTo(1, 12);
      const turned = values.map((value) => -value);
      expect(rankCorrelation(values, turned)).toBeCloseTo(-1, 12);
    }),
  );
});

it('is NaN where there is no order', () => {
  expect(rankCorrelation([1, 1], [1, 2])).toBeNaN();
  expect(rankCorrelation([], [])).toBeNaN();
  expect(() => rankCorrelation([1], [1, 2])).toThrow('equally many');
});
