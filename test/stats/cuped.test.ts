import { describe, expect, it } from 'vitest';
import { createBivariateMoments } from '../../src/stats/bivariate-moments.ts';
import type { BivariateMoments } from '../../src/stats/bivariate-moments.ts';
import { welchTest } from '../../src/stats/contrast.ts';
import { cuped } from '../../src/stats/cuped.ts';
import { seededRandom } from '../../src/stats/seeded-random.ts';
import { normalRandom } from './normal-random.ts';

const correlation = 0.8;

function arm(normal: () => number, effect: number, n: number): BivariateMoments {
  const accumulator = createBivariateMoments();
  for (let unit = 0; unit < n; unit++) {
    const before = normal();
    accumulator.add(before, correlation * before + Math.sqrt(1 - correlation ** 2) * normal() + effect);
  }
  return accumulator.moments();
}

describe('CUPED', () => {
  it('has the slope cov(post, pre) / var(pre), and the pooled mean stays where it is', () => {
    const accumulator = createBivariateMoments();
    for (const [x, y] of [
      [1, 2],
      [2, 3],
      [3, 7],
      [4, 6],
    ] as const)
      accumulator.add(x, y);
    const { theta, varianceLeft, summaries } = cuped([accumulator.moments()]);
    expect(theta).toBeCloseTo(1.6, 12);
    expect(varianceLeft).toBeCloseTo(1 - 1.6 ** 2 * (5 / 17), 12);
    expect(summaries[0]?.mean).toBeCloseTo(4.5, 12);
    expect(summaries[0]?.variance).toBeCloseTo((17 - 1.6 * 8) / 3, 12);
  });

  it('leaves 1 - rho^2 of the variance', () => {
    const normal = normalRandom(seededRandom(5));
    const arms = [arm(normal, 0, 20_000), arm(normal, 0.1, 20_000)];
    const { theta, varianceLeft, summaries } = cuped(arms);
    expect(theta).toBeCloseTo(correlation, 1);
    expect(varianceLeft).toBeCloseTo(1 - correlation ** 2, 2);
    for (const { variance } of summaries) expect(variance).toBeCloseTo(1 - correlation ** 2, 1);
  });

  it('makes estimates of the effect vary less, by what it says, and not elsewhere', () => {
    const normal = normalRandom(seededRandom(8));
    const effects = Array.from({ length: 400 }, () => {
      const arms = [arm(normal, 0, 100), arm(normal, 0.5, 100)];
      const [baseline, candidate] = cuped(arms).summaries;
      if (baseline === undefined || candidate === undefined) throw new Error('an arm is missing');
      return welchTest(baseline, candidate, 0.05).difference;
    });
    const mean = effects.reduce((sum, effect) => sum + effect, 0) / effects.length;
    const variance = effects.reduce((sum, effect) => sum + (effect - mean) ** 2, 0) / effects.length;
    expect(mean).toBeCloseTo(0.5, 1);
    expect(variance / (2 / 100)).toBeGreaterThan(0.3);
    expect(variance / (2 / 100)).toBeLessThan(0.42);
  });

  it('changes nothing if the covariate is the same for all', () => {
    const accumulator = createBivariateMoments();
    for (const y of [1, 2, 4]) accumulator.add(7, y);
    expect(cuped([accumulator.moments()])).toMatchObject({ theta: 0, varianceLeft: 1 });
  });

  it('needs two units an arm', () => {
    const accumulator = createBivariateMoments();
    accumulator.add(1, 1);
    expect(() => cuped([accumulator.moments()])).toThrow('n must be from 2');
  });
});
