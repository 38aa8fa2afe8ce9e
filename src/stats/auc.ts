import { meanRanks } from './mean-ranks.ts';

/**
 * Area under the ROC curve: the chance that a positive scores above a negative, ties counting half. Computed from
 * ranks (Mann-Whitney U): (sum of the positives' ranks - p (p + 1) / 2) / (p n), tied scores sharing their mean rank.
 *
 * @param scores one per case, no NaN
 * @param positives whether each case is positive
 * @returns 0 to 1; NaN if all cases are of one kind
 */
export function auc(scores: readonly number[], positives: readonly boolean[]): number {
  if (scores.length !== positives.length)
    throw new Error(`${scores.length} scores, ${positives.length} labels`);
  let positiveRanks = 0;
  let positiveCount = 0;
  for (const [index, rank] of meanRanks(scores).entries()) {
    if (positives[index] !== true) continue;
    positiveRanks += rank;
    positiveCount++;
  }
  const negativeCount = scores.length - positiveCount;
  return (positiveRanks - (positiveCount * (positiveCount + 1)) / 2) / (positiveCount * negativeCount);
}
