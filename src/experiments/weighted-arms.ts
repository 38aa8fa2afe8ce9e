/**
 * Arms of a bandit. It gives most to what seemed best, when it seemed so, so plain means of its arms are not of the same
 * requests. Each outcome counts with 1 by its propensity: then an arm is what it would have been with all of the requests.
 */
import type { ExperimentDefinition } from './definition.ts';
import type { MetricSample } from './metric-sample.ts';
import { COUNT, valueOf } from './unit-table.ts';

export interface WeightedArm {
  /** Inverse propensity score: the sum of w y by the number of values of all arms. Right on average, with a large spread. */
  readonly ips: number | undefined;
  /** Self-normalized: the sum of w y by the sum of w. It is the mean that is reported. */
  readonly snips: number | undefined;
  /** (sum of w)^2 by the sum of w^2, over units: how many units without weights say as much. */
  readonly effectiveUnits: number;
}

/** @returns by arm; nothing if it is no bandit */
export function weightedArms(
  definition: ExperimentDefinition,
  metric: number,
  sample: MetricSample,
): WeightedArm[] {
  if (definition.kind !== 'bandit') return [];
  const isOfEvents = definition.metrics[metric]?.source.kind === 'events';
  const sums = definition.arms.map(() => ({ y: 0, w: 0, squares: 0 }));
  let choices = 0;
  sample.visit((unit, w, y) => {
    const sum = sums[unit.arm];
    if (sum === undefined) return;
    sum.y += y;
    sum.w += w;
    sum.squares += w * w;
    choices += isOfEvents ? 1 : valueOf(unit, metric, COUNT);
  });
  // A ratio of two metrics has no choices that one could count: they cancel out.
  const isRatio = definition.metrics[metric]?.source.kind === 'ratio';
  return sums.map(({ y, w, squares }) => ({
    ips: isRatio || choices === 0 ? undefined : y / choices,
    snips: w === 0 ? undefined : y / w,
    effectiveUnits: squares === 0 ? 0 : (w * w) / squares,
  }));
}
