import padjust from '@stdlib/stats-padjust';
import { requireRange } from './require-range.ts';

/**
 * P values of several hypotheses, raised so that each may be compared with alpha itself, by Benjamini and Hochberg: of what is called an effect, a share of at most alpha is none, on average (false discovery
 * rate).
 */
export function benjaminiHochberg(pValues: readonly number[]): readonly number[] {
  for (const p of pValues) requireRange('p', p, 0, 1);
  return pValues.length === 0 ? [] : padjust([...pValues], 'bh');
}
