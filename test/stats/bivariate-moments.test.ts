import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  createBivariateMoments,
  mergeBivariateMoments,
  momentsOfY,
  noBivariateMoments,
} from '../../src/stats/bivariate-moments.ts';
import type { BivariateMoments } from '../../src/stats/bivariate-moments.ts';
import { momentsOf } from './moments-of.ts';

type Pairs = readonly (readonly [number, number])[];

const number = fc.double({ min: -1000, max: 1000, noNaN: true });
const pairs = fc.array(fc.tuple(number, number), { maxLength: 30 });

function bivariateMomentsOf(values: Pairs): BivariateMoments {
  const accumulator = createBivariateMoments();
  for (const [x, y] of values) accumulator.add(x, y);
  return accumulator.moments();
}

it('are the same, accumulated or merged of parts', () => {
  fc.assert(
    fc.property(pairs, pairs, (first, second) => {
      const merged = mergeBivariateMoments(bivariateMomentsOf(first), bivariateMomentsOf(second));
      const whole = bivariateMomentsOf([...first, ...second]);
      for (const key of Object.keys(whole) as (keyof BivariateMoments)[]) {
        expect(merged[key]).toBeCloseTo(whole[key], 4);
      }
    }),
  );
});

it('hold the co-moment and the moments of y', () => {
  const moments = bivariateMomentsOf([
    [1, 2],
    [2, 4],
    [4, 3],
  ]);
  expect(moments.coMoment).toBeCloseTo(1, 12);
  expect(momentsOfY(moments)).toEqual(momentsOf([2, 4, 3]));
  expect(mergeBivariateMoments(noBivariateMoments, noBivariateMoments)).toEqual(noBivariateMoments);
});
