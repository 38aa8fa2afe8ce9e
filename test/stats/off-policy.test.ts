import { describe, expect, it } from 'vitest';
import { offPolicyEstimates } from '../../src/stats/off-policy.ts';
import type { LoggedChoice } from '../../src/stats/off-policy.ts';
import { seededRandom } from '../../src/stats/seeded-random.ts';

const choice: LoggedChoice = {
  reward: 1,
  propensity: 0.5,
  targetChance: 0.5,
  expectedReward: 0,
  expectedOfTarget: 0,
  unit: 'a',
};

describe('off-policy estimates', () => {
  it('are those of the formulas', () => {
    const choices = [
      { ...choice, reward: 1, propensity: 0.5, targetChance: 1, expectedReward: 0.8, expectedOfTarget: 0.8 },
      {
        ...choice,
        reward: 0,
        propensity: 0.25,
        targetChance: 1,
        expectedReward: 0.1,
        expectedOfTarget: 0.1,
        unit: 'b',
      },
      {
        ...choice,
        reward: 1,
        propensity: 0.5,
        targetChance: 0,
        expectedReward: 0.4,
        expectedOfTarget: 0.6,
        unit: 'c',
      },
    ];
    const { ips, snips, doublyRobust, effectiveSampleSize } = offPolicyEstimates(choices);
    expect(ips.value).toBeCloseTo(2 / 3, 12);
    // Of 2, 0 and 0 the standard deviation is sqrt(4 / 3).
    expect(ips.standardError).toBeCloseTo(Math.sqrt(4 / 3 / 3), 12);
    expect(snips.value).toBeCloseTo(2 / 6, 12);
    // Deviations w (r - 1/3) are 4/3, -4/3 and 0.
    expect(snips.standardError).toBeCloseTo(Math.sqrt(((2 * 16) / 9) * 1.5) / 6, 12);
    // 0.8 + 2 * 0.2, 0.1 - 4 * 0.1, 0.6.
    expect(doublyRobust.value).toBeCloseTo((1.2 - 0.3 + 0.6) / 3, 12);
    expect(effectiveSampleSize).toBeCloseTo(36 / 20, 12);
  });

  it('are the plain mean where the target is the logging policy', () => {
    const choices = [1, 3, 5, 7].map((reward) => ({ ...choice, reward, unit: String(reward) }));
    const { ips, snips, effectiveSampleSize } = offPolicyEstimates(choices);
    expect(ips.value).toBe(4);
    expect(ips.standardError).toBeCloseTo(Math.sqrt(20 / 3 / 4), 12);
    expect(snips).toEqual(ips);
    expect(effectiveSampleSize).toBe(4);
  });

  it('take repeated choices for one unit as one, in their errors', () => {
    const once = [1, 3, 5, 7].map((reward) => ({ ...choice, reward, unit: String(reward) }));
    const thrice = [...once, ...once, ...once];
    expect(offPolicyEstimates(thrice).ips.standardError).toBeCloseTo(
      offPolicyEstimates(once).ips.standardError,
      12,
    );
  });

  it('find what the target earns, within their errors, and the doubly robust one with the least', () => {
    const random = seededRandom(77);
    const logging = [0.7, 0.2, 0.1];
    const target = [0.1, 0.2, 0.7];
    const worth = [0.3, 0.5, 0.6];
    const choices = Array.from({ length: 20_000 }, (_, index) => {
      const draw = random();
      const arm = draw < 0.7 ? 0 : draw < 0.9 ? 1 : 2;
      return {
        reward: random() < (worth[arm] as number) ? 1 : 0,
        propensity: logging[arm] as number,
        targetChance: target[arm] as number,
        expectedReward: worth[arm] as number,
        expectedOfTarget: 0.55,
        unit: String(index),
      };
    });
    const { ips, snips, doublyRobust } = offPolicyEstimates(choices);
    for (const { value, standardError } of [ips, snips, doublyRobust]) {
      expect(Math.abs(value - 0.55) / standardError).toBeLessThan(3);
    }
    expect(doublyRobust.standardError).toBeLessThan(ips.standardError);
  });

  it('know no error of a single unit, and no ratio without any weight', () => {
    expect(offPolicyEstimates([choice]).ips.standardError).toBeNaN();
    const never = offPolicyEstimates([{ ...choice, targetChance: 0 }]);
    expect(never.snips.value).toBeNaN();
    expect(never.effectiveSampleSize).toBe(0);
  });

  it('refuse choices that could not have been made', () => {
    expect(() => offPolicyEstimates([{ ...choice, propensity: 0 }])).toThrow(
      'propensity must be more than 0',
    );
    expect(() => offPolicyEstimates([{ ...choice, targetChance: 2 }])).toThrow('targetChance must be from 0');
    expect(() => offPolicyEstimates([])).toThrow('the number of choices');
  });
});
