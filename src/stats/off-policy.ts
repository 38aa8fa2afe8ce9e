/**
 * What a policy would have earned, from choices that another one made and logged with their propensities. Each choice
 * counts with weight w = the target's chance of it / its propensity.
 */
import { requireFinite, requirePositive, requireRange } from './require-range.ts';

export interface LoggedChoice {
  readonly reward: number;
  /** The chance with which the logging policy made this choice; more than 0. */
  readonly propensity: number;
  /** The chance with which the target policy would make it. */
  readonly targetChance: number;
  /** What a model expects of the choice that was made. */
  readonly expectedReward: number;
  /** What the model expects of the target policy here: its mean over all choices, by the target's chances. */
  readonly expectedOfTarget: number;
  /** Who was chosen for. Choices for one unit are not independent; standard errors treat a unit as one. */
  readonly unit: string;
}

export interface PolicyValue {
  readonly value: number;
  readonly standardError: number;
}

export interface OffPolicyEstimates {
  /** Inverse propensity score: the mean of w r. Unbiased, with a large spread. */
  readonly ips: PolicyValue;
  /** Self-normalized: the sum of w r / the sum of w. Slightly biased, steadier. NaN if all weights are 0. */
  readonly snips: PolicyValue;
  /**
   * Doubly robust (Dudík, Langford and Li 2011): the mean of q + w (r - q). Right if propensities are or the model
   * is.
   */
  readonly doublyRobust: PolicyValue;
  /** (sum w)^2 / sum w^2: how many choices of the target itself this is worth. */
  readonly effectiveSampleSize: number;
}

export function offPolicyEstimates(choices: readonly LoggedChoice[]): OffPolicyEstimates {
  const n = choices.length;
  requireRange('the number of choices', n, 1, Infinity);
  const weights = choices.map(weightOf);
  const sum = total(weights);
  const rewards = choices.map(({ reward }, index) => (weights[index] as number) * reward);
  const robust = choices.map(
    ({ reward, expectedReward, expectedOfTarget }, index) =>
      expectedOfTarget + (weights[index] as number) * (reward - expectedReward),
  );
  const snips = total(rewards) / sum;
  const deviations = choices.map(({ reward }, index) => (weights[index] as number) * (reward - snips));
  return {
    ips: mean(choices, rewards),
    snips: { value: snips, standardError: clusteredError(choices, deviations) / sum },
    doublyRobust: mean(choices, robust),
    effectiveSampleSize: sum === 0 ? 0 : (sum * sum) / total(weights.map((weight) => weight * weight)),
  };
}

function weightOf({
  reward,
  propensity,
  targetChance,
  expectedReward,
  expectedOfTarget,
}: LoggedChoice): number {
  requireFinite('reward', reward);
  requireFinite('expectedReward', expectedReward);
  requireFinite('expectedOfTarget', expectedOfTarget);
  requirePositive('propensity', propensity);
  requireRange('propensity', propensity, 0, 1);
  requireRange('targetChance', targetChance, 0, 1);
  return targetChance / propensity;
}

function mean(choices: readonly LoggedChoice[], values: readonly number[]): PolicyValue {
  const value = total(values) / values.length;
  const deviations = values.map((one) => one - value);
  return { value, standardError: clusteredError(choices, deviations) / values.length };
}

/**
 * The standard error of a sum of deviations that are correlated within units: the root of g / (g - 1) times their
 * squared sums.
 */
function clusteredError(choices: readonly LoggedChoice[], deviations: readonly number[]): number {
  const sums = new Map<string, number>();
  for (const [index, { unit }] of choices.entries()) {
    sums.set(unit, (sums.get(unit) ?? 0) + (deviations[index] as number));
  }
  const squares = total([...sums.values()].map((sum) => sum * sum));
  return sums.size < 2 ? Number.NaN : Math.sqrt((squares * sums.size) / (sums.size - 1));
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
