import fc from 'fast-check';
import { expect, it } from 'vitest';
import { benjaminiHochberg } from '../../src/stats/adjusted-p-values.ts';

it('agrees with the reference for Benjamini and Hochberg', () => {
  const adjusted = benjaminiHochberg([0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205, 0.212, 0.216]);
  const expected = [0.01, 0.04, 0.084, 0.084, 0.084, 0.1, 0.10571, 0.216, 0.216, 0.216];
  for (const [index, p] of adjusted.entries()) expect(p).toBeCloseTo(expected[index] as number, 5);
});

it('never lowers a p value', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true })), (ps) => {
      const adjusted = benjaminiHochberg(ps);
      for (const [index, p] of ps.entries()) {
        expect(adjusted[index]).toBeGreaterThanOrEqual(p - 1e-12);
        expect(adjusted[index]).toBeLessThanOrEqual(1);
      }
    }),
  );
});

it('leaves what it is given as it is, and refuses what is no p value', () => {
  const ps = Object.freeze([0.5, 0.1]);
  expect(benjaminiHochberg(ps)).toEqual([0.5, 0.2]);
  expect(benjaminiHochberg([])).toEqual([]);
  expect(() => benjaminiHochberg([1.1])).toThrow('p must be from 0 to 1, and is 1.1');
});
