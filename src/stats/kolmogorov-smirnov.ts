import { requireRange } from './require-range.ts';

export interface KolmogorovSmirnovTest {
  /** The largest distance between the distribution of the values and the uniform one. */
  readonly statistic: number;
  readonly p: number;
}

/**
 * Whether values are spread evenly over 0 to 1, as p values are where nothing has an effect. The p value is the limit
 * for many values at D (sqrt(n) + 0.12 + 0.11 / sqrt(n)) (Stephens 1970), good to 0.01 from 5 values on and better in
 * the tail.
 */
export function uniformityTest(values: readonly number[]): KolmogorovSmirnovTest {
  const n = values.length;
  requireRange('the number of values', n, 1, Infinity);
  let statistic = 0;
  for (const [rank, value] of [...values].sort((a, b) => a - b).entries()) {
    requireRange('value', value, 0, 1);
    statistic = Math.max(statistic, (rank + 1) / n - value, value - rank / n);
  }
  return { statistic, p: kolmogorovTail(statistic * (Math.sqrt(n) + 0.12 + 0.11 / Math.sqrt(n))) };
}

/**
 * P(K > x) of Kolmogorov's distribution: a series that converges fast for large x, and its theta transform for small
 * x.
 */
function kolmogorovTail(x: number): number {
  let sum = 0;
  if (x < 1.2) {
    for (let term = 1; term <= 9; term += 2) sum += Math.exp(-((term * Math.PI) ** 2) / (8 * x * x));
    return 1 - (Math.sqrt(2 * Math.PI) / x) * sum;
  }
  for (let term = 1; term <= 8; term++) sum += (term % 2 === 1 ? 2 : -2) * Math.exp(-2 * (term * x) ** 2);
  return sum;
}
