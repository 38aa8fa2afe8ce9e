/** A metric of an experiment: each arm, each treatment against the control, and how it came to that. */
import { betaDensity, betaPosterior, bestBetaArm, credibleInterval } from '../stats/beta-posterior.ts';
import type { BetaDistribution, DensityPoint } from '../stats/beta-posterior.ts';
import type { BestArm } from '../stats/best-arm.ts';
import { noBivariateMoments } from '../stats/bivariate-moments.ts';
import type { BivariateMoments } from '../stats/bivariate-moments.ts';
import { compareStratifiedProportions } from '../stats/compare-proportions.ts';
import { confidenceSequence } from '../stats/confidence-sequence.ts';
import type { SequenceDesign } from '../stats/confidence-sequence.ts';
import { differenceEstimate, relativeEstimate } from '../stats/estimate.ts';
import type { Estimate } from '../stats/estimate.ts';
import { stratifiedWelchTest } from '../stats/contrast.ts';
import type { Interval } from '../stats/interval.ts';
import { bestNormalArm, normalCredibleInterval, normalPosterior } from '../stats/normal-posterior.ts';
import type { NormalDistribution } from '../stats/normal-posterior.ts';
import { normalDensity } from '../stats/normal-tail.ts';
import { relativeDifference } from '../stats/relative-difference.ts';
import type { Summary } from '../stats/summary.ts';
import type { Metric } from '../project/rollout.ts';
import { comparedStrata, pooled, standardized } from './compared-strata.ts';
import type { Stratum, WeightedStratum } from './compared-strata.ts';
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
  /**
   * Under several versions: as if each arm had the same share of the units of each.
   * Undefined with fewer than two units.
   */
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
  /** Positions of the strata that it is made of: those with enough units of both arms. */
  readonly strata: readonly number[];
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

/** @param strata with one entry for each arm; several are compared one by one, and then combined */
export function compareArms(
  form: MetricForm,
  strata: readonly Stratum[],
  goal: Metric['goal'],
  alpha: number,
): ComparedMetric {
  const armCount = strata[0]?.groups.length ?? 0;
  const own = armResults(form, strata, armCount);
  const best = bestOf(
    own.map(({ posterior }) => posterior),
    goal,
  );
  const arms = own.map(({ units, mean, posterior }, i): ArmResult => ({
    units,
    mean,
    credible: posterior === undefined ? undefined : credibleOf(posterior, alpha),
    chanceBest: best?.chances[i],
    expectedLoss: best?.losses[i],
    density: posterior === undefined ? [] : densityOf(posterior),
  }));
  const contrasts = arms.slice(1).flatMap((_, i): ArmContrast[] => {
    const compared = comparedStrata(strata, [0, i + 1]);
    if (compared.length === 0) return [];
    const isEnough = [0, 1].every((arm) => isEnoughFor(form, pooled(compared, arm)));
    return [{ arm: i + 1, isEnough, ...contrastOf(form, compared, alpha) }];
  });
  return { arms, contrasts };
}

interface OwnResult extends Pick<ArmResult, 'units' | 'mean'> {
  readonly posterior: Posterior | undefined;
}

/** With several strata: as if each arm had the same share of each, so that arms differ by what their difference says. */
function armResults(form: MetricForm, strata: readonly Stratum[], armCount: number): OwnResult[] {
  const everyArm = Array.from({ length: armCount }, (_, arm) => arm);
  const known = everyArm.filter((arm) => strata.some(({ summaries }) => summaries[arm] !== undefined));
  const shared = comparedStrata(strata, known);
  const isOne = strata.length <= 1 || shared.length === 1;
  const [only] = strata.length > 1 ? shared : strata;
  return everyArm.map((arm): OwnResult => {
    const all = pooled(strata, arm);
    const units = all.n;
    const position = strata.length > 1 ? known.indexOf(arm) : arm;
    if (isOne && only !== undefined) {
      const summary = only.summaries[position];
      return { units, mean: summary?.mean, posterior: posteriorOf(form, only.groups[position], summary) };
    }
    if (position === -1) return { units, mean: undefined, posterior: undefined };
    const summary = shared.length > 0 ? standardized(shared, position) : undefined;
    const mean = summary?.mean ?? summariesOf(form, [all])[0]?.mean;
    return { units, mean, posterior: posteriorOf('mean', all, summary) };
  });
}

function contrastOf(
  form: MetricForm,
  strata: readonly WeightedStratum[],
  alpha: number,
): Omit<ArmContrast, 'arm' | 'isEnough'> {
  const [control, treatment] = [standardized(strata, 0), standardized(strata, 1)];
  const estimate = differenceEstimate(control, treatment);
  const fixed = fixedTest(form, strata, alpha);
  const { lower, upper, p } = confidenceSequence(estimate, designOf(alpha));
  return {
    strata: strata.map(({ index }) => index),
    difference: estimate.estimate,
    fixed: { lower: fixed.lower, upper: fixed.upper, p: fixed.p },
    alwaysValid: { lower, upper, p },
    relative: control.mean > 0 ? relativeOf(control, treatment, alpha) : undefined,
    estimate,
  };
}

/** Of the second arm against the first. */
export function fixedTest(form: MetricForm, strata: readonly WeightedStratum[], alpha: number): FixedResult {
  const pairs = strata.map(({ weight, summaries }) => {
    const [baseline, candidate] = summaries as [Summary, Summary];
    return { weight, baseline, candidate };
  });
  if (form !== 'proportion') return stratifiedWelchTest(pairs, alpha);
  const shares = pairs.map(({ weight, baseline, candidate }) => ({
    weight,
    baseline: successesOf(baseline),
    candidate: successesOf(candidate),
  }));
  return compareStratifiedProportions(shares, alpha);
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
  group: BivariateMoments | undefined,
  summary: Summary | undefined,
): Posterior | undefined {
  const { n, meanY } = group ?? noBivariateMoments;
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
