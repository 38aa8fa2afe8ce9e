/** P values of several hypotheses, raised so that each may be compared with alpha itself. */
import padjust from '@stdlib/stats-padjust';
import { requireRange } from './require-range.ts';

/**
 * Benjamini and Hochberg: of what is called an effect, a share of at most alpha is none, on average (false discovery
 * rate).
 */
export function benjaminiHochberg(pValues: readonly number[]): readonly number[] {
  return adjust(pValues, 'bh');
}

/** Holm: the chance to call anything an effect that is none is at most alpha (family-wise error rate). */
export function holm(pValues: readonly number[]): readonly number[] {
  return adjust(pValues, 'holm');
}

function adjust(pValues: readonly number[], method: 'bh' | 'holm'): readonly number[] {
  for (const p of pValues) requireRange('p', p, 0, 1);
  return pValues.length === 0 ? [] : padjust([...pValues], method);
}
