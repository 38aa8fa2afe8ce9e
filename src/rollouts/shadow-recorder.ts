/**
 * Records how a shadow's predictions differ from those that were answered. Not for the path of the answer: a request
 * of one row takes 1 us of processor time, of 10 rows 12 us, of 1,000 rows 0.8 ms.
 */
import { createMoments } from '../stats/moments.ts';
import { createQuantileSketch } from '../stats/quantile-sketch.ts';
import { rankCorrelation } from '../stats/rank-correlation.ts';
import { requireSameLength } from '../stats/require-range.ts';
import { isAddable } from './is-addable.ts';
import { sketchAccuracy } from './samples.ts';
import type { ShadowSamples } from './samples.ts';

/** One request: the output that is compared, of each row, from the variant that answered and from the shadow. */
export interface ShadowComparison {
  readonly primary: readonly number[];
  readonly shadow: readonly number[];
  readonly primaryMs: number;
  readonly shadowMs: number;
  readonly threshold: number;
}

export interface ShadowRecorder {
  /** @throws RangeError if the two have not equally many rows */
  compared(comparison: ShadowComparison): void;
  failed(): void;
  /** A request that was not compared because there was too much to do. */
  shed(): void;
}

export interface ShadowRecording {
  readonly recorder: ShadowRecorder;
  state(): ShadowSamples;
}

export function createShadowRecorder(changed: () => void): ShadowRecording {
  const rows = createRowRecorder();
  const latency = createLatencyRecorder();
  let requests = 0;
  let errors = 0;
  let shed = 0;
  const recorder: ShadowRecorder = {
    compared(comparison) {
      requireSameLength('rows of a primary and its shadow', comparison.primary, comparison.shadow);
      changed();
      requests++;
      rows.add(comparison);
      latency.add(comparison);
    },
    failed() {
      changed();
      errors++;
    },
    shed() {
      changed();
      shed++;
    },
  };
  return { recorder, state: () => ({ requests, errors, shed, ...rows.state(), ...latency.state() }) };
}

type LatencySamples = Pick<ShadowSamples, 'primaryMs' | 'shadowMs' | 'differenceMs'>;
type RowSamples = Omit<ShadowSamples, keyof LatencySamples | 'requests' | 'errors' | 'shed'>;

interface Recording<T> {
  add(comparison: ShadowComparison): void;
  state(): T;
}

function createRowRecorder(): Recording<RowSamples> {
  let rows = 0;
  let flips = 0;
  let flipShares = 0;
  let nonFinite = 0;
  const absoluteDifference = createQuantileSketch(sketchAccuracy);
  const relativeDifference = createQuantileSketch(sketchAccuracy);
  const primaryOutput = createQuantileSketch(sketchAccuracy);
  const shadowOutput = createQuantileSketch(sketchAccuracy);
  const correlation = createMoments();
  const addRow = (a: number, b: number): void => {
    const difference = Math.abs(a - b);
    absoluteDifference.add(difference);
    relativeDifference.add(difference === 0 ? 0 : difference / Math.max(Math.abs(a), Math.abs(b)));
    primaryOutput.add(a);
    shadowOutput.add(b);
  };
  return {
    add({ primary, shadow, threshold }) {
      const both = pairs(primary, shadow);
      const addable = both.filter(([a, b]) => isAddable(a) && isAddable(b));
      for (const [a, b] of addable) addRow(a, b);
      const flipped = both.filter(([a, b]) => a > threshold !== b > threshold).length;
      rows += both.length;
      nonFinite += both.length - addable.length;
      flips += flipped;
      if (both.length > 0) flipShares += flipped / both.length;
      if (addable.length < 2) return;
      const rho = rankCorrelation(
        addable.map(([a]) => a),
        addable.map(([, b]) => b),
      );
      if (!Number.isNaN(rho)) correlation.add(rho);
    },
    state: () => ({
      rows,
      flips,
      flipShares,
      nonFinite,
      absoluteDifference: absoluteDifference.state(),
      relativeDifference: relativeDifference.state(),
      rankCorrelation: correlation.moments(),
      primaryOutput: primaryOutput.state(),
      shadowOutput: shadowOutput.state(),
    }),
  };
}

function createLatencyRecorder(): Recording<LatencySamples> {
  const primary = createQuantileSketch(sketchAccuracy);
  const shadow = createQuantileSketch(sketchAccuracy);
  const difference = createMoments();
  return {
    add({ primaryMs, shadowMs }) {
      if (!isAddable(primaryMs) || !isAddable(shadowMs)) return;
      primary.add(primaryMs);
      shadow.add(shadowMs);
      difference.add(shadowMs - primaryMs);
    },
    state: () => ({
      primaryMs: primary.state(),
      shadowMs: shadow.state(),
      differenceMs: difference.moments(),
    }),
  };
}

function pairs(first: readonly number[], second: readonly number[]): [number, number][] {
  return first.map((a, row) => [a, second[row] as number]);
}
