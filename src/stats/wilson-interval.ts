import type { Interval } from './interval.ts';
import { normalCritical } from './normal-tail.ts';
import { requireBetween } from './require-range.ts';
import { requireSuccesses } from './successes.ts';
import type { Successes } from './successes.ts';

/** Wilson's score interval of a share: never outside of 0 to 1, and good for small counts. For one look. */
export function wilsonInterval({ successes, n }: Successes, alpha: number): Interval {
  requireBetween('alpha', alpha, 0, 1);
  requireSuccesses({ successes, n });
  if (n === 0) return { lower: 0, upper: 1 };
  const z = normalCritical(alpha / 2);
  const square = (z * z) / n;
  const share = successes / n;
  const center = (share + square / 2) / (1 + square);
  const halfWidth = (Math.sqrt(square * (share * (1 - share) + square / 4)) || 0) / (1 + square);
  return {
    lower: successes === 0 ? 0 : Math.max(center - halfWidth, 0),
    upper: successes === n ? 1 : Math.min(center + halfWidth, 1),
  };
}
