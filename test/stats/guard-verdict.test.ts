import { expect, it } from 'vitest';
import { guardVerdict } from '../../src/stats/guard-verdict.ts';

it.each([
  [-1, 0.5, 'pass'],
  [-1, 1, 'pass'],
  [0.5, 1.5, 'inconclusive'],
  [1, 2, 'inconclusive'],
  [1.1, 2, 'fail'],
  [-Infinity, Infinity, 'inconclusive'],
  [2, Infinity, 'fail'],
] as const)('judges a harm of %d to %d against a limit of 1: %s', (lower, upper, verdict) => {
  expect(guardVerdict({ lower, upper }, 1)).toBe(verdict);
});

it('refuses what is no interval', () => {
  expect(() => guardVerdict({ lower: 2, upper: 1 }, 1)).toThrow('2 to 1 is no interval');
  expect(() => guardVerdict({ lower: Number.NaN, upper: 1 }, 1)).toThrow(RangeError);
  expect(() => guardVerdict({ lower: 0, upper: 1 }, Number.NaN)).toThrow('limit must be a number');
});
