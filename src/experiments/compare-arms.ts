/** A metric of an experiment: each arm, each treatment against the control, and how it came to that. */
import { betaDensity, betaPosterior, bestBetaArm, credibleInterval } from '../stats/beta-posterior.ts';
import type { BetaDistribution, DensityPoint } from '../stats/beta-posterior.ts';
import type { BestArm } from '../stats/best-arm.ts';
import type { BivariateMoments } from '../stats/bivariate-moments.ts';
import { compareProportions } from '../stats/compare-proportions.ts';
import { confidenceSequence } from '../stats/confidence-sequence.ts';
import type { SequenceDesign } from '../stats/confidence-sequence.ts';
import { differenceEstimate, relativeEstimate } from '../stats/estimate.ts';
import type { Estimate } from '../stats/estimate.ts';
import { welchTest } from '../stats/contrast.ts';
import type { Interval } from '../stats/interval.ts';
import { bestNormalArm, normalCredibleInterval, normalPosterior } from '../stats/normal-posterior.ts';
import type { NormalDistribution } from '../stats/normal-posterior.ts';
import { normalDensity } from '../stats/normal-tail.ts';
import { relativeDifference } from '../stats/relative-difference.ts';
import type { Summary } from '../stats/summary.ts';
import type { Metric } from '../project/rollout.ts';
import { summariesOf } from './metric-sample.ts';
import type { MetricForm } from './metric-sample.ts';

/**
 * The number of units of two arms together at which always valid intervals are as narrow as they can be. It is fixed, since
 * it may not follow from what is seen.
 */
const OPTIMAL_UNITS = 5000;
const DENSITY_POINTS = 120;
const DENSITY_REACH = 4;

export interface ArmResult {
  /** That have a value. */
  readonly units: number;
  /** Undefined with fewer than two units. */
  readonly mean: number | undefined;
  /** Where the true mean lies with a chance of 1 - alpha. */
  readonly credible: Interval | undefined;
  readonly chanceBest: number | undefined;
  /** What is lost on average if this arm is chosen, in the unit of the metric. */
  readonly expectedLoss: number | undefined;
  readonly density: readonly DensityPoint[];
}

export interface FixedResult extends Interval {
  readonly p: number;
}

export interface AlwaysValidResult extends Interval {
  readonly p: number;
}

export interface ArmContrast {
  /** Position of the treatment among the arms. */
  readonly arm: number;
  readonly difference: number;
  readonly fixed: FixedResult;
  readonly alwaysValid: AlwaysValidResult;
  /** By the mean of the control; undefined where that is not above 0. */
  readonly relative:
    { readonly difference: number; readonly fixed: Interval; readonly alwaysValid: Interval } | undefined;
  readonly estimate: Estimate;
  /** The always valid intervals hold for many units only. */
  readonly isEnough: boolean;
}

export interface ComparedMetric {
  readonly arms: readonly ArmResult[];
  readonly contrasts: readonly ArmContrast[];
}

export function compareArms(
  form: MetricForm,
  groups: readonly BivariateMoments[],
  goal: Metric['goal'],
  alpha: number,
): ComparedMetric {
  const summaries = summariesOf(form, groups);
  const posteriors = groups.map((group, i) => posteriorOf(form, group, summaries[i]));
  const best = bestOf(posteriors, goal);
  const arms = groups.map(({ n }, i): ArmResult => {
    const posterior = posteriors[i];
    return {
      units: n,
      mean: summaries[i]?.mean,
      credible: posterior === undefined ? undefined : credibleOf(posterior, alpha),
      chanceBest: best?.chances[i],
      expectedLoss: best?.losses[i],
      density: posterior === undefined ? [] : densityOf(posterior),
    };
  });
  const contrasts = groups.slice(1).flatMap((_, i): ArmContrast[] => {
    const [control, treatment] = [summaries[0], summaries[i + 1]];
    if (control === undefined || treatment === undefined) return [];
    const isEnough = [groups[0], groups[i + 1]].every((group) =>
      isEnoughFor(form, group as BivariateMoments),
    );
    return [{ arm: i + 1, isEnough, ...contrastOf(form, control, treatment, alpha) }];
  });
  return { arms, contrasts };
}

function contrastOf(
  form: MetricForm,
  control: Summary,
  treatment: Summary,
  alpha: number,
): Omit<ArmContrast, 'arm' | 'isEnough'> {
  const design = designOf(alpha);
  const estimate = differenceEstimate(control, treatment);
  const fixed =
    form === 'proportion'
      ? compareProportions(successesOf(control), successesOf(treatment), alpha)
      : welchTest(control, treatment, alpha);
  const { lower, upper, p } = confidenceSequence(estimate, design);
  return {
    difference: estimate.estimate,
    fixed: { lower: fixed.lower, upper: fixed.upper, p: fixed.p },
    alwaysValid: { lower, upper, p },
    relative: control.mean > 0 ? relativeOf(control, treatment, alpha) : undefined,
    estimate,
  };
}

function relativeOf(control: Summary, treatment: Summary, alpha: number): ArmContrast['relative'] {
  const { difference, ...fixed } = relativeDifference(control, treatment, alpha);
  const always = confidenceSequence(relativeEstimate(control, treatment), designOf(alpha));
  return {
    difference,
    fixed: { lower: fixed.lower, upper: fixed.upper },
    alwaysValid: { lower: always.lower, upper: always.upper },
  };
}

export function designOf(alpha: number): SequenceDesign {
  return { alpha, optimalN: OPTIMAL_UNITS };
}

const UNITS_MIN = 100;
const RARE_MIN = 10;

/** Of a rare thing there must be some as well. */
function isEnoughFor(form: MetricForm, { n, meanY }: BivariateMoments): boolean {
  if (n < UNITS_MIN) return false;
  return form !== 'proportion' || Math.min(meanY, 1 - meanY) * n >= RARE_MIN;
}

function successesOf({ n, mean }: Summary): { successes: number; n: number } {
  return { n, successes: Math.round(n * mean) };
}

type Posterior =
  ({ readonly kind: 'beta' } & BetaDistribution) | ({ readonly kind: 'normal' } & NormalDistribution);

function posteriorOf(
  form: MetricForm,
  { n, meanY }: BivariateMoments,
  summary: Summary | undefined,
): Posterior | undefined {
  if (form === 'proportion' && n > 0)
    return { kind: 'beta', ...betaPosterior({ successes: Math.round(n * meanY), n }) };
  if (summary === undefined || !(summary.variance > 0)) return undefined;
  return { kind: 'normal', ...normalPosterior(summary) };
}

function bestOf(posteriors: readonly (Posterior | undefined)[], goal: Metric['goal']): BestArm | undefined {
  // The best is the largest: where less is better, it is that of the mirrored distributions.
  const betas = posteriors.flatMap((each): BetaDistribution[] => {
    if (each?.kind !== 'beta') return [];
    const { alpha, beta } = each;
    return [goal === 'increase' ? { alpha, beta } : { alpha: beta, beta: alpha }];
  });
  if (betas.length === posteriors.length) return bestBetaArm(betas);
  const normals = posteriors.flatMap((each): NormalDistribution[] => {
    if (each?.kind !== 'normal') return [];
    const { mean, standardDeviation } = each;
    return [{ mean: goal === 'increase' ? mean : -mean, standardDeviation }];
  });
  return normals.length === posteriors.length ? bestNormalArm(normals) : undefined;
}

function credibleOf(posterior: Posterior, alpha: number): Interval {
  return posterior.kind === 'beta'
    ? credibleInterval(posterior, alpha)
    : normalCredibleInterval(posterior, alpha);
}

function densityOf(posterior: Posterior): readonly DensityPoint[] {
  if (posterior.kind === 'beta') return betaDensity(posterior, DENSITY_POINTS);
  const { mean, standardDeviation } = posterior;
  return Array.from({ length: DENSITY_POINTS }, (_, i) => {
    const z = DENSITY_REACH * ((2 * i) / (DENSITY_POINTS - 1) - 1);
    return { x: mean + z * standardDeviation, density: normalDensity(z) / standardDeviation };
  });
}
