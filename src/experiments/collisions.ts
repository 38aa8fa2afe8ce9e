/**
 * Other experiments that have the same units: whether the two assignments depend on each other, which they must not, and
 * whether the effect of the one differs with the variant of the other.
 *
 * Cost: memory for the name of each unit of each other experiment.
 */
import type { Exposure } from '../events/joined-predictions.ts';
import { benjaminiHochberg } from '../stats/adjusted-p-values.ts';
import { contingencyTest } from '../stats/contingency-test.ts';
import { interactionTest } from '../stats/contrast.ts';
import type { FourCells } from '../stats/contrast.ts';
import type { ExperimentDefinition } from './definition.ts';
import { groupMoments, summariesOf } from './metric-sample.ts';
import type { MetricSample } from './metric-sample.ts';
import type { ExposedUnit, ExposureFilter, UnitTable } from './unit-table.ts';

export interface Interaction {
  readonly metric: string;
  /** Position of the treatment among the arms. */
  readonly arm: number;
  /** Positions among the variants of the other experiment. */
  readonly otherBase: number;
  readonly otherVariant: number;
  /** How much larger the effect of the treatment is with this variant of the other experiment than with its base. */
  readonly difference: number;
  readonly lower: number;
  readonly upper: number;
  readonly p: number;
  /** By Benjamini and Hochberg, over all interactions with this experiment. */
  readonly correctedP: number;
}

export interface Collision {
  readonly other: string;
  /** Units that are in both. */
  readonly units: number;
  readonly otherVariants: readonly string[];
  /** By arm, and variant of the other experiment. */
  readonly table: readonly (readonly number[])[];
  readonly p: number;
  /** Strength of the dependence, 0 to 1. */
  readonly cramersV: number;
  readonly isDependent: boolean;
  readonly interactions: readonly Interaction[];
}

export interface OtherExposures {
  note(exposure: Exposure): void;
  collisions(
    table: UnitTable,
    samples: readonly { readonly name: string; readonly sample: MetricSample }[],
  ): Collision[];
}

/** @param against the only one that is looked at; undefined = all */
export function createOtherExposures(
  definition: ExperimentDefinition,
  others: readonly ExperimentDefinition[],
  against: string | undefined,
  filter: ExposureFilter,
): OtherExposures {
  const variantsOf = new Map<string, Map<string, string>>();

  const versionsOf = new Map(others.map(({ name, versions }) => [name, versions]));

  function note({ experiment, unit, variant, how, timeMs, policyVersion }: Exposure): void {
    if (how === 'forced' || how === 'holdout' || how === 'random' || timeMs >= filter.toMs) return;
    if (against !== undefined && experiment !== against) return;
    if (versionsOf.get(experiment)?.has(policyVersion) === false) return;
    const variants = variantsOf.get(experiment) ?? new Map<string, string>();
    variantsOf.set(experiment, variants);
    if (!variants.has(unit)) variants.set(unit, variant);
  }

  function collisions(table: UnitTable, samples: Parameters<OtherExposures['collisions']>[1]): Collision[] {
    return [...variantsOf].flatMap(([other, variants]) => {
      const arms = others.find(({ name }) => name === other)?.arms.map(({ variant }) => variant) ?? [];
      const names = [...new Set([...arms, ...[...new Set(variants.values())].toSorted()])];
      const variantOf = new Map<ExposedUnit, number>();
      for (const [name, unit] of table.entries()) {
        const variant = variants.get(name);
        if (variant !== undefined && table.isCounted(unit)) variantOf.set(unit, names.indexOf(variant));
      }
      return variantOf.size === 0 ? [] : [collisionOf({ definition, other, names, variantOf, samples })];
    });
  }

  return { note, collisions };
}

interface Crossing {
  readonly definition: ExperimentDefinition;
  readonly other: string;
  readonly names: readonly string[];
  readonly variantOf: ReadonlyMap<ExposedUnit, number>;
  readonly samples: readonly { readonly name: string; readonly sample: MetricSample }[];
}

function collisionOf(crossing: Crossing): Collision {
  const { definition, other, names, variantOf } = crossing;
  const table = definition.arms.map(() => names.map(() => 0));
  for (const [{ arm }, variant] of variantOf) {
    const row = table[arm] as number[];
    row[variant] = (row[variant] as number) + 1;
  }
  const { p, cramersV } = contingencyTest(table);
  return {
    other,
    units: variantOf.size,
    otherVariants: names,
    table,
    p,
    cramersV,
    isDependent: p < definition.alpha,
    interactions: interactionsOf(crossing),
  };
}

function interactionsOf({ definition, names, variantOf, samples }: Crossing): Interaction[] {
  const armCount = definition.arms.length;
  const found = samples.flatMap(({ name: metric, sample }) => {
    const moments = groupMoments(sample, armCount * names.length, (unit) => {
      const variant = variantOf.get(unit);
      return variant === undefined || unit.arm >= armCount ? -1 : unit.arm * names.length + variant;
    });
    const cells = summariesOf(sample.form, moments);
    const otherBase = names.findIndex((_, variant) => (moments[variant]?.n ?? 0) > 0);
    const pairs = Array.from({ length: armCount - 1 }, (_, i) =>
      names.flatMap((_name, variant) => (variant === otherBase ? [] : [{ arm: i + 1, variant }])),
    ).flat();
    return pairs.flatMap(({ arm, variant }) => {
      const four = {
        neither: cells[otherBase],
        onlyFirst: cells[arm * names.length + otherBase],
        onlySecond: cells[variant],
        both: cells[arm * names.length + variant],
      };
      if (!isComplete(four)) return [];
      const { difference, lower, upper, p } = interactionTest(four, definition.alpha);
      return [{ metric, arm, otherBase, otherVariant: variant, difference, lower, upper, p }];
    });
  });
  const corrected = benjaminiHochberg(found.map(({ p }) => p));
  return found.map((each, i) => ({ ...each, correctedP: corrected[i] as number }));
}

function isComplete(cells: {
  readonly [K in keyof FourCells]: FourCells[K] | undefined;
}): cells is FourCells {
  return Object.values(cells).every((cell) => cell !== undefined);
}
