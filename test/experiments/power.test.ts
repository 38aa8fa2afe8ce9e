/** How large an experiment has to be, against what such experiments find. */
import { describe, expect, it } from 'vitest';
import { smallestToFind, unitsToFind } from '../../src/experiments/power.ts';
import { confidenceSequence } from '../../src/stats/confidence-sequence.ts';
import { seededRandom } from '../../src/stats/seeded-random.ts';
import { sampleSizeOfProportions } from '../../src/stats/sample-size.ts';
import { normalRandom } from '../stats/normal-random.ts';

const question = { standardDeviation: undefined, baseline: 0.2, arms: 2, alpha: 0.05, power: 0.8 };

describe('the size of an experiment', () => {
  it('is that of the textbook for one look', () => {
    expect(unitsToFind(question, 0.05).oneLook).toBe(1031);
    expect(smallestToFind(question, 1031)).toBeCloseTo(0.05, 4);
    const three = { ...question, arms: 3 };
    const halved = sampleSizeOfProportions(0.2, 0.05, { alpha: 0.025, power: 0.8 });
    expect(unitsToFind(three, 0.05).oneLook).toBe(Math.ceil(halved));
  });

  it('is as large with looks at any time that its power is what was asked for', () => {
    const mean = { ...question, standardDeviation: 2, baseline: 5 };
    const { oneLook, alwaysValid } = unitsToFind(mean, 0.25);
    expect(alwaysValid).toBeGreaterThan(oneLook);
    const random = normalRandom(seededRandom(6));
    let found = 0;
    for (let i = 0; i < 2000; i++) {
      const variance = (2 * 4) / alwaysValid;
      const estimate = 0.25 + random() * Math.sqrt(variance);
      const of = { estimate, variance, n: 2 * alwaysValid };
      if (confidenceSequence(of, { alpha: 0.05, optimalN: 5000 }).lower > 0) found++;
    }
    expect(found / 2000).toBeGreaterThan(0.77);
    expect(found / 2000).toBeLessThan(0.83);
  });

  it('says that too few units find no share at all', () => {
    expect(smallestToFind({ ...question, baseline: 0.99 }, 5)).toBeNaN();
  });
});
