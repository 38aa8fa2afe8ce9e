import { expect, it } from 'vitest';
import { chiSquareTail } from '../../src/stats/chi-square-tail.ts';

it('keeps the digits of the far tail of chi-square', () => {
  expect(chiSquareTail(64, 1) / 1.244192115e-15).toBeCloseTo(1, 9);
  expect(chiSquareTail(1200, 1) / 6.099568814808675e-263).toBeCloseTo(1, 9);
  expect(chiSquareTail(15.3, 9)).toBeCloseTo(0.08301828623864689, 12);
  expect(chiSquareTail(0, 3)).toBe(1);
});
