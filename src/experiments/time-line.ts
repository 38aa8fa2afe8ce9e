/**
 * How an experiment came to where it is, by the order in which its units came in: how many there were, and what the always
 * valid interval said of them, with all that is known of these units today.
 */
import { mergeBivariateMoments, noBivariateMoments } from '../stats/bivariate-moments.ts';
import type { BivariateMoments } from '../stats/bivariate-moments.ts';
import { confidenceSequence } from '../stats/confidence-sequence.ts';
import { differenceEstimate } from '../stats/estimate.ts';
import type { Interval } from '../stats/interval.ts';
import { designOf } from './compare-arms.ts';
import { comparedStrata, standardized, strataFrom } from './compared-strata.ts';
import { groupMoments } from './metric-sample.ts';
import type { MetricSample } from './metric-sample.ts';
import type { Strata } from './strata.ts';
import type { UnitTable } from './unit-table.ts';

const STRETCHES_MAX = 60;

/** Stretches of equal length, from the first exposure to the last. */
export interface TimeLine {
  readonly stretches: number;
  /** The end of a stretch. */
  readonly endMs: (stretch: number) => number;
  readonly stretchOf: (timeMs: number) => number;
}

export interface RunningUnits {
  readonly timeMs: number;
  /** By arm, up to this time. */
  readonly units: readonly number[];
}

export interface RunningInterval extends Interval {
  readonly timeMs: number;
  /** Of both arms together, up to this time. */
  readonly units: number;
  readonly difference: number;
}

export function createTimeLine(table: UnitTable): TimeLine {
  let fromMs = Infinity;
  let toMs = -Infinity;
  for (const unit of table.firsts()) {
    if (!table.isCounted(unit)) continue;
    fromMs = Math.min(fromMs, unit.firstMs);
    toMs = Math.max(toMs, unit.firstMs);
  }
  if (fromMs > toMs) return { stretches: 0, endMs: () => 0, stretchOf: () => 0 };
  const stretches = Math.min(STRETCHES_MAX, toMs - fromMs + 1);
  const lengthMs = (toMs - fromMs + 1) / stretches;
  return {
    stretches,
    endMs: (stretch) => (stretch === stretches - 1 ? toMs : Math.floor(fromMs + (stretch + 1) * lengthMs)),
    stretchOf: (timeMs) => Math.min(stretches - 1, Math.floor((timeMs - fromMs) / lengthMs)),
  };
}

export function runningUnits({ stretches, endMs, stretchOf }: TimeLine, table: UnitTable): RunningUnits[] {
  const added = Array.from({ length: stretches }, () => Array.from({ length: table.armCount }, () => 0));
  for (const unit of table.firsts()) {
    if (!table.isCounted(unit)) continue;
    const counts = added[stretchOf(unit.firstMs)] as number[];
    counts[unit.arm] = (counts[unit.arm] as number) + 1;
  }
  let sums = Array.from({ length: table.armCount }, () => 0);
  return added.map((counts, stretch) => {
    sums = sums.map((sum, arm) => sum + (counts[arm] as number));
    return { timeMs: endMs(stretch), units: sums };
  });
}

/** By treatment, in the order of the arms; nothing for stretches with too few units. */
export function runningIntervals(
  { stretches, endMs, stretchOf }: TimeLine,
  sample: MetricSample,
  { armCount, strata }: { readonly armCount: number; readonly strata: Strata },
  alpha: number,
): RunningInterval[][] {
  const cells = strata.count * armCount;
  const moments = groupMoments(sample, stretches * cells, (unit) =>
    unit.arm < armCount ? stretchOf(unit.firstMs) * cells + strata.of(unit) * armCount + unit.arm : -1,
  );
  const lines = Array.from({ length: armCount - 1 }, (): RunningInterval[] => []);
  let sums: BivariateMoments[] = Array.from({ length: cells }, () => noBivariateMoments);
  for (let stretch = 0; stretch < stretches; stretch++) {
    sums = sums.map((sum, cell) =>
      mergeBivariateMoments(sum, moments[stretch * cells + cell] as BivariateMoments),
    );
    const known = strataFrom(sample.form, sums, armCount);
    for (const [i, line] of lines.entries()) {
      const compared = comparedStrata(known, [0, i + 1]);
      if (compared.length === 0) continue;
      const of = differenceEstimate(standardized(compared, 0), standardized(compared, 1));
      const { estimate: difference, lower, upper } = confidenceSequence(of, designOf(alpha));
      if (Number.isFinite(lower))
        line.push({ timeMs: endMs(stretch), units: of.n, difference, lower, upper });
    }
  }
  return lines;
}
