import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { topK } from '../../../src/streaming/aggregates/top-k.ts';

const COUNTERS = 64;

/** Skewed: low numbers are frequent. */
const randomValue = fc.double({ min: 0, max: 1, noNaN: true }).map((share) => Math.floor(400 * share ** 4));
const randomParts = fc.array(fc.array(randomValue, { maxLength: 400, size: 'max' }), {
  minLength: 1,
  maxLength: 5,
});

function countersOf(values: readonly (number | string)[]): Map<unknown, number> {
  const aggregate = topK(3);
  const state = aggregate.create();
  for (const value of values) aggregate.add(state, value, 0, 0);
  return state;
}

describe('the most frequent values', () => {
  it('come with ties in the order of the values', () => {
    const state = topK(3).create();
    for (const value of ['b', 'c', 'a', 'c', 'B']) topK(3).add(state, value, 0, 0);
    const ranked = [1, 2, 3, 4, 5].map((rank) => topK(3).result(state, { rank, quantile: 0 }));
    expect(ranked).toEqual(['c', 'B', 'a', 'b', null]);
  });

  it('are counted too low by at most their share of the counters, also when merged', () => {
    fc.assert(
      fc.property(randomParts, (parts) => {
        const all = parts.flat();
        const merged = topK(3).create();
        for (const part of parts) topK(3).merge(merged, countersOf(part) as typeof merged);
        expect(merged.size).toBeLessThanOrEqual(COUNTERS);
        for (const value of new Set(all)) {
          const exact = all.filter((other) => other === value).length;
          const counted = merged.get(value) ?? 0;
          expect(counted).toBeLessThanOrEqual(exact);
          expect(exact - counted).toBeLessThanOrEqual(all.length / (COUNTERS + 1));
        }
      }),
      { numRuns: 200 },
    );
  });

  it('lose no more than what the first one beyond the counters had', () => {
    const merged = topK(3).create();
    topK(3).merge(merged, countersOf(Array.from({ length: 128 }, (_, i) => i % 64)) as typeof merged);
    topK(3).merge(merged, countersOf([1000, 7]) as typeof merged);
    expect(merged).toEqual(new Map(Array.from({ length: 64 }, (_, i) => [i, i === 7 ? 2 : 1])));
  });

  it('are kept by more counters where more are asked for', () => {
    const state = topK(20).create();
    for (let i = 0; i < 500; i++) topK(20).add(state, i % 160, 0, 0);
    expect(state.size).toBe(160);
  });
});
