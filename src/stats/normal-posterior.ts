/** What is known of a mean after many units: about a normal distribution, whatever the metric's own. */
import { bestArm } from './best-arm.ts';
import type { ArmDistribution, BestArm } from './best-arm.ts';
import type { Interval } from './interval.ts';
import { normalCritical, normalDensity, normalTail } from './normal-tail.ts';
import { requireBetween, requireFinite, requirePositive } from './require-range.ts';
import type { Summary } from './summary.ts';

export interface NormalDistribution {
  readonly mean: number;
  readonly standardDeviation: number;
}

/** With a flat prior: the spread is the mean's standard error. */
export function normalPosterior({ n, mean, variance }: Summary): NormalDistribution {
  requirePositive('n', n);
  requirePositive('variance', variance);
  return { mean, standardDeviation: Math.sqrt(variance / n) };
}

/** The mean lies below and above it with a chance of alpha / 2 each. */
export function normalCredibleInterval(
  { mean, standardDeviation }: NormalDistribution,
  alpha: number,
): Interval {
  requireBetween('alpha', alpha, 0, 1);
  const halfWidth = normalCritical(alpha / 2) * standardDeviation;
  return { lower: mean - halfWidth, upper: mean + halfWidth };
}

/** Chances and losses of choosing each of several arms, in the unit of the metric; in closed form for two. */
export function bestNormalArm(posteriors: readonly NormalDistribution[]): BestArm {
  for (const { mean, standardDeviation } of posteriors) {
    requireFinite('mean', mean);
    requirePositive('standardDeviation', standardDeviation);
  }
  const [first, second, ...others] = posteriors;
  if (first !== undefined && second !== undefined && others.length === 0) return betterOfTwo(first, second);
  return bestArm(posteriors.map(asArm), () => 1);
}

function asArm({ mean, standardDeviation }: NormalDistribution): ArmDistribution {
  return {
    center: mean,
    scale: standardDeviation,
    at(t) {
      const z = (t - mean) / standardDeviation;
      return { density: normalDensity(z), below: normalTail(-z), above: normalTail(z) };
    },
  };
}

function betterOfTwo(first: NormalDistribution, second: NormalDistribution): BestArm {
  const spread = Math.hypot(first.standardDeviation, second.standardDeviation);
  const z = (second.mean - first.mean) / spread;
  return {
    chances: [normalTail(z), normalTail(-z)],
    losses: [spread * positivePart(z), spread * positivePart(-z)],
  };
}

/** The mean of max(Z + z, 0) of a standard normal Z. */
function positivePart(z: number): number {
  return Math.max(normalDensity(z) + z * normalTail(-z), 0);
}
