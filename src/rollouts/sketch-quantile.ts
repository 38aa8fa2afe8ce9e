import { createQuantileSketch } from '../stats/quantile-sketch.ts';
import type { SketchState } from '../stats/quantile-sketch.ts';

/** A quantile of a sketch as it travels; NaN without values. */
export function sketchQuantile(state: SketchState, q: number): number {
  const sketch = createQuantileSketch(state.relativeAccuracy);
  sketch.merge(state);
  return sketch.quantile(q);
}
