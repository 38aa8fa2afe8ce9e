/**
 * The samples of several processes as if one had seen it all: bins and counts are exact, moments but for rounding.
 */
import { mergeMoments, noMoments } from '../stats/moments.ts';
import type { Moments } from '../stats/moments.ts';
import { createQuantileSketch } from '../stats/quantile-sketch.ts';
import type { SketchState } from '../stats/quantile-sketch.ts';
import { sketchAccuracy } from './samples.ts';
import type {
  ArmSamples,
  EndpointSamples,
  FeedbackSamples,
  OutputSamples,
  ShadowSamples,
} from './samples.ts';

export function mergeSamples(all: readonly EndpointSamples[]): EndpointSamples {
  return {
    arms: mergeRecords(column(all, 'arms'), mergeArms),
    shadows: mergeRecords(column(all, 'shadows'), mergeShadows),
  };
}

function mergeArms(all: readonly ArmSamples[]): ArmSamples {
  return {
    answered: sum(column(all, 'answered')),
    failed: sum(column(all, 'failed')),
    latency: mergeSketches(column(all, 'latency')),
    outputs: mergeRecords(column(all, 'outputs'), mergeOutputs),
    feedback: mergeRecords(column(all, 'feedback'), mergeFeedback),
  };
}

function mergeOutputs(all: readonly OutputSamples[]): OutputSamples {
  return { values: mergeSketches(column(all, 'values')), nonFinite: sum(column(all, 'nonFinite')) };
}

function mergeFeedback(all: readonly FeedbackSamples[]): FeedbackSamples {
  const ends = all.flatMap(({ min, max }) => (min === null || max === null ? [] : [min, max]));
  return {
    moments: mergeAllMoments(column(all, 'moments')),
    zeros: sum(column(all, 'zeros')),
    ones: sum(column(all, 'ones')),
    min: ends.length === 0 ? null : Math.min(...ends),
    max: ends.length === 0 ? null : Math.max(...ends),
    nonFinite: sum(column(all, 'nonFinite')),
  };
}

function mergeShadows(all: readonly ShadowSamples[]): ShadowSamples {
  return {
    requests: sum(column(all, 'requests')),
    rows: sum(column(all, 'rows')),
    errors: sum(column(all, 'errors')),
    shed: sum(column(all, 'shed')),
    flips: sum(column(all, 'flips')),
    flipShares: sum(column(all, 'flipShares')),
    nonFinite: sum(column(all, 'nonFinite')),
    absoluteDifference: mergeSketches(column(all, 'absoluteDifference')),
    relativeDifference: mergeSketches(column(all, 'relativeDifference')),
    rankCorrelation: mergeAllMoments(column(all, 'rankCorrelation')),
    primaryOutput: mergeSketches(column(all, 'primaryOutput')),
    shadowOutput: mergeSketches(column(all, 'shadowOutput')),
    primaryMs: mergeSketches(column(all, 'primaryMs')),
    shadowMs: mergeSketches(column(all, 'shadowMs')),
    differenceMs: mergeAllMoments(column(all, 'differenceMs')),
  };
}

function column<T, Key extends keyof T>(all: readonly T[], key: Key): T[Key][] {
  return all.map((one) => one[key]);
}

function mergeRecords<T>(
  records: readonly Readonly<Partial<Record<string, T>>>[],
  merge: (all: readonly T[]) => T,
): Record<string, T> {
  const byName = new Map<string, T[]>();
  for (const [name, entry] of records.flatMap((record) => Object.entries(record))) {
    if (entry === undefined) continue;
    const entries = byName.get(name) ?? [];
    entries.push(entry);
    byName.set(name, entries);
  }
  return Object.fromEntries([...byName].map(([name, entries]) => [name, merge(entries)]));
}

function mergeSketches(states: readonly SketchState[]): SketchState {
  const merged = createQuantileSketch(sketchAccuracy);
  for (const state of states) merged.merge(state);
  return merged.state();
}

function mergeAllMoments(all: readonly Moments[]): Moments {
  return all.reduce((merged, moments) => mergeMoments(merged, moments), noMoments);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
