/** Many A/A tests whose shares change on a day of other people, without logs. */
import { describe, expect, it } from 'vitest';
import { compareArms } from '../../src/experiments/compare-arms.ts';
import type { ArmContrast } from '../../src/experiments/compare-arms.ts';
import { strataFrom } from '../../src/experiments/compared-strata.ts';
import type { MetricForm } from '../../src/experiments/metric-sample.ts';
import { createBivariateMoments, mergeBivariateMoments } from '../../src/stats/bivariate-moments.ts';
import type { BivariateMoments } from '../../src/stats/bivariate-moments.ts';
import { uniformityTest } from '../../src/stats/kolmogorov-smirnov.ts';
import { seededRandom } from '../../src/stats/seeded-random.ts';

const RUNS = 300;

const days = [
  { shareOfB: 0.05, base: 0.2, units: 800 },
  { shareOfB: 0.5, base: 0.5, units: 800 },
] as const;

/** By day, and in it by arm. */
function drawGroups(random: () => number, form: MetricForm): BivariateMoments[] {
  return days.flatMap(({ shareOfB, base, units }) => {
    const arms = [createBivariateMoments(), createBivariateMoments()];
    for (let i = 0; i < units; i++) {
      const arm = arms[random() < shareOfB ? 1 : 0];
      const before = random();
      if (form === 'proportion') arm?.add(1, random() < base ? 1 : 0);
      else if (form === 'mean') arm?.add(1, 10 * base + random());
      else if (form === 'adjusted') arm?.add(before, 10 * base + before + random());
      else {
        const count = 1 + Math.floor(random() * 3);
        arm?.add(count, count * base + random());
      }
    }
    return arms.map((arm) => arm.moments());
  });
}

function contrastOf(form: MetricForm, groups: readonly BivariateMoments[]): ArmContrast {
  const [contrast] = compareArms(form, strataFrom(form, groups, 2), 'increase', 0.05).contrasts;
  if (contrast === undefined) throw new Error('the arms can be compared');
  return contrast;
}

describe('arms that are the same, under several versions', () => {
  for (const form of ['proportion', 'mean', 'ratio', 'adjusted'] as const)
    it(`of the form ${form} have p values that are spread evenly`, () => {
      const random = seededRandom(23);
      const ps: number[] = [];
      let found = 0;
      for (let run = 0; run < RUNS; run++) {
        const { fixed, alwaysValid } = contrastOf(form, drawGroups(random, form));
        ps.push(fixed.p);
        if (alwaysValid.p <= 0.05) found++;
      }
      expect(uniformityTest(ps).p).toBeGreaterThan(0.01);
      expect(found / RUNS).toBeLessThanOrEqual(0.05);
    });

  it('would differ if they were pooled', () => {
    const [a, b, c, d] = drawGroups(seededRandom(23), 'mean') as [
      BivariateMoments,
      BivariateMoments,
      BivariateMoments,
      BivariateMoments,
    ];
    const { alwaysValid } = contrastOf('mean', [mergeBivariateMoments(a, c), mergeBivariateMoments(b, d)]);
    expect(alwaysValid.p).toBeLessThan(1e-6);
  });

  it('have chances to be the best that agree with their difference', () => {
    const groups = drawGroups(seededRandom(29), 'mean');
    const { arms, contrasts } = compareArms('mean', strataFrom('mean', groups, 2), 'increase', 0.05);
    const { estimate } = contrasts[0] as ArmContrast;
    const difference = (arms[1]?.mean ?? 0) - (arms[0]?.mean ?? 0);
    expect(difference).toBeCloseTo(estimate.estimate, 12);
    expect((arms[1]?.chanceBest ?? 0) > 0.5).toBe(difference > 0);
    const [p = 0] = contrasts.map(({ fixed }) => fixed.p);
    // Two-sided p by the normal distribution, and by Student's with many degrees of freedom.
    expect(2 * Math.min(...arms.map(({ chanceBest }) => chanceBest ?? 0))).toBeCloseTo(p, 2);
  });
});
