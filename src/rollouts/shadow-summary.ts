/** What a shadow's samples come to, as plain numbers for metrics and the status of a rollout. */
import { populationStabilityIndex } from '../stats/population-stability.ts';
import { createQuantileSketch } from '../stats/quantile-sketch.ts';
import type { SketchState } from '../stats/quantile-sketch.ts';
import { coarsen, largestDistance, pairSketches } from '../stats/sketch-histogram.ts';
import type { ShadowSamples } from './samples.ts';

/** Undefined where there is nothing to make it of. */
export interface ShadowSummary {
  readonly requests: number;
  readonly rows: number;
  readonly errors: number;
  readonly shed: number;
  /** Rows that are in no figure of values, since one of the two is no number. */
  readonly nonFinite: number;
  /** Of rows. */
  readonly flipShare: number | undefined;
  readonly absoluteDifference: DifferenceSummary;
  readonly relativeDifference: DifferenceSummary;
  /** Mean over requests: 1 = the same order. */
  readonly rankCorrelation: number | undefined;
  /** Of the outputs, in 10 bins that hold equally much of the primary's. */
  readonly populationStability: number | undefined;
  /** Of the outputs: the largest distance of their distribution functions. */
  readonly distance: number | undefined;
  readonly primaryMs: LatencySummary;
  readonly shadowMs: LatencySummary;
  /** Mean over requests, shadow minus primary. */
  readonly differenceMs: number | undefined;
}

/** Within 1 %; max is exact. */
export interface DifferenceSummary {
  readonly p50: number | undefined;
  readonly p90: number | undefined;
  readonly p99: number | undefined;
  readonly max: number | undefined;
}

export interface LatencySummary {
  readonly p50: number | undefined;
  readonly p99: number | undefined;
}

const STABILITY_BINS = 10;

export function summarizeShadow(samples: ShadowSamples): ShadowSummary {
  const { requests, rows, errors, shed, nonFinite, rankCorrelation, differenceMs } = samples;
  const outputs = pairSketches(samples.primaryOutput, samples.shadowOutput);
  const bins = coarsen(outputs, STABILITY_BINS);
  const hasOutputs = outputs.ends.length > 0;
  return {
    requests,
    rows,
    errors,
    shed,
    nonFinite,
    flipShare: rows > 0 ? samples.flips / rows : undefined,
    absoluteDifference: differences(samples.absoluteDifference),
    relativeDifference: differences(samples.relativeDifference),
    rankCorrelation: rankCorrelation.n > 0 ? rankCorrelation.mean : undefined,
    populationStability: hasOutputs ? populationStabilityIndex(bins.first, bins.second) : undefined,
    distance: hasOutputs ? largestDistance(outputs.first, outputs.second) : undefined,
    primaryMs: latencies(samples.primaryMs),
    shadowMs: latencies(samples.shadowMs),
    differenceMs: differenceMs.n > 0 ? differenceMs.mean : undefined,
  };
}

function differences(state: SketchState): DifferenceSummary {
  const quantile = quantiles(state);
  return { p50: quantile(0.5), p90: quantile(0.9), p99: quantile(0.99), max: quantile(1) };
}

function latencies(state: SketchState): LatencySummary {
  const quantile = quantiles(state);
  return { p50: quantile(0.5), p99: quantile(0.99) };
}

function quantiles(state: SketchState): (q: number) => number | undefined {
  const sketch = createQuantileSketch(state.relativeAccuracy);
  sketch.merge(state);
  return (q) => (sketch.count() > 0 ? sketch.quantile(q) : undefined);
}
