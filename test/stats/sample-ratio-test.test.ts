import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  sampleRatioEvidence,
  sampleRatioTest,
  sequentialSampleRatio,
} from '../../src/stats/sample-ratio-test.ts';
import { seededRandom } from '../../src/stats/seeded-random.ts';

const halves = [0.5, 0.5];

describe('the chi-square test of a sample ratio', () => {
  it('agrees with the reference', () => {
    const slight = sampleRatioTest([821_588, 815_482], halves);
    expect(slight.statistic).toBeCloseTo(22.7743688, 7);
    expect(slight.p / 1.821792873e-6).toBeCloseTo(1, 8);
    const gross = sampleRatioTest([4600, 5400], halves);
    expect(gross).toMatchObject({ statistic: 64, degreesOfFreedom: 1 });
    expect(gross.p / 1.244192115e-15).toBeCloseTo(1, 9);
  });

  it('finds nothing in exact shares, nor without units', () => {
    expect(sampleRatioTest([30, 20, 50], [0.3, 0.2, 0.5])).toEqual({
      statistic: 0,
      degreesOfFreedom: 2,
      p: 1,
    });
    expect(sampleRatioTest([0, 0], halves).p).toBe(1);
  });

  it('refuses what are no counts or weights', () => {
    expect(() => sampleRatioTest([1, -1], halves)).toThrow('count must be 0 or more, and is -1');
    expect(() => sampleRatioTest([1, 1], [0.5, 0.6])).toThrow('weights must add up to 1');
    expect(() => sampleRatioTest([1, 1], [0, 1])).toThrow('weight must be more than 0');
    expect(() => sampleRatioTest([1, 1, 1], halves)).toThrow('equally many');
    expect(() => sampleRatioTest([1], [1])).toThrow('the number of arms');
  });
});

describe('the sequential test of a sample ratio', () => {
  it('agrees with the reference', () => {
    const { logBayesFactor, p } = sequentialSampleRatio([4600, 5400], halves);
    expect(logBayesFactor).toBeCloseTo(15.658483977, 9);
    expect(p).toBeCloseTo(Math.exp(-15.658483977), 15);
    const three = sequentialSampleRatio([1000, 1100, 950], [0.3, 0.4, 0.3]);
    expect(three.logBayesFactor).toBeCloseTo(2.19233465700819, 9);
    expect(sequentialSampleRatio([5_010_000, 4_990_000], halves).logBayesFactor).toBeCloseTo(
      16.525632904782,
      7,
    );
  });

  it('remembers the least p', () => {
    const earlier = sequentialSampleRatio([4600, 5400], halves);
    const later = sequentialSampleRatio([10_000, 10_000], halves, earlier.everP);
    expect(later.p).toBe(1);
    expect(later.everP).toBe(earlier.everP);
  });

  it('alarms in at most a share alpha of sound experiments that are looked at all the time', () => {
    const random = seededRandom(17);
    let alarms = 0;
    for (let run = 0; run < 300; run++) {
      const counts = [0, 0];
      let everP = 1;
      for (let unit = 1; unit <= 4000; unit++) {
        const arm = random() < 0.5 ? 0 : 1;
        counts[arm] = (counts[arm] as number) + 1;
        if (unit % 20 === 0) everP = sequentialSampleRatio(counts, halves, everP, 100).everP;
      }
      if (everP <= 0.1) alarms++;
    }
    expect(alarms).toBeGreaterThan(0);
    expect(alarms / 300).toBeLessThanOrEqual(0.1);
  });

  it('alarms as seldom where it looks for mismatches of all sizes, and sees a large one in hundreds of units', () => {
    const random = seededRandom(18);
    let alarms = 0;
    for (let run = 0; run < 300; run++) {
      const counts = [0, 0];
      let most = 0;
      for (let unit = 1; unit <= 4000; unit++) {
        const arm = random() < 0.5 ? 0 : 1;
        counts[arm] = (counts[arm] as number) + 1;
        if (unit % 20 === 0) most = Math.max(most, sampleRatioEvidence(counts, halves));
      }
      if (most >= Math.log(10)) alarms++;
    }
    expect(alarms).toBeGreaterThan(0);
    expect(alarms / 300).toBeLessThanOrEqual(0.1);
    expect(Math.exp(-sampleRatioEvidence([280, 180], halves))).toBeLessThan(0.001);
    expect(sequentialSampleRatio([280, 180], halves).p).toBeGreaterThan(0.1);
  });

  it('has p from 0 to 1, whatever the order of arms', () => {
    fc.assert(
      fc.property(fc.nat(1e6), fc.nat(1e6), (first, second) => {
        const { logBayesFactor, p } = sequentialSampleRatio([first, second], [0.2, 0.8]);
        expect(p).toBeGreaterThanOrEqual(0);
        expect(p).toBeLessThanOrEqual(1);
        const turned = sequentialSampleRatio([second, first], [0.8, 0.2]);
        expect(turned.logBayesFactor).toBeCloseTo(logBayesFactor, 6);
      }),
    );
  });
});
