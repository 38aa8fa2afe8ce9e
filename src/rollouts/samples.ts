/**
 * What was seen of the variants of an endpoint while its rollout had one samplesVersion, to be judged: counts,
 * moments and sketches, no single value. Plain JSON; that of several processes is merged (merge-samples.ts) without
 * loss.
 *
 * Memory does not grow with requests: a sketch is at most 5,600 numbers (45 KB; 1 KB where values span a power of
 * ten), of which an arm has one for its latency and one for each output, and a shadow has six. Names are those of the
 * project file, so there are few.
 */
import type { FeedbackField } from '../project/rollout.ts';
import { noMoments } from '../stats/moments.ts';
import type { Moments } from '../stats/moments.ts';
import type { SketchState } from '../stats/quantile-sketch.ts';

export interface EndpointSamples {
  /** By variant; read with armSamples. */
  readonly arms: Readonly<Record<string, ArmSamples>>;
  /** By variant; read with shadowSamples. */
  readonly shadows: Readonly<Record<string, ShadowSamples>>;
}

export interface ArmSamples {
  readonly answered: number;
  readonly failed: number;
  /** Of requests that were answered, in ms. */
  readonly latency: SketchState;
  /** By field of the answer. */
  readonly outputs: Readonly<Record<string, OutputSamples>>;
  readonly feedback: Readonly<Partial<Record<FeedbackField, FeedbackSamples>>>;
}

export interface OutputSamples {
  readonly values: SketchState;
  readonly nonFinite: number;
}

/** What was told of predictions. */
export interface FeedbackSamples {
  readonly moments: Moments;
  /** How many values were 0 and 1: if all were, they are shares, of which more is known. */
  readonly zeros: number;
  readonly ones: number;
  /** Null without values, as JSON has no infinity. */
  readonly min: number | null;
  readonly max: number | null;
  readonly nonFinite: number;
}

/** A shadow beside the variant that answered. */
export interface ShadowSamples {
  /** That were compared. */
  readonly requests: number;
  readonly rows: number;
  readonly errors: number;
  /** Not compared, because there was too much to do. */
  readonly shed: number;
  /** Rows of which one value is above the threshold and the other is not. */
  readonly flips: number;
  /** The sum over requests of the share of their rows that flip. */
  readonly flipShares: number;
  /** Rows of which one value is no number; they are in no sketch. */
  readonly nonFinite: number;
  readonly absoluteDifference: SketchState;
  /** |a - b| / max(|a|, |b|). */
  readonly relativeDifference: SketchState;
  /** Spearman's, within each request of at least 2 rows that has an order. */
  readonly rankCorrelation: Moments;
  readonly primaryOutput: SketchState;
  readonly shadowOutput: SketchState;
  readonly primaryMs: SketchState;
  readonly shadowMs: SketchState;
  /** Shadow minus primary. */
  readonly differenceMs: Moments;
}

/** The accuracy of all sketches here; only equal ones can be merged. */
export const sketchAccuracy = 0.01;

const noSketch: SketchState = {
  relativeAccuracy: sketchAccuracy,
  min: null,
  max: null,
  zeroCount: 0,
  positive: { firstKey: 0, counts: [] },
  negative: { firstKey: 0, counts: [] },
};

const noOutput: OutputSamples = { values: noSketch, nonFinite: 0 };

export const noFeedback: FeedbackSamples = {
  moments: noMoments,
  zeros: 0,
  ones: 0,
  min: null,
  max: null,
  nonFinite: 0,
};

const noArm: ArmSamples = { answered: 0, failed: 0, latency: noSketch, outputs: {}, feedback: {} };

const noShadow: ShadowSamples = {
  requests: 0,
  rows: 0,
  errors: 0,
  shed: 0,
  flips: 0,
  flipShares: 0,
  nonFinite: 0,
  absoluteDifference: noSketch,
  relativeDifference: noSketch,
  rankCorrelation: noMoments,
  primaryOutput: noSketch,
  shadowOutput: noSketch,
  primaryMs: noSketch,
  shadowMs: noSketch,
  differenceMs: noMoments,
};

/** Nothing but zeros if the variant was not seen. */
export function armSamples({ arms }: EndpointSamples, variant: string): ArmSamples {
  return own(arms, variant) ?? noArm;
}

/** Nothing but zeros if the variant was not seen. */
export function shadowSamples({ shadows }: EndpointSamples, variant: string): ShadowSamples {
  return own(shadows, variant) ?? noShadow;
}

/** @param field undefined = the first that was recorded */
export function outputSamples({ outputs }: ArmSamples, field: string | undefined): OutputSamples {
  const name = field ?? Object.keys(outputs)[0];
  return (name === undefined ? undefined : own(outputs, name)) ?? noOutput;
}

/** Whether all that was told is 0 or 1, so that its mean is a share, of which more is known. */
export function isBinary({ moments, zeros, ones }: FeedbackSamples): boolean {
  return zeros + ones === moments.n;
}

/** A variant may be called "constructor". */
function own<T>(record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}
