/**
 * Sketches as histograms, for what needs counts up to a value: a quantile's interval, how far two distributions are
 * apart. A bin of key k holds the values above gamma^(k - 1) and up to gamma^k, where gamma = (1 + a) / (1 - a) for
 * the accuracy a. So for counts up to the end of a bin the sketch is exact; within a bin, 2 % wide, it knows nothing.
 */
import type { Histogram } from './quantile-sequence.ts';
import { requireSameLength } from './require-range.ts';
import type { SketchBins, SketchState } from './quantile-sketch.ts';

/** Two histograms with the same ends. */
export interface PairedCounts {
  readonly ends: readonly number[];
  readonly first: readonly number[];
  readonly second: readonly number[];
}

/** The bins that hold something, and where there is nothing below one, that too. */
export function sketchHistogram(state: SketchState): Histogram {
  const ends: number[] = [];
  const counts: number[] = [];
  for (const { lower, upper, count } of binsOf(state)) {
    if (count === 0) continue;
    if (lower > (ends.at(-1) ?? -Infinity)) {
      ends.push(lower);
      counts.push(0);
    }
    ends.push(upper);
    counts.push(count);
  }
  return { ends, counts };
}

/** Both on the same ends, without those at which neither has a value. */
export function pairSketches(first: SketchState, second: SketchState): PairedCounts {
  if (first.relativeAccuracy !== second.relativeAccuracy)
    throw new RangeError('sketches of different accuracy have no bins in common');
  const ofFirst = countsByEnd(binsOf(first));
  const ofSecond = countsByEnd(binsOf(second));
  const ends = [...new Set([...ofFirst.keys(), ...ofSecond.keys()])].sort((a, b) => a - b);
  return {
    ends,
    first: ends.map((end) => ofFirst.get(end) ?? 0),
    second: ends.map((end) => ofSecond.get(end) ?? 0),
  };
}

/**
 * The largest distance of two distribution functions (Kolmogorov and Smirnov), at the ends of bins; NaN if one has no
 * values.
 */
export function largestDistance(first: readonly number[], second: readonly number[]): number {
  requireSameLength('counts', first, second);
  const ofFirst = sum(first);
  const ofSecond = sum(second);
  if (ofFirst === 0 || ofSecond === 0) return Number.NaN;
  let distance = 0;
  let upToFirst = 0;
  let upToSecond = 0;
  for (const [bin, count] of first.entries()) {
    upToFirst += count;
    upToSecond += second[bin] as number;
    distance = Math.max(distance, Math.abs(upToFirst / ofFirst - upToSecond / ofSecond));
  }
  return distance;
}

/** Fewer bins that each hold about a `bins`-th of the first, for an index that is a sum over bins. */
export function coarsen(
  { first, second }: Omit<PairedCounts, 'ends'>,
  bins: number,
): Omit<PairedCounts, 'ends'> {
  const total = sum(first);
  const coarse = { first: [] as number[], second: [] as number[] };
  let upTo = 0;
  let part = -1;
  for (const [bin, count] of first.entries()) {
    const itsPart = Math.min(Math.floor((upTo * bins) / total), bins - 1);
    if (itsPart !== part) {
      coarse.first.push(0);
      coarse.second.push(0);
    }
    part = itsPart;
    const last = coarse.first.length - 1;
    coarse.first[last] = (coarse.first[last] as number) + count;
    coarse.second[last] = (coarse.second[last] as number) + (second[bin] as number);
    upTo += count;
  }
  return coarse;
}

interface Bin {
  readonly lower: number;
  readonly upper: number;
  readonly count: number;
}

/** Ascending. What the sketch counts as 0 is taken as 0. */
function binsOf(state: SketchState): Bin[] {
  const a = state.relativeAccuracy;
  // As the library computes it, to the last digit: its logarithm is to base 2.
  const multiplier = (1 / Math.log1p((2 * a) / (1 - a))) * Math.LN2;
  const magnitudes = ({ firstKey, counts }: SketchBins): Bin[] =>
    counts.map((count, index) => ({
      lower: 2 ** ((firstKey + index - 1) / multiplier),
      upper: 2 ** ((firstKey + index) / multiplier),
      count,
    }));
  // For once the upper end is not included: -gamma^k is in the bin of key k.
  const negative = magnitudes(state.negative).map(({ lower, upper, count }) => ({
    lower: -upper,
    upper: -lower,
    count,
  }));
  const zeros = state.zeroCount > 0 ? [{ lower: -Number.MIN_VALUE, upper: 0, count: state.zeroCount }] : [];
  return [...negative.toReversed(), ...zeros, ...magnitudes(state.positive)];
}

function countsByEnd(bins: readonly Bin[]): Map<number, number> {
  return new Map(bins.flatMap(({ upper, count }) => (count > 0 ? [[upper, count] as const] : [])));
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
