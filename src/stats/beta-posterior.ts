/**
 * What is known of a share after n units: a beta distribution. Arms are compared on the logit scale, where such a
 * distribution is smooth even if its density at 0 or 1 is infinite, and has tails that fall exponentially.
 */
import betaln from '@stdlib/math-base-special-betaln';
import betaCdf from '@stdlib/stats-base-dists-beta-cdf';
import betaQuantile from '@stdlib/stats-base-dists-beta-quantile';
import { bestArm } from './best-arm.ts';
import type { ArmDistribution, BestArm } from './best-arm.ts';
import type { Interval } from './interval.ts';
import { requireBetween, requireRange } from './require-range.ts';
import { requireSuccesses } from './successes.ts';
import type { Successes } from './successes.ts';

export interface BetaDistribution {
  readonly alpha: number;
  readonly beta: number;
}

const uniform: BetaDistribution = { alpha: 1, beta: 1 };

/** With less, a part of the distribution would lie so near to 0 or 1 that no number is between. */
const parameterMin = 0.05;

export function betaPosterior(
  { successes, n }: Successes,
  prior: BetaDistribution = uniform,
): BetaDistribution {
  requireSuccesses({ successes, n });
  requireBeta(prior);
  return { alpha: prior.alpha + successes, beta: prior.beta + n - successes };
}

/** The share lies below and above it with a chance of alpha / 2 each. */
export function credibleInterval(posterior: BetaDistribution, alpha: number): Interval {
  requireBetween('alpha', alpha, 0, 1);
  requireBeta(posterior);
  return {
    lower: betaQuantile(alpha / 2, posterior.alpha, posterior.beta),
    upper: betaQuantile(1 - alpha / 2, posterior.alpha, posterior.beta),
  };
}

/** Chances and losses of choosing each of several arms, in shares. */
export function bestBetaArm(posteriors: readonly BetaDistribution[]): BestArm {
  return bestArm(posteriors.map(onLogits), (t) => 1 / ((1 + Math.exp(-t)) * (1 + Math.exp(t))), 4);
}

export interface DensityPoint {
  readonly x: number;
  readonly density: number;
}

/** Points of the density for a plot, evenly spaced over all but a chance of 1e-4. */
export function betaDensity(posterior: BetaDistribution, points: number): readonly DensityPoint[] {
  requireRange('points', points, 2, 10_000);
  const { lower, upper } = credibleInterval(posterior, 1e-4);
  const { alpha, beta } = posterior;
  const scale = betaln(alpha, beta);
  return Array.from({ length: points }, (_, index) => {
    const x = lower + ((upper - lower) * index) / (points - 1);
    return { x, density: Math.exp((alpha - 1) * Math.log(x) + (beta - 1) * Math.log1p(-x) - scale) };
  });
}

function requireBeta({ alpha, beta }: BetaDistribution): void {
  requireRange('alpha of the distribution', alpha, parameterMin, Number.MAX_VALUE);
  requireRange('beta of the distribution', beta, parameterMin, Number.MAX_VALUE);
}

/** Less than this, in ln of the density against its peak, and so in the tail beyond, is nothing. */
const logNothing = -60;

function onLogits(posterior: BetaDistribution): ArmDistribution {
  requireBeta(posterior);
  const { alpha, beta } = posterior;
  const mean = alpha / (alpha + beta);
  const center = Math.log(alpha / beta);
  // The variance of a logit is trigamma(alpha) + trigamma(beta), which this exceeds a little.
  const scale = Math.sqrt((1 + 1 / alpha) / alpha + (1 + 1 / beta) / beta);
  return {
    center,
    scale,
    at(t) {
      const d = t - center;
      // ln(x^alpha (1 - x)^beta) less that at the peak. Taken as a difference of logarithms it would lose digits at
      // large counts.
      const ofSuccesses = alpha * Math.log1p((1 - mean) * Math.expm1(-d));
      const ofFailures = beta * Math.log1p(mean * Math.expm1(d));
      const logDensity = -ofSuccesses - ofFailures;
      const isBelow = d < 0;
      const tail = logDensity < logNothing ? 0 : smallerTail(t, isBelow);
      return {
        density: Math.exp(logDensity),
        below: isBelow ? tail : 1 - tail,
        above: isBelow ? 1 - tail : tail,
      };
    },
  };

  function smallerTail(t: number, isBelow: boolean): number {
    return isBelow
      ? betaCdf(1 / (1 + Math.exp(-t)), alpha, beta)
      : betaCdf(1 / (1 + Math.exp(t)), beta, alpha);
  }
}
