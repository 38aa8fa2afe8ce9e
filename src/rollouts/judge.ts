/**
 * Whether a canary may go on: from everything seen of both arms in a step, at any time and as often as one likes. The
 * bounds of each guardrail hold at every look at once, and what a canary may be wrong about, alpha, is divided evenly
 * over its guardrails and over the steps that are judged (Bonferroni): with a chance of 1 - alpha no verdict of the
 * whole canary is ever wrong.
 *
 * Pure. Cost: 1 ms of processor time for error rate and latency over millions of requests; as much again while it is
 * inconclusive.
 */
import type { Canary, Guardrail } from '../project/rollout.ts';
import { guardVerdict } from '../stats/guard-verdict.ts';
import type { Verdict } from '../stats/guard-verdict.ts';
import { measureGuardrail } from './guardrail-measures.ts';
import type { GuardrailMeasure, Harm, MeasuredSamples } from './guardrail-measures.ts';
import { armSamples } from './samples.ts';
import type { EndpointSamples } from './samples.ts';

export interface CanaryVerdict {
  /** fail: a guardrail fails. pass: all pass, and the candidate has answered enough. inconclusive: wait. */
  readonly verdict: Verdict;
  readonly guardrails: readonly GuardrailVerdict[];
  readonly requests: { readonly candidate: number; readonly baseline: number };
  /** How many more requests the candidate must answer whatever the guardrails say. */
  readonly requestsMissing: number;
}

/** What is undefined is not known yet, or has no bound. */
export interface GuardrailVerdict {
  readonly metric: Guardrail['metric'];
  readonly label: string;
  readonly verdict: Verdict;
  readonly candidate: number | undefined;
  readonly baseline: number | undefined;
  /** Above the limit is too much. */
  readonly harm: {
    readonly estimate: number | undefined;
    readonly lower: number | undefined;
    readonly upper: number | undefined;
  };
  readonly limit: number;
  /** Of harm and limit. */
  readonly unit: GuardrailMeasure['unit'];
  /** Of the values of candidate and baseline. */
  readonly valueUnit: GuardrailMeasure['valueUnit'];
  readonly samples: MeasuredSamples;
  /**
   * About how many more samples of the candidate it takes until this is decided, if the values stay as they are and
   * the baseline gets as many more in proportion. Undefined if it is decided, or cannot be said.
   */
  readonly moreSamples: number | undefined;
}

/**
 * @param baseline the variant that `serve` names
 * @param step position in the steps
 * @param samples of this step only
 */
export function judgeCanary(
  canary: Canary,
  baseline: string,
  step: number,
  samples: EndpointSamples,
): CanaryVerdict {
  const alpha = canary.alpha / (Math.max(canary.guardrails.length, 1) * judgedSteps(canary));
  const view = { canary, baseline, step, samples, alpha };
  const guardrails = canary.guardrails.map((guardrail) =>
    judgeGuardrail(guardrail.metric, measureGuardrail(guardrail, view)),
  );
  const requests = {
    candidate: requestsOf(samples, canary.candidate),
    baseline: requestsOf(samples, baseline),
  };
  const requestsMissing = Math.max(canary.samplesMin - requests.candidate, 0);
  return { verdict: together(guardrails, requestsMissing), guardrails, requests, requestsMissing };
}

/** With all of the traffic there is no baseline to compare with: such a step is not judged. */
function judgedSteps({ steps }: Canary): number {
  return Math.max(steps.filter((share) => share < 1).length, 1);
}

function requestsOf(samples: EndpointSamples, variant: string): number {
  const { answered, failed } = armSamples(samples, variant);
  return answered + failed;
}

function together(guardrails: readonly GuardrailVerdict[], requestsMissing: number): Verdict {
  if (guardrails.some(({ verdict }) => verdict === 'fail')) return 'fail';
  const allPass = guardrails.every(({ verdict }) => verdict === 'pass');
  return allPass && requestsMissing === 0 ? 'pass' : 'inconclusive';
}

function judgeGuardrail(metric: Guardrail['metric'], measure: GuardrailMeasure): GuardrailVerdict {
  const { label, unit, valueUnit, limit, samples } = measure;
  const harm = measure.harm(1);
  const verdict = guardVerdict(harm, limit);
  const times = verdict === 'inconclusive' ? timesNeeded(measure, harm) : undefined;
  return {
    metric,
    label,
    verdict,
    candidate: known(measure.candidate),
    baseline: known(measure.baseline),
    harm: { estimate: known(harm.estimate), lower: known(harm.lower), upper: known(harm.upper) },
    limit,
    unit,
    valueUnit,
    samples,
    moreSamples: times === undefined ? undefined : Math.ceil(samples.candidate * (times - 1)),
  };
}

function known(value: number): number | undefined {
  return Number.isFinite(value) ? value : undefined;
}

interface Width {
  readonly times: number;
  /** From the estimate to the bound that decides. */
  readonly width: number;
}

/**
 * How many times the samples there are when no bound is to be had of those that are there; then what is said is rough
 * indeed.
 */
const UNBOUNDED_TIMES = [8, 64, 512];

/**
 * How many times the samples it takes until the bound on the side of the limit is as near to the estimate as the
 * limit is. Between the first power of n and its root, widths shrink with a power that two of them tell.
 */
function timesNeeded(measure: GuardrailMeasure, now: Harm): number | undefined {
  const margin = Math.abs(measure.limit - now.estimate);
  if (!(margin > 0)) return undefined;
  const widthAt = (times: number): Width => {
    const harm = times === 1 ? now : measure.harm(times);
    const width = now.estimate <= measure.limit ? harm.upper - now.estimate : now.estimate - harm.lower;
    return { times, width };
  };
  let near = widthAt(1);
  for (const times of UNBOUNDED_TIMES) if (!(near.width < Infinity)) near = widthAt(times);
  if (!(near.width < Infinity)) return undefined;
  if (near.width <= margin) return near.times;
  if (near.width > FORESEEABLE * margin) return undefined;
  const far = widthAt(near.times * (near.width / margin) ** 2);
  const power = Math.log(near.width / far.width) / Math.log(far.times / near.times);
  const isSound = power >= SHRINKING.min && power <= SHRINKING.max;
  return near.times * (near.width / margin) ** (1 / (isSound ? power : SHRINKING.usual));
}

/** From a width so many times too large nothing can be foretold. */
const FORESEEABLE = 100;

/** A width shrinks as n to the power of minus this. */
const SHRINKING = { min: 0.25, usual: 0.5, max: 1 };
