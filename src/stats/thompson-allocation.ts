import { requireRange, requireShares } from './require-range.ts';

/**
 * Shares of traffic that keep every arm explored: f + (1 - k f) w for k arms, where w is the chance that an arm is
 * the best (Thompson sampling draws an arm with just that chance). They add up to 1 and none is below f. To raise
 * what is below f and then scale all would put some below f again.
 *
 * @param chances of each arm to be the best, as from bestBetaArm or bestNormalArm
 * @param floor the least share of an arm, at most 1 / k
 */
export function thompsonAllocation(chances: readonly number[], floor: number): readonly number[] {
  requireRange('floor', floor, 0, 1 / chances.length);
  requireShares('chances', chances);
  return chances.map((chance) => floor + (1 - chances.length * floor) * chance);
}
