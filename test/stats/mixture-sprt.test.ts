import fc from 'fast-check';
import { expect, it } from 'vitest';
import { mixtureSprt } from '../../src/stats/mixture-sprt.ts';
import { seededRandom } from '../../src/stats/seeded-random.ts';
import { normalRandom } from './normal-random.ts';

it('agrees with the reference', () => {
  const { logLikelihoodRatio, p } = mixtureSprt(0.05, 0.3475 / 1000, 1e-4);
  expect(Math.exp(logLikelihoodRatio)).toBeCloseTo(1.968693799, 8);
  expect(p).toBeCloseTo(1 / 1.968693799, 8);
});

it('remembers the least p, and stays finite for huge effects', () => {
  const huge = mixtureSprt(1000, 1e-4, 1);
  expect(huge.p).toBe(0);
  expect(mixtureSprt(0, 1e-4, 1, huge.everP)).toMatchObject({ p: 1, everP: 0 });
});

it('has p from 0 to 1, that falls as the effect grows', () => {
  const positive = fc.double({ min: 1e-6, max: 1e6, noNaN: true });
  fc.assert(
    fc.property(positive, positive, positive, (estimate, variance, mixingVariance) => {
      const { p } = mixtureSprt(estimate, variance, mixingVariance);
      expect(p).toBeGreaterThanOrEqual(0);
      expect(p).toBeLessThanOrEqual(1);
      expect(mixtureSprt(2 * estimate, variance, mixingVariance).p).toBeLessThanOrEqual(p);
      expect(mixtureSprt(-estimate, variance, mixingVariance).p).toBe(p);
    }),
  );
});

it('finds an effect in at most a share alpha of streams without one, looking after every unit', () => {
  const normal = normalRandom(seededRandom(6));
  let found = 0;
  for (let run = 0; run < 400; run++) {
    let sum = 0;
    let everP = 1;
    for (let n = 1; n <= 2000; n++) {
      sum += normal();
      everP = mixtureSprt(sum / n, 1 / n, 0.01, everP).everP;
    }
    if (everP <= 0.1) found++;
  }
  expect(found).toBeGreaterThan(0);
  expect(found / 400).toBeLessThanOrEqual(0.1);
});

it('refuses what is no variance', () => {
  expect(() => mixtureSprt(1, 0, 1)).toThrow('variance must be more than 0');
  expect(() => mixtureSprt(1, 1, -1)).toThrow('mixingVariance must be more than 0');
});
