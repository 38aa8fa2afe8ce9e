import { expect, it } from 'vitest';
import {
  requireBetween,
  requireCount,
  requireFinite,
  requirePositive,
  requireRange,
  requireSameLength,
  requireShares,
} from '../../src/stats/require-range.ts';

it('names the argument that makes no sense, and its value', () => {
  expect(() => requireRange('n', 1, 2, 3)).toThrow(new RangeError('n must be from 2 to 3, and is 1'));
  expect(() => requireBetween('alpha', 1, 0, 1)).toThrow(
    new RangeError('alpha must lie between 0 and 1, and is 1'),
  );
  expect(() => requireCount('count', -1)).toThrow(new RangeError('count must be 0 or more, and is -1'));
  expect(() => requirePositive('n', 0)).toThrow(new RangeError('n must be more than 0, and is 0'));
  expect(() => requireFinite('mean', Infinity)).toThrow(
    new RangeError('mean must be a number, and is Infinity'),
  );
  expect(() => requireShares('weights', [0.5, 0.4])).toThrow(
    new RangeError('weights must add up to 1, and add up to 0.9'),
  );
  expect(() => requireSameLength('a and b', [1], [])).toThrow(
    new RangeError('a and b must be equally many, and are 1 and 0'),
  );
});

it('refuses what is no number at all', () => {
  expect(() => requireRange('n', Number.NaN, 0, 1)).toThrow(RangeError);
  expect(() => requireBetween('n', Number.NaN, 0, 1)).toThrow(RangeError);
  expect(() => requireCount('n', Number.NaN)).toThrow(RangeError);
  expect(() => requirePositive('n', Number.NaN)).toThrow(RangeError);
  expect(() => requireShares('n', [Number.NaN, 1])).toThrow(RangeError);
});
