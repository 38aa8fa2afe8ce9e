import type { Interval } from './interval.ts';
import { requireFinite } from './require-range.ts';

export type Verdict = 'pass' | 'fail' | 'inconclusive';

/**
 * Whether a harm stays within its limit: it passes if all of the interval does, fails if none does. With an interval
 * that holds at every look, so does the verdict. An inconclusive one asks for more data, never for a step forward.
 *
 * @param harm bounds of candidate minus baseline, or of a ratio, of a metric of which more is worse
 * @param limit the largest harm that is accepted, in the same unit
 */
export function guardVerdict(harm: Interval, limit: number): Verdict {
  requireFinite('limit', limit);
  if (!(harm.lower <= harm.upper)) throw new RangeError(`${harm.lower} to ${harm.upper} is no interval`);
  if (harm.upper <= limit) return 'pass';
  return harm.lower > limit ? 'fail' : 'inconclusive';
}
