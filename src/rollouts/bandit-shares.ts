/**
 * The shares of a bandit's arms, from all rewards that were told of each. The same for the same samples: no draw is
 * made here, since traffic is split by what units hash to. Cost: 20 ms for 5 arms (thompson), so it is done once in
 * an interval, by one process.
 *
 * Rewards are what is told. Where only clicks are told, and not that there was none, every arm seems perfect: tell
 * both.
 */
import type { Bandit } from '../project/rollout.ts';
import { bestBetaArm, betaPosterior } from '../stats/beta-posterior.ts';
import { mergeMoments, noMoments } from '../stats/moments.ts';
import { bestNormalArm } from '../stats/normal-posterior.ts';
import type { NormalDistribution } from '../stats/normal-posterior.ts';
import { thompsonAllocation } from '../stats/thompson-allocation.ts';
import { ucb1Index } from '../stats/ucb1-index.ts';
import { armSamples, noFeedback, isBinary } from './samples.ts';
import type { EndpointSamples, FeedbackSamples } from './samples.ts';

/** @returns by arm; together 1, none below the floor */
export function banditShares(bandit: Bandit, samples: EndpointSamples): Record<string, number> {
  const { arms, reward, algorithm } = bandit;
  const rewards = arms.map((arm) => armSamples(samples, arm).feedback[reward] ?? noFeedback);
  const floor = Math.min(bandit.floor, 1 / arms.length);
  const chances = algorithm === 'thompson' ? chancesToBeBest(rewards) : highestIndex(rewards);
  const shares = thompsonAllocation(chances, floor);
  return Object.fromEntries(arms.map((arm, index) => [arm, shares[index] as number]));
}

/** How likely each arm is the best: the share of draws that Thompson sampling would give it. */
function chancesToBeBest(rewards: readonly FeedbackSamples[]): readonly number[] {
  if (rewards.every(isBinary))
    return bestBetaArm(rewards.map(({ ones, moments }) => betaPosterior({ successes: ones, n: moments.n })))
      .chances;
  const posteriors = normalPosteriors(rewards);
  return posteriors === undefined ? rewards.map(() => 1 / rewards.length) : bestNormalArm(posteriors).chances;
}

/**
 * Each arm with one reward more, as of an average arm: so one that was not played yet might be the best or the worst,
 * and one that got the same reward twice is not taken as certain. Undefined if all rewards of all arms are the same.
 */
function normalPosteriors(rewards: readonly FeedbackSamples[]): readonly NormalDistribution[] | undefined {
  const all = rewards.reduce((merged, { moments }) => mergeMoments(merged, moments), noMoments);
  const variance = all.m2 / all.n;
  if (!(variance > 0)) return undefined;
  return rewards.map(({ moments }) => {
    const { n, mean, m2 } = mergeMoments(moments, { n: 1, mean: all.mean, m2: variance });
    return { mean, standardDeviation: Math.sqrt(m2 / n / n) };
  });
}

/** 1 for the arm of the highest index, the first of equals; rewards are scaled to 0 to 1 by the range of all. */
function highestIndex(rewards: readonly FeedbackSamples[]): readonly number[] {
  const ends = rewards.every(isBinary)
    ? [0, 1]
    : rewards.flatMap(({ min, max }) => (min === null || max === null ? [] : [min, max]));
  const least = Math.min(...ends);
  const range = Math.max(...ends) - least;
  const total = rewards.reduce((sum, { moments }) => sum + moments.n, 0);
  const indexes = rewards.map(({ moments: { n, mean } }) =>
    ucb1Index(range > 0 ? (mean - least) / range : 0, n, total),
  );
  const best = indexes.indexOf(Math.max(...indexes));
  return rewards.map((_, arm) => (arm === best ? 1 : 0));
}
