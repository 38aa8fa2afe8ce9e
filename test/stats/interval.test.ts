import { expect, it } from 'vitest';
import { differenceOfIntervals, ratioOfIntervals } from '../../src/stats/interval.ts';

const baseline = { lower: 1, upper: 2 };
const candidate = { lower: 3, upper: 5 };

it('takes the widest difference and ratio of two intervals', () => {
  expect(differenceOfIntervals(baseline, candidate)).toEqual({ lower: 1, upper: 4 });
  expect(ratioOfIntervals(baseline, candidate)).toEqual({ lower: 1.5, upper: 5 });
});

it('knows no upper bound of a ratio to what may be 0', () => {
  expect(ratioOfIntervals({ lower: 0, upper: 2 }, candidate)).toEqual({ lower: 1.5, upper: Infinity });
  expect(ratioOfIntervals({ lower: 0, upper: 0 }, candidate)).toEqual({ lower: 0, upper: Infinity });
});
