import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createQuantileSketch } from '../../src/stats/quantile-sketch.ts';
import type { SketchState } from '../../src/stats/quantile-sketch.ts';
import { coarsen, largestDistance, pairSketches, sketchHistogram } from '../../src/stats/sketch-histogram.ts';

function sketchOf(values: readonly number[]): SketchState {
  const sketch = createQuantileSketch();
  for (const value of values) sketch.add(value);
  return sketch.state();
}

const value = fc.oneof(
  fc.constant(0),
  fc.double({ min: 1e-8, max: 1e6, noNaN: true }),
  fc.double({ min: -1e6, max: -1e-8, noNaN: true }),
);

describe('a sketch as a histogram', () => {
  it('counts the values up to each end, whatever their signs', () => {
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 50 }), (values) => {
        const { ends, counts } = sketchHistogram(sketchOf(values));
        expect(ends).toEqual([...new Set(ends)].sort((a, b) => a - b));
        let upTo = 0;
        for (const [bin, end] of ends.entries()) {
          upTo += counts[bin] as number;
          expect(upTo).toBe(values.filter((one) => one <= end).length);
        }
        expect(upTo).toBe(values.length);
      }),
    );
  });

  it('has ends within 2 % below and above each value', () => {
    const { ends, counts } = sketchHistogram(sketchOf([5, 300]));
    expect(counts).toEqual([0, 1, 0, 1]);
    expect((ends[1] as number) / (ends[0] as number)).toBeCloseTo(1.01 / 0.99, 12);
    expect(ends[0]).toBeLessThan(5);
    expect(ends[1]).toBeGreaterThanOrEqual(5);
  });

  it('is nothing without values', () => {
    expect(sketchHistogram(sketchOf([]))).toEqual({ ends: [], counts: [] });
  });
});

describe('two sketches side by side', () => {
  it('have the distance of their distribution functions', () => {
    const pair = pairSketches(sketchOf([-4, 0, 1, 2]), sketchOf([0, 1, 2, 3]));
    expect(pair.first).toEqual([1, 1, 1, 1, 0]);
    expect(pair.second).toEqual([0, 1, 1, 1, 1]);
    expect(largestDistance(pair.first, pair.second)).toBe(0.25);
    expect(largestDistance(pair.first, [0, 0, 0, 0, 0])).toBeNaN();
  });

  it('cannot be of different accuracy', () => {
    const other = createQuantileSketch(0.02).state();
    expect(() => pairSketches(sketchOf([1]), other)).toThrow(RangeError);
  });

  it('become fewer bins that hold equally much of the first', () => {
    const first = Array.from({ length: 100 }, () => 1);
    const second = first.map((_, bin) => (bin < 50 ? 2 : 0));
    const coarse = coarsen({ first, second }, 4);
    expect(coarse).toEqual({ first: [25, 25, 25, 25], second: [50, 50, 0, 0] });
    expect(coarsen({ first: [97, 1, 1, 1], second: [1, 1, 1, 1] }, 4)).toEqual({
      first: [97, 3],
      second: [1, 3],
    });
  });
});
