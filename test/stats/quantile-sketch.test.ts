import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createQuantileSketch } from '../../src/stats/quantile-sketch.ts';
import type { QuantileSketch, SketchState } from '../../src/stats/quantile-sketch.ts';

const values = fc.array(
  fc.oneof(
    fc.constant(0),
    fc.double({ min: -1e6, max: 1e6, noNaN: true }).map((value) => (Math.abs(value) < 1e-9 ? 0 : value)),
    fc.double({ min: 0.001, max: 10, noNaN: true }),
  ),
  { minLength: 1, maxLength: 200 },
);

function sketchOf(list: readonly number[]): QuantileSketch {
  const sketch = createQuantileSketch();
  for (const value of list) sketch.add(value);
  return sketch;
}

function sent(sketch: QuantileSketch): SketchState {
  return JSON.parse(JSON.stringify(sketch.state())) as SketchState;
}

describe('a quantile sketch', () => {
  it('is within 1 % of a neighbouring value, negative ones too', () => {
    fc.assert(
      fc.property(values, fc.double({ min: 0, max: 1, noNaN: true }), (list, q) => {
        const sorted = list.toSorted((a, b) => a - b);
        const rank = q * (list.length - 1);
        const found = sketchOf(list).quantile(q);
        const near = [Math.floor(rank), Math.ceil(rank)].map((index) => sorted[index] as number);
        const error = Math.min(...near.map((value) => Math.abs(found - value) - 0.0100001 * Math.abs(value)));
        expect(error).toBeLessThanOrEqual(1e-9);
      }),
    );
  });

  it('is the same, merged of parts that were sent as JSON', () => {
    fc.assert(
      fc.property(values, values, (first, second) => {
        const whole = sketchOf([...first, ...second]);
        const merged = createQuantileSketch();
        merged.merge(sent(sketchOf(first)));
        merged.merge(sent(sketchOf(second)));
        expect(merged.count()).toBe(whole.count());
        expect(merged.state()).toEqual(whole.state());
      }),
    );
  });

  it('has exact ends', () => {
    const sketch = sketchOf([-3.3, 0, 7.7]);
    expect(sketch.quantile(0)).toBe(-3.3);
    expect(sketch.quantile(0.5)).toBe(0);
    expect(sketch.quantile(1)).toBe(7.7);
  });

  it('counts a value as often as its weight says', () => {
    const sketch = createQuantileSketch();
    sketch.add(1, 99);
    sketch.add(100);
    expect(sketch.count()).toBe(100);
    expect(sketch.quantile(0.9)).toBeCloseTo(1, 1);
  });

  it('keeps its size when values range widely, at the cost of those that are tiny or huge', () => {
    const list = Array.from({ length: 6000 }, (_, index) => 1.2 ** (index - 3000));
    const sketch = sketchOf(list);
    const { positive, zeroCount } = sketch.state();
    expect(positive.counts.length).toBeLessThanOrEqual(2800);
    expect(zeroCount).toBe(list.filter((value) => value < 1e-9).length);
    expect(sketch.quantile(0.5)).toBeCloseTo(1 / 1.2, 1);
    expect(sketch.quantile(0.9) / 1e15).toBeCloseTo(1, 1);
    expect(sketch.quantile(1)).toBe(list.at(-1));
  });

  it('is NaN without values, and merges with one that has none', () => {
    const sketch = createQuantileSketch();
    expect(sketch.quantile(0.5)).toBeNaN();
    sketch.merge(sent(createQuantileSketch()));
    expect(sent(sketch)).toMatchObject({ min: null, max: null });
    sketch.merge(sent(sketchOf([5])));
    expect(sketch.quantile(0.5)).toBe(5);
  });

  it('refuses other accuracies and what is no number', () => {
    const sketch = createQuantileSketch();
    expect(() => sketch.merge(createQuantileSketch(0.02).state())).toThrow('of accuracy 0.02 cannot be');
    expect(() => sketch.add(Number.NaN)).toThrow('value must be a number');
    expect(() => sketch.add(1, 0)).toThrow('weight must be more than 0');
    expect(() => sketch.quantile(2)).toThrow('q must be from 0 to 1');
    expect(() => createQuantileSketch(1)).toThrow('relativeAccuracy must lie');
  });
});
