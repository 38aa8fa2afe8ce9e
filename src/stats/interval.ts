/** Bounds of what is likely; either may be infinite. */
export interface Interval {
  readonly lower: number;
  readonly upper: number;
}

/**
 * Bounds of candidate minus baseline. If each interval misses with a chance of at most alpha / 2, this one misses
 * with at most alpha (Bonferroni), whatever their dependence.
 */
export function differenceOfIntervals(baseline: Interval, candidate: Interval): Interval {
  return { lower: candidate.lower - baseline.upper, upper: candidate.upper - baseline.lower };
}

/** Bounds of candidate / baseline, of quantities that cannot be negative; it misses as differenceOfIntervals does. */
export function ratioOfIntervals(baseline: Interval, candidate: Interval): Interval {
  return {
    lower: baseline.upper > 0 ? Math.max(candidate.lower, 0) / baseline.upper : 0,
    upper: baseline.lower > 0 ? candidate.upper / baseline.lower : Infinity,
  };
}
