import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { normalCritical, normalDensity, normalTail, normalTwoTails } from '../../src/stats/normal-tail.ts';

describe('the normal distribution', () => {
  it('keeps the digits of its far tail', () => {
    expect(normalTail(10) / 7.61985302416047e-24).toBeCloseTo(1, 12);
    expect(normalTail(-1)).toBeCloseTo(0.8413447460685429, 14);
    expect(normalTwoTails(-10) / 1.523970604832094e-23).toBeCloseTo(1, 12);
  });

  it('has the critical values of the tables', () => {
    expect(normalCritical(0.025)).toBeCloseTo(1.9599639845400545, 12);
    expect(normalCritical(1e-10)).toBeCloseTo(6.361340902404056, 7);
    expect(() => normalCritical(0)).toThrow(RangeError);
  });

  it('has a density that peaks at 0', () => {
    expect(normalDensity(0)).toBeCloseTo(0.3989422804014327, 15);
    expect(normalDensity(1.5)).toBe(normalDensity(-1.5));
  });

  it('leads from a tail to its critical value and back', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-6, max: 0.999, noNaN: true }), (tail) => {
        expect(normalTail(normalCritical(tail)) / tail).toBeCloseTo(1, 8);
      }),
    );
  });
});
