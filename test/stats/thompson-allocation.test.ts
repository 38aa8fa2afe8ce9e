import fc from 'fast-check';
import { expect, it } from 'vitest';
import { thompsonAllocation } from '../../src/stats/thompson-allocation.ts';

it('gives each arm its floor, and of the rest its chance to be the best', () => {
  const shares = thompsonAllocation([0.9, 0.1, 0], 0.1);
  for (const [arm, share] of [0.73, 0.17, 0.1].entries()) expect(shares[arm]).toBeCloseTo(share, 12);
  expect(thompsonAllocation([0.9, 0.1], 0)).toEqual([0.9, 0.1]);
  expect(thompsonAllocation([0.9, 0.1], 0.5)).toEqual([0.5, 0.5]);
});

it('adds up to 1, with none below the floor, in the order of chances', () => {
  const weights = fc.array(fc.double({ min: 0.001, max: 1, noNaN: true }), { minLength: 1, maxLength: 10 });
  fc.assert(
    fc.property(weights, fc.double({ min: 0, max: 1, noNaN: true }), (drawn, part) => {
      const sum = drawn.reduce((total, weight) => total + weight, 0);
      const chances = drawn.map((weight) => weight / sum);
      const floor = part / chances.length;
      const shares = thompsonAllocation(chances, floor);
      expect(shares.reduce((total, share) => total + share, 0)).toBeCloseTo(1, 12);
      for (const share of shares) expect(share).toBeGreaterThanOrEqual(floor - 1e-12);
    }),
  );
});

it('refuses a floor that arms have no room for, and what are no chances', () => {
  expect(() => thompsonAllocation([0.5, 0.5], 0.6)).toThrow('floor must be from 0 to 0.5');
  expect(() => thompsonAllocation([0.5, 0.6], 0.1)).toThrow('chances must add up to 1');
  expect(() => thompsonAllocation([], 0.1)).toThrow(RangeError);
});
