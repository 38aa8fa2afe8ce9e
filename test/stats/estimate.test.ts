import { describe, expect, it } from 'vitest';
import { differenceEstimate, relativeEstimate } from '../../src/stats/estimate.ts';

describe('estimates', () => {
  const baseline = { n: 100, mean: 10, variance: 4 };
  const candidate = { n: 300, mean: 11, variance: 9 };

  it('have the variance of the difference and of the lift, and the units of both arms', () => {
    expect(differenceEstimate(baseline, candidate)).toEqual({ estimate: 1, variance: 0.07, n: 400 });
    const relative = relativeEstimate(baseline, candidate);
    expect(relative.estimate).toBeCloseTo(0.1, 12);
    expect(relative.variance).toBeCloseTo((0.03 + 1.21 * 0.04) / 100, 12);
    expect(relative.n).toBe(400);
  });

  it('know no lift of a baseline that is not above 0', () => {
    expect(() => relativeEstimate({ ...baseline, mean: 0 }, candidate)).toThrow("the baseline's mean");
  });
});
