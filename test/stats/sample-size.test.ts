import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { normalCritical, normalTail } from '../../src/stats/normal-tail.ts';
import {
  detectableDifferenceOfMeans,
  detectableDifferenceOfProportions,
  sampleSizeOfMeans,
  sampleSizeOfProportions,
} from '../../src/stats/sample-size.ts';

const rates = { alpha: 0.05, power: 0.8 };
const shares = fc.double({ min: 0.01, max: 0.5, noNaN: true });
const differences = fc.double({ min: 0.01, max: 0.4, noNaN: true });

/** The chance to find a difference, by the definition of the test: how often z is beyond its critical value. */
function powerOf(difference: number, errorWithout: number, errorWithin: number): number {
  return normalTail((normalCritical(0.025) * errorWithout - Math.abs(difference)) / errorWithin);
}

function powerOfProportions(baseline: number, difference: number, n: number): number {
  const changed = baseline + difference;
  const variance = baseline * (1 - baseline);
  const within = Math.sqrt((variance + changed * (1 - changed)) / n);
  return powerOf(difference, Math.sqrt((2 * variance) / n), within);
}

function powerOfMeans(variance: number, difference: number, n: number): number {
  const error = Math.sqrt((2 * variance) / n);
  return powerOf(difference, error, error);
}

describe('the sample size of proportions', () => {
  it('agrees with the reference', () => {
    expect(sampleSizeOfProportions(0.2, 0.05, rates)).toBeCloseTo(1030.22, 2);
  });

  it('gives the power that it was asked for, and the difference back', () => {
    fc.assert(
      fc.property(shares, differences, (baseline, difference) => {
        const n = sampleSizeOfProportions(baseline, difference, rates);
        expect(powerOfProportions(baseline, difference, n)).toBeCloseTo(0.8, 8);
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
    expect(powerOfProportions(0.2, -0.05, n)).toBeCloseTo(0.8, 8);
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
        expect(powerOfMeans(variance, difference, n)).toBeCloseTo(0.8, 8);
        expect(detectableDifferenceOfMeans(variance, n, rates)).toBeCloseTo(difference, 8);
      }),
    );
  });
});

it('refuses what cannot be planned', () => {
  expect(() => sampleSizeOfProportions(0.2, 0, rates)).toThrow('difference must not be 0');
  expect(() => sampleSizeOfProportions(0.9, 0.2, rates)).toThrow('baseline + difference must be from 0');
  expect(() => sampleSizeOfProportions(0.2, 0.1, { alpha: 0.05, power: 1 })).toThrow('power must lie');
  expect(() => sampleSizeOfMeans(0, 1, rates)).toThrow('variance must be more than 0');
});
