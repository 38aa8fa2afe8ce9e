import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createArrivals } from '../../src/loadtest/arrivals.ts';

const COUNT = 100_000;

function gapsOf(seed: number, ratePerSecond: number): number[] {
  const next = createArrivals('poisson', ratePerSecond, seed);
  let beforeUs = 0;
  return Array.from({ length: COUNT }, () => {
    const timeUs = next();
    const gapUs = timeUs - beforeUs;
    beforeUs = timeUs;
    return gapUs;
  });
}

it('spaces constant arrivals evenly, without drift', () => {
  const next = createArrivals('constant', 3000, 1);
  const timesUs = Array.from({ length: 9001 }, next);
  expect(timesUs[0]).toBe(0);
  expect(timesUs[3000]).toBeCloseTo(1_000_000, 3);
  expect(timesUs[9000]).toBeCloseTo(3_000_000, 3);
});

it('gives Poisson arrivals the gaps of an exponential distribution: their deviation is their mean', () => {
  const gapsUs = gapsOf(7, 1000);
  const mean = gapsUs.reduce((sum, gap) => sum + gap, 0) / COUNT;
  const variance = gapsUs.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / COUNT;
  // Within five standard errors: mean 1 / sqrt(n), variance sqrt(8 / n).
  expect(Math.abs(mean / 1000 - 1)).toBeLessThan(5 / Math.sqrt(COUNT));
  expect(Math.abs(variance / 1e6 - 1)).toBeLessThan(5 * Math.sqrt(8 / COUNT));
  const long = gapsUs.filter((gap) => gap > 3000).length / COUNT;
  expect(long).toBeCloseTo(Math.exp(-3), 2);
});

it('makes as many Poisson arrivals in each second as a Poisson distribution does', () => {
  const next = createArrivals('poisson', 100, 3);
  const counts = new Array<number>(1000).fill(0);
  for (let timeUs = next(); timeUs < 1e9; timeUs = next()) {
    const second = Math.floor(timeUs / 1e6);
    counts[second] = (counts[second] as number) + 1;
  }
  const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  const variance = counts.reduce((sum, count) => sum + (count - mean) ** 2, 0) / counts.length;
  expect(mean).toBeGreaterThan(98);
  expect(mean).toBeLessThan(102);
  expect(variance).toBeGreaterThan(75);
  expect(variance).toBeLessThan(125);
});

it('repeats the schedule of a seed, and never goes back', () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 1, max: 1_000_000 }), (seed, rate) => {
      const [one, other] = [createArrivals('poisson', rate, seed), createArrivals('poisson', rate, seed)];
      const times = Array.from({ length: 200 }, one);
      expect(Array.from({ length: 200 }, other)).toEqual(times);
      expect(times.toSorted((a, b) => a - b)).toEqual(times);
    }),
  );
  expect(gapsOf(1, 1000)[0]).not.toBe(gapsOf(2, 1000)[0]);
});
