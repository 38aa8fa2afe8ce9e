import { expect, it } from 'vitest';
import { bestArm } from '../../src/stats/best-arm.ts';
import type { ArmDistribution } from '../../src/stats/best-arm.ts';

/** Density e^-|t - center| / 2. */
function laplace(center: number): ArmDistribution {
  return {
    center,
    scale: Math.SQRT2,
    at(t) {
      const density = Math.exp(-Math.abs(t - center)) / 2;
      return t < center
        ? { density, below: density, above: 1 - density }
        : { density, below: 1 - density, above: density };
    },
  };
}

it('integrates any distribution that it is given', () => {
  const { chances } = bestArm([laplace(0), laplace(1)], () => 1);
  // P(X + 1 > Y) of two of them is 1 - e^-1 (1 / 2 + 1 / 4).
  expect(chances[1]).toBeCloseTo(1 - 0.75 * Math.exp(-1), 10);
});

it('measures losses in the unit that the slope leads to', () => {
  const arms = [laplace(0), laplace(0)];
  const [loss = 0] = bestArm(arms, () => 1).losses;
  // The mean of max(X - Y, 0) of two of them.
  expect(loss).toBeCloseTo(0.75, 10);
  expect(bestArm(arms, () => 10).losses[0]).toBeCloseTo(10 * loss, 9);
});

it('is sure of the only arm', () => {
  expect(bestArm([laplace(3)], () => 1)).toEqual({ chances: [1], losses: [0] });
});
