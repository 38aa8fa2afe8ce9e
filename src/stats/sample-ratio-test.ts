/**
 * Sample ratio mismatch: arms have other counts than their weights promise, so something loses users, and the
 * experiment is not to be trusted.
 */
import betaln from '@stdlib/math-base-special-betaln';
import { chiSquareTail } from './chi-square-tail.ts';
import {
  requireCount,
  requirePositive,
  requireRange,
  requireSameLength,
  requireShares,
} from './require-range.ts';

export interface SampleRatioTest {
  readonly statistic: number;
  readonly degreesOfFreedom: number;
  readonly p: number;
}

/** Pearson's chi-square test of counts against weights. For one look. */
export function sampleRatioTest(counts: readonly number[], weights: readonly number[]): SampleRatioTest {
  requireArms(counts, weights);
  const total = counts.reduce((sum, count) => sum + count, 0);
  const degreesOfFreedom = counts.length - 1;
  if (total === 0) return { statistic: 0, degreesOfFreedom, p: 1 };
  let statistic = 0;
  for (const [arm, count] of counts.entries()) {
    const expected = total * (weights[arm] as number);
    statistic += (count - expected) ** 2 / expected;
  }
  return { statistic, degreesOfFreedom, p: chiSquareTail(statistic, degreesOfFreedom) };
}

export interface SequentialSampleRatio {
  /** ln of how much likelier the counts are if the weights are wrong. */
  readonly logBayesFactor: number;
  /** 1 / Bayes factor, at most 1. */
  readonly p: number;
  /**
   * The least p so far: if the weights are right, it falls below alpha in the whole life of an experiment with a
   * chance of alpha.
   */
  readonly everP: number;
}

/**
 * The same question, for looks at any time (Lindon and Malek 2022): the Bayes factor of counts with shares from a
 * Dirichlet distribution around the weights against the weights themselves. It is a martingale that starts at 1, so
 * by Ville's inequality it ever exceeds 1 / alpha with a chance of at most alpha.
 *
 * @param previousP everP of the look before, if there was one
 * @param concentration of the Dirichlet prior: the larger, the smaller the mismatch that it looks for
 */
export function sequentialSampleRatio(
  counts: readonly number[],
  weights: readonly number[],
  previousP = 1,
  concentration = 10_000,
): SequentialSampleRatio {
  requireArms(counts, weights);
  requireRange('previousP', previousP, 0, 1);
  requirePositive('concentration', concentration);
  const prior = weights.map((weight) => weight * concentration);
  const posterior = prior.map((alpha, arm) => alpha + (counts[arm] as number));
  let logBayesFactor = logBetaOfMany(posterior) - logBetaOfMany(prior);
  for (const [arm, count] of counts.entries()) logBayesFactor -= count * Math.log(weights[arm] as number);
  const p = Math.min(1, Math.exp(-logBayesFactor));
  return { logBayesFactor, p, everP: Math.min(previousP, p) };
}

const CONCENTRATIONS = [100, 1000, 10_000];

/**
 * ln of the mean of Bayes factors for mismatches of several sizes: one that is made for small mismatches alone needs
 * thousands of units to see that an arm has lost half of its own. A mean of martingales is one.
 */
export function sampleRatioEvidence(counts: readonly number[], weights: readonly number[]): number {
  const logs = CONCENTRATIONS.map((each) => sequentialSampleRatio(counts, weights, 1, each).logBayesFactor);
  const largest = Math.max(...logs);
  const sum = logs.reduce((total, log) => total + Math.exp(log - largest), 0);
  return largest + Math.log(sum / logs.length);
}

/** ln of the multivariate beta function: a chain of binary ones, B(a, b, c) = B(a, b + c) B(b, c). */
function logBetaOfMany(alphas: readonly number[]): number {
  let rest = alphas.reduce((sum, alpha) => sum + alpha, 0);
  let log = 0;
  for (const alpha of alphas.slice(0, -1)) {
    rest -= alpha;
    log += betaln(alpha, rest);
  }
  return log;
}

function requireArms(counts: readonly number[], weights: readonly number[]): void {
  requireSameLength('counts and weights', counts, weights);
  requireRange('the number of arms', counts.length, 2, Infinity);
  for (const count of counts) requireCount('count', count);
  for (const weight of weights) requirePositive('weight', weight);
  requireShares('weights', weights);
}
