import { expect, it } from 'vitest';
import { seededRandom } from '../../src/stats/seeded-random.ts';
import { ucb1Index } from '../../src/stats/ucb1-index.ts';

it('adds what an arm might be worth to what it was', () => {
  expect(ucb1Index(0.4, 10, 100)).toBeCloseTo(0.4 + Math.sqrt((2 * Math.log(100)) / 10), 12);
  expect(ucb1Index(0.4, 10, 100, 0)).toBe(0.4);
  expect(ucb1Index(Number.NaN, 0, 100)).toBe(Infinity);
});

it('leads to the best arm', () => {
  const random = seededRandom(1);
  const rates = [0.2, 0.5, 0.3];
  const plays = [0, 0, 0];
  const wins = [0, 0, 0];
  for (let total = 0; total < 5000; total++) {
    const indices = rates.map((_, arm) => {
      const n = plays[arm] as number;
      return ucb1Index((wins[arm] as number) / n, n, total);
    });
    const arm = indices.indexOf(Math.max(...indices));
    plays[arm] = (plays[arm] as number) + 1;
    if (random() < (rates[arm] as number)) wins[arm] = (wins[arm] as number) + 1;
  }
  expect(plays[1]).toBeGreaterThan(3500);
});

it('refuses more plays than there are', () => {
  expect(() => ucb1Index(0.5, 10, 5)).toThrow('total must be from 10');
  expect(() => ucb1Index(0.5, -1, 5)).toThrow('n must be 0 or more');
  expect(() => ucb1Index(Number.NaN, 1, 5)).toThrow('mean must be a number');
});
