/**
 * Samples that another process wrote, which may run another version of the program: used only if they are of this
 * shape.
 */
import { isRecord } from '../project/json-record.ts';
import { feedbackFields } from '../project/rollout.ts';
import type { Moments } from '../stats/moments.ts';
import type { SketchBins, SketchState } from '../stats/quantile-sketch.ts';
import { sketchAccuracy } from './samples.ts';
import type {
  ArmSamples,
  EndpointSamples,
  FeedbackSamples,
  OutputSamples,
  ShadowSamples,
} from './samples.ts';

/** @returns undefined if the text is not of the shape */
export function decodeSamples(json: string): EndpointSamples | undefined {
  const value = parse(json);
  return isSamples(value) ? value : undefined;
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

type Check = (value: unknown) => boolean;

/** An object with just these fields: more would be something that this version does not know how to merge. */
function shape<T>(checks: Readonly<Record<keyof T & string, Check>>): (value: unknown) => value is T {
  const fields = Object.entries<Check>(checks);
  return (value): value is T =>
    isRecord(value) &&
    Object.keys(value).length === fields.length &&
    fields.every(([name, check]) => Object.hasOwn(value, name) && check(value[name]));
}

function recordOf(check: Check, names?: readonly string[]): Check {
  return (value) =>
    isRecord(value) &&
    Object.entries(value).every(([name, entry]) => (names?.includes(name) ?? true) && check(entry));
}

const isNumber: Check = (value) => Number.isFinite(value);
const isCount: Check = (value) => typeof value === 'number' && value >= 0 && value < Infinity;
const isEnd: Check = (value) => value === null || isNumber(value);

const isMoments = shape<Moments>({ n: isCount, mean: isNumber, m2: isCount });

/** Beyond any that a sketch has: it keeps all bins between two, so a wrong key would take all memory. */
const KEY_MAX = 5000;

const isBins = shape<SketchBins>({
  firstKey: (value) => Number.isSafeInteger(value) && Math.abs(value as number) <= KEY_MAX,
  counts: (value) => Array.isArray(value) && value.length <= 2 * KEY_MAX && value.every(isCount),
});

const isSketch = shape<SketchState>({
  relativeAccuracy: (value) => value === sketchAccuracy,
  min: isEnd,
  max: isEnd,
  zeroCount: isCount,
  positive: isBins,
  negative: isBins,
});

const isOutput = shape<OutputSamples>({ values: isSketch, nonFinite: isCount });

const isFeedback = shape<FeedbackSamples>({
  moments: isMoments,
  zeros: isCount,
  ones: isCount,
  min: isEnd,
  max: isEnd,
  nonFinite: isCount,
});

const isArm = shape<ArmSamples>({
  answered: isCount,
  failed: isCount,
  latency: isSketch,
  outputs: recordOf(isOutput),
  feedback: recordOf(isFeedback, feedbackFields),
});

const isShadow = shape<ShadowSamples>({
  requests: isCount,
  rows: isCount,
  errors: isCount,
  shed: isCount,
  flips: isCount,
  flipShares: isCount,
  nonFinite: isCount,
  absoluteDifference: isSketch,
  relativeDifference: isSketch,
  rankCorrelation: isMoments,
  primaryOutput: isSketch,
  shadowOutput: isSketch,
  primaryMs: isSketch,
  shadowMs: isSketch,
  differenceMs: isMoments,
});

const isSamples = shape<EndpointSamples>({ arms: recordOf(isArm), shadows: recordOf(isShadow) });
