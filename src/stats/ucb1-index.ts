import { requireCount, requireFinite, requireRange } from './require-range.ts';

/**
 * UCB1 (Auer, Cesa-Bianchi and Fischer 2002): mean + a sqrt(2 ln N / n). One plays the arm of the largest index. An
 * arm that was never played comes first.
 *
 * @param mean reward of the arm so far, scaled to 0 to 1
 * @param n plays of the arm
 * @param total plays of all arms
 * @param exploration a; 1 is the published rule, less explores less
 */
export function ucb1Index(mean: number, n: number, total: number, exploration = 1): number {
  requireCount('n', n);
  requireRange('total', total, n, Infinity);
  requireCount('exploration', exploration);
  if (n === 0) return Infinity;
  requireFinite('mean', mean);
  return mean + exploration * Math.sqrt((2 * Math.log(total)) / n);
}
