import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  detectableDifferenceOfMeans,
  detectableDifferenceOfProportions,
  durationDays,
  powerOfMeans,
  powerOfProportions,
  sampleSizeOfMeans,
  sampleSizeOfProportions,
} from '../../src/stats/sample-size.ts';

const rates = { alpha: 0.05, power: 0.8 };
const shares = fc.double({ min: 0.01, max: 0.5, noNaN: true });
const differences = fc.double({ min: 0.01, max: 0.4, noNaN: true });

describe('the sample size of proportions', () => {
  it('agrees with the reference', () => {
    expect(sampleSizeOfProportions(0.2, 0.05, rates)).toBeCloseTo(1030.22, 2);
  });

  it('gives the power that it was asked for, and the difference back', () => {
    fc.assert(
      fc.property(shares, differences, (baseline, difference) => {
        const n = sampleSizeOfProportions(baseline, difference, rates);
        expect(powerOfProportions(baseline, difference, n, 0.05)).toBeCloseTo(0.8, 8);
        expect(detectableDifferenceOfProportions(baseline, n, rates)).toBeCloseTo(difference, 8);
      }),
    );
  });

  it('falls as the difference grows', () => {
    fc.assert(
      fc.property(shares, differences, (baseline, difference) => {
        const n = sampleSizeOfProportions(baseline, difference, rates);
        expect(sampleSizeOfProportions(baseline, difference * 1.1, rates)).toBeLessThan(n);
      }),
    );
  });

  it('is known for losses too', () => {
    const n = sampleSizeOfProportions(0.2, -0.05, rates);
    expect(powerOfProportions(0.2, -0.05, n, 0.05)).toBeCloseTo(0.8, 8);
  });

  it('is NaN as a difference that so few units cannot find', () => {
    expect(detectableDifferenceOfProportions(0.5, 2, rates)).toBeNaN();
  });
});

describe('the sample size of means', () => {
  it('agrees with the reference', () => {
    expect(sampleSizeOfMeans(4, 0.25, rates)).toBeCloseTo(1004.6566059966837, 7);
  });

  it('gives the power that it was asked for, and the difference back', () => {
    fc.assert(
      fc.property(differences, differences, (variance, difference) => {
        const n = sampleSizeOfMeans(variance, difference, rates);
        expect(powerOfMeans(variance, difference, n, 0.05)).toBeCloseTo(0.8, 8);
        expect(detectableDifferenceOfMeans(variance, n, rates)).toBeCloseTo(difference, 8);
      }),
    );
  });
});

describe('the duration', () => {
  it('is that of the smallest arm', () => {
    const traffic = { unitsPerDay: 1000, coverage: 0.5, weights: [0.8, 0.2] };
    expect(durationDays(1030, traffic)).toBeCloseTo(10.3, 10);
  });
});

it('refuses what cannot be planned', () => {
  const traffic = { unitsPerDay: 1000, coverage: 0.5, weights: [0.5, 0.5] };
  expect(() => sampleSizeOfProportions(0.2, 0, rates)).toThrow('difference must not be 0');
  expect(() => sampleSizeOfProportions(0.9, 0.2, rates)).toThrow('baseline + difference must be from 0');
  expect(() => sampleSizeOfProportions(0.2, 0.1, { alpha: 0.05, power: 1 })).toThrow('power must lie');
  expect(() => sampleSizeOfMeans(0, 1, rates)).toThrow('variance must be more than 0');
  expect(() => durationDays(10, { ...traffic, coverage: 1.5 })).toThrow('coverage must be from 0 to 1');
  expect(() => durationDays(10, { ...traffic, weights: [0, 1] })).toThrow('the smallest weight');
});
