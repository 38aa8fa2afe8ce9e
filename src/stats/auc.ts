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
  const order = scores.map((_, index) => index).sort((a, b) => (scores[a] as number) - (scores[b] as number));
  let positiveRanks = 0;
  let positiveCount = 0;
  for (let from = 0; from < order.length;) {
    let to = from + 1;
    while (to < order.length && scores[order[to] as number] === scores[order[from] as number]) to++;
    const meanRank = (from + 1 + to) / 2;
    for (let i = from; i < to; i++) {
      if (positives[order[i] as number] !== true) continue;
      positiveRanks += meanRank;
      positiveCount++;
    }
    from = to;
  }
  const negativeCount = scores.length - positiveCount;
  return (positiveRanks - (positiveCount * (positiveCount + 1)) / 2) / (positiveCount * negativeCount);
}
