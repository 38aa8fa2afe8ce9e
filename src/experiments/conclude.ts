/**
 * Conclusions of all metrics and arms together. Where many are compared, some differ by chance: so p values are corrected
 * by Benjamini and Hochberg, those of one look and those that are always valid each by themselves.
 *
 * What is concluded follows from the always valid ones. Their corrected interval has the error rate alpha R / m, where R of
 * the m comparisons are called a difference, and the same mixture: so it leaves out 0 where the corrected p is at most
 * alpha, and nowhere else.
 */
import { benjaminiHochberg } from '../stats/adjusted-p-values.ts';
import { confidenceSequence, sequenceRho } from '../stats/confidence-sequence.ts';
import type { Interval } from '../stats/interval.ts';
import type { Metric } from '../project/rollout.ts';
import { designOf } from './compare-arms.ts';
import type { AlwaysValidResult, ArmContrast, FixedResult } from './compare-arms.ts';

/**
 * blocked: the arms have other numbers of units than they should, so nothing follows. too_few_units: an always valid
 * interval needs a hundred units in each arm, and ten that have what is rare.
 */
export type Conclusion = 'better' | 'worse' | 'no_difference_yet' | 'too_few_units' | 'blocked';

export interface JudgedContrast extends Omit<ArmContrast, 'fixed' | 'alwaysValid'> {
  readonly fixed: FixedResult & { readonly correctedP: number };
  readonly alwaysValid: AlwaysValidResult & { readonly correctedP: number; readonly corrected: Interval };
  readonly conclusion: Conclusion;
}

export interface MetricContrasts {
  readonly goal: Metric['goal'];
  readonly contrasts: readonly ArmContrast[];
}

/** @returns as given, by metric */
export function conclude(
  metrics: readonly MetricContrasts[],
  alpha: number,
  isBlocked: boolean,
): JudgedContrast[][] {
  const all = metrics.flatMap(({ contrasts }) => contrasts);
  const fixed = benjaminiHochberg(all.map((each) => each.fixed.p));
  const always = benjaminiHochberg(all.map((each) => each.alwaysValid.p));
  const found = always.filter((p) => p <= alpha).length;
  const correctedAlpha = (alpha * Math.max(found, 1)) / Math.max(all.length, 1);
  let next = 0;
  return metrics.map(({ goal, contrasts }) =>
    contrasts.map((contrast): JudgedContrast => {
      const i = next++;
      const correctedP = always[i] as number;
      const corrected = sameMixture(contrast, alpha, correctedAlpha);
      return {
        ...contrast,
        fixed: { ...contrast.fixed, correctedP: fixed[i] as number },
        alwaysValid: { ...contrast.alwaysValid, correctedP, corrected },
        conclusion: isBlocked ? 'blocked' : conclusionOf(contrast, goal, correctedP <= alpha),
      };
    }),
  );
}

function conclusionOf(
  { difference, isEnough }: ArmContrast,
  goal: Metric['goal'],
  isFound: boolean,
): Conclusion {
  if (!isEnough) return 'too_few_units';
  if (!isFound) return 'no_difference_yet';
  return difference > 0 === (goal === 'increase') ? 'better' : 'worse';
}

/** With another alpha the design is for another number of units, so that the mixture, and with it p, stays. */
function sameMixture({ estimate }: ArmContrast, alpha: number, correctedAlpha: number): Interval {
  const design = designOf(alpha);
  const growth = sequenceRho({ alpha: correctedAlpha, optimalN: 1 }) / sequenceRho({ alpha, optimalN: 1 });
  const { lower, upper } = confidenceSequence(estimate, {
    alpha: correctedAlpha,
    optimalN: design.optimalN * growth * growth,
  });
  return { lower, upper };
}
