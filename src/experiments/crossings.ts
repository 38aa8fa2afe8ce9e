/**
 * Units that were seen in another arm than their first. They stay in the first (intention to treat), so an effect is
 * diluted by their share: worth a warning where that is large, or where one arm has more of them than another.
 */
import { contingencyTest } from '../stats/contingency-test.ts';

const LARGE_SHARE = 0.02;
const UNEVEN_P = 0.001;

export interface Crossings {
  /** Of all units that are counted. */
  readonly share: number;
  readonly isLarge: boolean;
  /** Whether the arms have the same share of them, for one look. */
  readonly p: number;
  readonly isUneven: boolean;
}

export function crossingsOf(
  arms: readonly { readonly units: number; readonly crossed: number }[],
): Crossings {
  const units = arms.reduce((sum, arm) => sum + arm.units, 0);
  const crossed = arms.reduce((sum, arm) => sum + arm.crossed, 0);
  const share = units === 0 ? 0 : crossed / units;
  const { p } = contingencyTest(arms.map((arm) => [arm.crossed, arm.units - arm.crossed]));
  return { share, isLarge: share > LARGE_SHARE, p, isUneven: p < UNEVEN_P };
}
