import fc from 'fast-check';
import { expect, it } from 'vitest';
import { wilsonInterval } from '../../src/stats/wilson-interval.ts';

it('agrees with the reference', () => {
  const { lower, upper } = wilsonInterval({ successes: 30, n: 100 }, 0.05);
  expect(lower).toBeCloseTo(0.21894885294932764, 12);
  expect(upper).toBeCloseTo(0.39584854633346667, 12);
  expect(wilsonInterval({ successes: 0, n: 10 }, 0.05)).toEqual({
    lower: 0,
    upper: expect.closeTo(0.27753279986288926, 12),
  });
});

it('holds the share, inside of 0 to 1, and is the mirror of that of failures', () => {
  fc.assert(
    fc.property(fc.nat(1e6), fc.nat(1e6), fc.double({ min: 0.001, max: 0.5, noNaN: true }), (s, f, alpha) => {
      fc.pre(s + f > 0);
      const { lower, upper } = wilsonInterval({ successes: s, n: s + f }, alpha);
      const mirror = wilsonInterval({ successes: f, n: s + f }, alpha);
      expect(lower).toBeGreaterThanOrEqual(0);
      expect(lower).toBeLessThanOrEqual(s / (s + f));
      expect(upper).toBeGreaterThanOrEqual(s / (s + f));
      expect(upper).toBeLessThanOrEqual(1);
      expect(1 - mirror.upper).toBeCloseTo(lower, 12);
    }),
  );
});

it('knows nothing without units', () => {
  expect(wilsonInterval({ successes: 0, n: 0 }, 0.05)).toEqual({ lower: 0, upper: 1 });
});

it('refuses more successes than units', () => {
  expect(() => wilsonInterval({ successes: 2, n: 1 }, 0.05)).toThrow('successes must be from 0 to 1');
});
