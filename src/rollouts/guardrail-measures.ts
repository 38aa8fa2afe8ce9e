/**
 * What a guardrail measures: the harm that the candidate does, with bounds that hold at every look at once. A verdict
 * can be wrong on one side only (a harm is above the limit or it is not), so each bound holds by itself with a chance
 * of 1 - alpha. Where a bound needs one of each arm, those hold with 1 - alpha / 2.
 *
 * Requests are taken as independent. That of the many requests of one person is not quite true.
 */
import type { Canary, Guardrail } from '../project/rollout.ts';
import { oneSidedBernoulliSequences } from '../stats/bernoulli-sequence.ts';
import { oneSidedSequences } from '../stats/confidence-sequence.ts';
import { dkwSequence } from '../stats/dkw-sequence.ts';
import { differenceEstimate } from '../stats/estimate.ts';
import { differenceOfIntervals, ratioOfIntervals } from '../stats/interval.ts';
import type { Interval } from '../stats/interval.ts';
import { quantileSequence } from '../stats/quantile-sequence.ts';
import type { Histogram } from '../stats/quantile-sequence.ts';
import { largestDistance, pairSketches, sketchHistogram } from '../stats/sketch-histogram.ts';
import { summaryOfMoments } from '../stats/summary.ts';
import type { Summary } from '../stats/summary.ts';
import type { Successes } from '../stats/successes.ts';
import { armSamples, noFeedback, outputSamples, shadowSamples, isBinary } from './samples.ts';
import type { ArmSamples, EndpointSamples, FeedbackSamples, OutputSamples } from './samples.ts';
import { sketchQuantile } from './sketch-quantile.ts';

export interface GuardrailMeasure {
  /** In plain words, like "latency p99". */
  readonly label: string;
  /** Of harm and limit. */
  readonly unit: 'share' | 'ratio' | 'distance' | 'value';
  /** What the arms have, NaN where nothing is known. */
  readonly valueUnit: 'share' | 'ms' | 'value';
  readonly candidate: number;
  readonly baseline: number;
  readonly limit: number;
  readonly samples: MeasuredSamples;
  /** How it would be with this many times the samples, all else alike; 1 = as it is. */
  harm(times: number): Harm;
}

/** How many values are compared, and of what. */
export interface MeasuredSamples {
  readonly candidate: number;
  readonly baseline: number;
  readonly of: string;
}

/** NaN and infinite where nothing is known. */
export interface Harm extends Interval {
  readonly estimate: number;
}

export interface CanaryView {
  readonly canary: Canary;
  /** The name of the variant that `serve` names. */
  readonly baseline: string;
  readonly step: number;
  readonly samples: EndpointSamples;
  /** How likely each bound may ever be wrong. */
  readonly alpha: number;
}

/** Both arms as they are compared. */
interface Arms {
  readonly candidate: ArmSamples;
  readonly baseline: ArmSamples;
  readonly alpha: number;
}

type GuardrailOf<Metric extends Guardrail['metric']> = Extract<Guardrail, { metric: Metric }>;

export function measureGuardrail(guardrail: Guardrail, view: CanaryView): GuardrailMeasure {
  const { canary, samples, alpha } = view;
  const candidate = armSamples(samples, canary.candidate);
  const arms = { candidate, baseline: armSamples(samples, view.baseline), alpha };
  switch (guardrail.metric) {
    case 'error_rate':
      return measureErrors(guardrail, arms);
    case 'latency':
      return measureLatency(guardrail, arms);
    case 'output':
      return measureOutput(guardrail, arms);
    case 'feedback':
      return measureFeedback(guardrail, arms, optimalN(canary, view.step));
    case 'shadow_flips':
      return measureFlips(guardrail, view);
  }
}

function measureErrors(guardrail: GuardrailOf<'error_rate'>, arms: Arms): GuardrailMeasure {
  const candidate = failures(arms.candidate);
  const baseline = failures(arms.baseline);
  return {
    label: 'error rate',
    unit: 'share',
    valueUnit: 'share',
    candidate: shareOf(candidate),
    baseline: shareOf(baseline),
    limit: guardrail.increaseMax,
    samples: { candidate: candidate.n, baseline: baseline.n, of: 'requests' },
    harm: (times) => shareDifference(scaled(baseline, times), scaled(candidate, times), arms.alpha),
  };
}

function measureLatency(guardrail: GuardrailOf<'latency'>, arms: Arms): GuardrailMeasure {
  const { quantile } = guardrail;
  const candidate = sketchHistogram(arms.candidate.latency);
  const baseline = sketchHistogram(arms.baseline.latency);
  return {
    label: `latency p${Number((quantile * 100).toPrecision(12))}`,
    unit: 'ratio',
    valueUnit: 'ms',
    candidate: sketchQuantile(arms.candidate.latency, quantile),
    baseline: sketchQuantile(arms.baseline.latency, quantile),
    limit: guardrail.ratioMax,
    samples: { candidate: sizeOf(candidate), baseline: sizeOf(baseline), of: 'answered requests' },
    harm(times) {
      // It gives each of its two ends half of alpha, which is what a bound of one of two arms may have.
      const ofCandidate = quantileSequence(multiplied(candidate, times), quantile, arms.alpha);
      const ofBaseline = quantileSequence(multiplied(baseline, times), quantile, arms.alpha);
      return {
        estimate: ofCandidate.estimate / ofBaseline.estimate,
        ...ratioOfIntervals(ofBaseline, ofCandidate),
      };
    },
  };
}

/** The distance is seen at the ends of bins: what differs by less than 2 % of a value may not show. */
function measureOutput(guardrail: GuardrailOf<'output'>, arms: Arms): GuardrailMeasure {
  const candidate = outputSamples(arms.candidate, guardrail.output);
  const baseline = outputSamples(arms.baseline, guardrail.output);
  const pair = pairSketches(baseline.values, candidate.values);
  // What is no number stands above all numbers: an answer that is none is a difference as any other.
  const first = [...pair.first, baseline.nonFinite];
  const second = [...pair.second, candidate.nonFinite];
  const distance = largestDistance(first, second);
  const samples = { candidate: total(second), baseline: total(first) };
  return {
    label: guardrail.output === undefined ? 'output' : `output ${guardrail.output}`,
    unit: 'distance',
    valueUnit: 'value',
    candidate: median(candidate),
    baseline: median(baseline),
    limit: guardrail.distanceMax,
    samples: { ...samples, of: 'outputs' },
    harm(times) {
      if (Number.isNaN(distance)) return { estimate: distance, lower: 0, upper: 1 };
      const width =
        dkwSequence(samples.candidate * times, arms.alpha / 2) +
        dkwSequence(samples.baseline * times, arms.alpha / 2);
      return {
        estimate: distance,
        lower: Math.max(distance - width, 0),
        upper: Math.min(distance + width, 1),
      };
    },
  };
}

/** The bounds of means of other values than 0 and 1 are good from about so many on (confidence-sequence.ts). */
const FEEDBACK_MIN = 100;

function measureFeedback(
  guardrail: GuardrailOf<'feedback'>,
  arms: Arms,
  unitsOptimal: number,
): GuardrailMeasure {
  const { field, direction, changeMax } = guardrail;
  const candidate = arms.candidate.feedback[field] ?? noFeedback;
  const baseline = arms.baseline.feedback[field] ?? noFeedback;
  const design = { alpha: arms.alpha, optimalN: unitsOptimal };
  const change = (times: number): Harm => {
    if (isBinary(candidate) && isBinary(baseline))
      return shareDifference(
        scaled({ successes: baseline.ones, n: baseline.moments.n }, times),
        scaled({ successes: candidate.ones, n: candidate.moments.n }, times),
        arms.alpha,
      );
    const enough = Math.min(candidate.moments.n, baseline.moments.n) * times >= FEEDBACK_MIN;
    if (!enough || candidate.moments.n < 2 || baseline.moments.n < 2)
      return { estimate: meanOf(candidate) - meanOf(baseline), lower: -Infinity, upper: Infinity };
    const estimate = differenceEstimate(grown(baseline, times), grown(candidate, times));
    return { estimate: estimate.estimate, ...oneSidedSequences(estimate, design) };
  };
  return {
    label: `mean ${field}`,
    unit: 'value',
    valueUnit: 'value',
    candidate: meanOf(candidate),
    baseline: meanOf(baseline),
    limit: changeMax,
    samples: { candidate: candidate.moments.n, baseline: baseline.moments.n, of: `${field}s told` },
    harm: (times) => (direction === 'increase' ? change(times) : negated(change(times))),
  };
}

/**
 * The share of rows that flip. Rows of one request are not independent, so the unit is the request: the mean of its
 * share of flipped rows. Such a share lies between 0 and 1, and for those the sequence of Bernoulli variables holds
 * as well: the likelihood ratio of one unit is convex in its value, so on average at most what it is for 0 and 1 with
 * the same mean.
 */
function measureFlips({ shareMax }: GuardrailOf<'shadow_flips'>, view: CanaryView): GuardrailMeasure {
  const { requests, flipShares } = shadowSamples(view.samples, view.canary.candidate);
  const flipped = { successes: Math.min(flipShares, requests), n: requests };
  return {
    label: 'shadow flips',
    unit: 'share',
    valueUnit: 'share',
    candidate: shareOf(flipped),
    baseline: 0,
    limit: shareMax,
    samples: { candidate: requests, baseline: requests, of: 'shadowed requests' },
    harm: (times) => ({
      estimate: shareOf(flipped),
      ...oneSidedBernoulliSequences(scaled(flipped, times), view.alpha),
    }),
  };
}

function shareDifference(baseline: Successes, candidate: Successes, alpha: number): Harm {
  const bounds = differenceOfIntervals(
    oneSidedBernoulliSequences(baseline, alpha / 2),
    oneSidedBernoulliSequences(candidate, alpha / 2),
  );
  return { estimate: shareOf(candidate) - shareOf(baseline), ...bounds };
}

function failures({ answered, failed }: ArmSamples): Successes {
  return { successes: failed, n: answered + failed };
}

function shareOf({ successes, n }: Successes): number {
  return n === 0 ? Number.NaN : successes / n;
}

function scaled({ successes, n }: Successes, times: number): Successes {
  return { successes: successes * times, n: n * times };
}

function multiplied({ ends, counts }: Histogram, times: number): Histogram {
  return { ends, counts: times === 1 ? counts : counts.map((count) => count * times) };
}

function grown({ moments }: FeedbackSamples, times: number): Summary {
  const summary = summaryOfMoments(moments);
  return { ...summary, n: summary.n * times };
}

function meanOf({ moments }: FeedbackSamples): number {
  return moments.n === 0 ? Number.NaN : moments.mean;
}

function negated({ estimate, lower, upper }: Harm): Harm {
  return { estimate: -estimate, lower: -upper, upper: -lower };
}

function median({ values }: OutputSamples): number {
  return sketchQuantile(values, 0.5);
}

function sizeOf({ counts }: Histogram): number {
  return total(counts);
}

function total(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

/**
 * The bounds are to be narrowest, over both arms, when the candidate has what a step needs at least. Fixed before the
 * step begins.
 */
function optimalN({ samplesMin, steps }: Canary, step: number): number {
  return samplesMin / (steps[step] ?? 1);
}
