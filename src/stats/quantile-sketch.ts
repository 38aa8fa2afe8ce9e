/**
 * Quantiles of a stream in bounded memory, each within a relative error of 1 % by default (DDSketch: Masson, Rim and
 * Lee 2019). Sketches of several processes travel as plain numbers, and are merged without any loss, in any order.
 *
 * What is nearer to 0 than 1e-9 counts as 0, and what is farther than 1e15 is in the last bin, so that a sketch has
 * at most 2,800 bins a sign at 1 %. Of the library (2.1.1) only the plain store is used: its own way to limit bins
 * counts values twice, its `merge` forgets negative values, and its `toProto` needs a package that it does not depend
 * on. Here a bin of one sketch is added to the same bin of another.
 */
import { DDSketch } from '@datadog/sketches-js';
import {
  requireBetween,
  requireCount,
  requireFinite,
  requirePositive,
  requireRange,
} from './require-range.ts';

/** The bins of one sign: the key of the first, and the counts of it and of those that follow. */
export interface SketchBins {
  readonly firstKey: number;
  readonly counts: readonly number[];
}

/** A sketch as plain numbers. `min` and `max` are null without values, since JSON has no infinity. */
export interface SketchState {
  readonly relativeAccuracy: number;
  readonly min: number | null;
  readonly max: number | null;
  readonly zeroCount: number;
  readonly positive: SketchBins;
  readonly negative: SketchBins;
}

export interface QuantileSketch {
  add(value: number, weight?: number): void;
  /** Adds all values of another sketch of the same accuracy. */
  merge(state: SketchState): void;
  count(): number;
  /** The value at a share q (0 to 1) of all; NaN without values. The ends are exact. */
  quantile(q: number): number;
  state(): SketchState;
}

type Store = DDSketch['store'];

const smallest = 1e-9;
const largest = 1e15;

export function createQuantileSketch(relativeAccuracy = 0.01): QuantileSketch {
  requireBetween('relativeAccuracy', relativeAccuracy, 0, 1);
  const sketch = new DDSketch({ relativeAccuracy });
  let min = Infinity;
  let max = -Infinity;
  return {
    add(value, weight = 1) {
      requireFinite('value', value);
      requirePositive('weight', weight);
      sketch.accept(inRange(value), weight);
      min = Math.min(min, value);
      max = Math.max(max, value);
    },
    merge(state) {
      if (state.relativeAccuracy !== relativeAccuracy) {
        throw new RangeError(
          `a sketch of accuracy ${state.relativeAccuracy} cannot be merged into one of ${relativeAccuracy}`,
        );
      }
      addState(sketch, state);
      min = Math.min(min, state.min ?? Infinity);
      max = Math.max(max, state.max ?? -Infinity);
    },
    count: () => sketch.count,
    quantile(q) {
      requireRange('q', q, 0, 1);
      if (sketch.count === 0) return Number.NaN;
      if (q === 0) return min;
      return q === 1 ? max : Math.min(Math.max(sketch.getValueAtQuantile(q), min), max);
    },
    state: () => ({
      relativeAccuracy,
      min: sketch.count === 0 ? null : min,
      max: sketch.count === 0 ? null : max,
      zeroCount: sketch.zeroCount,
      positive: binsOf(sketch.store),
      negative: binsOf(sketch.negativeStore),
    }),
  };
}

function inRange(value: number): number {
  if (Math.abs(value) < smallest) return 0;
  return Math.min(Math.max(value, -largest), largest);
}

function addState(sketch: DDSketch, state: SketchState): void {
  requireCount('zeroCount', state.zeroCount);
  const added = addBins(sketch.store, state.positive) + addBins(sketch.negativeStore, state.negative);
  sketch.zeroCount += state.zeroCount;
  sketch.count += added + state.zeroCount;
}

function addBins(store: Store, { firstKey, counts }: SketchBins): number {
  let added = 0;
  for (const [index, count] of counts.entries()) {
    requireCount('count', count);
    if (count > 0) store.add(firstKey + index, count);
    added += count;
  }
  return added;
}

function binsOf({ count, bins, minKey, maxKey, offset }: Store): SketchBins {
  if (count === 0) return { firstKey: 0, counts: [] };
  return { firstKey: minKey, counts: bins.slice(minKey - offset, maxKey + 1 - offset) };
}
