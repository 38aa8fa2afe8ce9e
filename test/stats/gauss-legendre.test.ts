import { expect, it } from 'vitest';
import { visitPanel } from '../../src/stats/gauss-legendre.ts';

function integral(f: (x: number) => number, from: number, to: number): number {
  let sum = 0;
  visitPanel(from, to, (x, weight) => {
    sum += weight * f(x);
  });
  return sum;
}

it('integrates polynomials up to degree 31 exactly', () => {
  expect(integral((x) => x ** 31, 0, 1)).toBeCloseTo(1 / 32, 15);
  expect(integral((x) => x ** 2, -1, 3)).toBeCloseTo(28 / 3, 13);
});

it('integrates what is smooth', () => {
  expect(integral(Math.exp, 0, 2)).toBeCloseTo(Math.exp(2) - 1, 13);
});
