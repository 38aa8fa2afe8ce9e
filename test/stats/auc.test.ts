import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { auc } from '../../src/stats/auc.ts';
import { quantileOfSorted } from '../../src/stats/quantile.ts';

describe('auc', () => {
  it('equals the share of pairs that are in order, ties counting half', () => {
    const cases = fc.array(fc.tuple(fc.integer({ min: 0, max: 5 }), fc.boolean()), {
      minLength: 2,
      maxLength: 40,
    });
    fc.assert(
      fc.property(cases, (drawn) => {
        const positives = drawn.filter(([, label]) => label).map(([score]) => score);
        const negatives = drawn.filter(([, label]) => !label).map(([score]) => score);
        fc.pre(positives.length > 0 && negatives.length > 0);
        let ordered = 0;
        for (const p of positives) for (const n of negatives) ordered += p > n ? 1 : p === n ? 0.5 : 0;
        const expected = ordered / (positives.length * negatives.length);
        expect(
          auc(
            drawn.map(([score]) => score),
            drawn.map(([, label]) => label),
          ),
        ).toBeCloseTo(expected, 12);
      }),
    );
  });

  it('gives the value that scikit-learn documents for its example', () => {
    expect(auc([0.1, 0.4, 0.35, 0.8], [false, false, true, true])).toBe(0.75);
  });

  it('is NaN when all cases are of one kind', () => {
    expect(auc([1, 2], [true, true])).toBeNaN();
  });
});

describe('quantileOfSorted', () => {
  it('takes the nearest rank', () => {
    expect(quantileOfSorted([1, 2, 3, 4], 0.5)).toBe(2);
    expect(quantileOfSorted([1, 2, 3, 4], 0.99)).toBe(4);
    expect(quantileOfSorted([1, 2, 3, 4], 0)).toBe(1);
    expect(quantileOfSorted([], 0.5)).toBeNaN();
  });
});
