import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bestNormalArm, normalCredibleInterval, normalPosterior } from '../../src/stats/normal-posterior.ts';

const posteriors = fc.record({
  mean: fc.double({ min: -100, max: 100, noNaN: true }),
  standardDeviation: fc.double({ min: 0.001, max: 10, noNaN: true }),
});

describe('the posterior of a mean', () => {
  it('is as wide as the standard error', () => {
    const posterior = normalPosterior({ n: 100, mean: 5, variance: 4 });
    expect(posterior).toEqual({ mean: 5, standardDeviation: 0.2 });
    const { lower, upper } = normalCredibleInterval(posterior, 0.05);
    expect(lower).toBeCloseTo(5 - 0.2 * 1.9599639845400545, 12);
    expect(upper).toBeCloseTo(5 + 0.2 * 1.9599639845400545, 12);
    expect(() => normalPosterior({ n: 100, mean: 5, variance: 0 })).toThrow('variance must be more than 0');
  });
});

describe('the best of several means', () => {
  it('agrees with the reference', () => {
    const { chances, losses } = bestNormalArm([
      { mean: 1, standardDeviation: 0.1 },
      { mean: 1.1, standardDeviation: 0.2 },
      { mean: 0.9, standardDeviation: 0.3 },
    ]);
    for (const [arm, chance] of [0.22352391936670674, 0.5450769782641074, 0.2313991023679061].entries()) {
      expect(chances[arm]).toBeCloseTo(chance, 10);
    }
    for (const [arm, loss] of [0.19227834329804996, 0.09227834329804988, 0.2922783432980499].entries()) {
      expect(losses[arm]).toBeCloseTo(loss, 11);
    }
  });

  it('is the same in closed form and by integration, to which an arm that never wins leads', () => {
    fc.assert(
      fc.property(posteriors, posteriors, (first, second) => {
        const closed = bestNormalArm([first, second]);
        const integrated = bestNormalArm([first, second, { mean: -1e4, standardDeviation: 1 }]);
        for (const arm of [0, 1]) {
          expect(integrated.chances[arm]).toBeCloseTo(closed.chances[arm] as number, 8);
          expect(integrated.losses[arm]).toBeCloseTo(closed.losses[arm] as number, 7);
        }
      }),
      { numRuns: 20 },
    );
  });

  it('refuses an arm without spread', () => {
    const arm = { mean: 1, standardDeviation: 0 };
    expect(() => bestNormalArm([arm, arm])).toThrow('standardDeviation must be more than 0');
  });
});
