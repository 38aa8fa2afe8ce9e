/**
 * Units by the version of the rollout under which they came in. Under another version the arms have other shares, and it
 * is another time with other people: arms that are pooled over versions differ by that alone (Simpson's paradox). So arms
 * are compared within each version, and what was found there is combined.
 *
 * A bandit is one stratum: its outcomes count with 1 by their propensity, which takes care of changing shares.
 */
import type { ExperimentDefinition } from './definition.ts';
import type { ExposedUnit, UnitTable } from './unit-table.ts';

export interface Strata {
  /** Ascending; of a bandit nothing is told apart. */
  readonly versions: readonly number[];
  readonly count: number;
  readonly of: (unit: ExposedUnit) => number;
}

export function strataOf({ kind }: Pick<ExperimentDefinition, 'kind'>, table: UnitTable): Strata {
  const found = new Set<number>();
  for (const unit of table.all()) if (table.isCounted(unit)) found.add(unit.version);
  const versions = [...found].toSorted((a, b) => a - b);
  if (kind === 'bandit') return { versions, count: 1, of: () => 0 };
  const indexes = new Map(versions.map((version, i) => [version, i]));
  return { versions, count: Math.max(versions.length, 1), of: ({ version }) => indexes.get(version) ?? -1 };
}
