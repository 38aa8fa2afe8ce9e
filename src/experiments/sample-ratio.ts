/**
 * Sample ratio mismatch: whether the arms have as many units as their shares promise. Each unit counts once, in the arm
 * and under the version of its first exposure, if it was drawn there. What is expected of a version is its units by the
 * shares that were in force; what is expected of all is the sum.
 */
import { sampleRatioTest, sequentialSampleRatio } from '../stats/sample-ratio-test.ts';
import type { ExperimentDefinition } from './definition.ts';
import type { RecordedShare } from './recorded-shares.ts';
import { isDrawn } from './unit-table.ts';
import type { UnitTable } from './unit-table.ts';

/** A mismatch, rather than chance, below it. */
export const MISMATCH_P = 0.001;
const DAY_MS = 86_400_000;
const SPLITS_MAX = 3;

export interface ArmCount {
  readonly units: number;
  readonly expected: number;
}

/** A part of the units in which the arms differ from what is expected. */
export interface RatioSplit {
  readonly by: 'version' | 'day';
  /** `4`, or `2026-03-09` in UTC. */
  readonly name: string;
  readonly arms: readonly ArmCount[];
  readonly p: number;
}

export interface SampleRatio {
  readonly arms: readonly ArmCount[];
  /** Chi-square, for one look. */
  readonly p: number;
  /** Holds however often one looks. */
  readonly sequentialP: number;
  readonly isMismatch: boolean;
  /** Versions, and days, that differ most. */
  readonly splits: readonly RatioSplit[];
}

interface Tally {
  readonly counts: number[];
  readonly expected: number[];
}

export function sampleRatio(definition: ExperimentDefinition, table: UnitTable): SampleRatio {
  const { all, byVersion, byDay } = countUnits(definition, table);
  const { p, sequentialP } = testOf(all);
  const isMismatch = Math.min(p, sequentialP) < MISMATCH_P;
  const splits = [...splitsOf('version', byVersion), ...splitsOf('day', byDay)];
  return { arms: armsOf(all), p, sequentialP, isMismatch, splits };
}

function countUnits(
  definition: ExperimentDefinition,
  table: UnitTable,
): { all: Tally; byVersion: Map<string, Tally>; byDay: Map<string, Tally> } {
  const { armCount } = table;
  const shares = new Map<number, readonly number[]>();
  const empty = (): Tally => ({
    counts: Array.from({ length: armCount }, () => 0),
    expected: Array.from({ length: armCount }, () => 0),
  });
  const all = empty();
  const byVersion = new Map<string, Tally>();
  const byDay = new Map<string, Tally>();
  const tallyOf = (tallies: Map<string, Tally>, name: string): Tally => {
    const tally = tallies.get(name) ?? empty();
    tallies.set(name, tally);
    return tally;
  };
  for (const unit of table.firsts()) {
    if (!isDrawn(unit.how) || unit.arm < 0 || unit.arm >= armCount || table.isLeftOutBot(unit)) continue;
    const { version, firstMs, arm } = unit;
    const own = shares.get(version) ?? sharesOf(definition, version, table.recordedShares(version));
    shares.set(version, own);
    const day = new Date(Math.floor(firstMs / DAY_MS) * DAY_MS).toISOString().slice(0, 10);
    for (const { counts, expected } of [all, tallyOf(byVersion, String(version)), tallyOf(byDay, day)]) {
      counts[arm] = (counts[arm] as number) + 1;
      for (const [i, share] of own.entries()) expected[i] = (expected[i] as number) + share;
    }
  }
  return { all, byVersion, byDay };
}

/** By arm, together 1. */
function sharesOf(
  { arms, sharesOf: known }: ExperimentDefinition,
  version: number,
  recorded: readonly RecordedShare[],
): number[] {
  const given = known?.(version);
  if (given !== undefined) return normalized(arms.map(({ variant }) => given[variant] ?? 0));
  const seen = arms.map((_, i) => {
    const { exposures, propensity } = recorded[i] ?? { exposures: 0, propensity: 0 };
    return exposures === 0 ? undefined : propensity / exposures;
  });
  // An arm that nobody was given has what the others leave, in proportion to its share now.
  const left = Math.max(0, 1 - sum(seen.map((share) => share ?? 0)));
  const unseen = sum(arms.map(({ share }, i) => (seen[i] === undefined ? share : 0)));
  return normalized(arms.map(({ share }, i) => seen[i] ?? (unseen > 0 ? (left * share) / unseen : 0)));
}

function normalized(shares: readonly number[]): number[] {
  const total = sum(shares);
  return shares.map((share) => (total > 0 ? share / total : 1 / shares.length));
}

/** Arms of which nothing is expected are no part of the test, unless they have units: that cannot be. */
function testOf({ counts, expected }: Tally): { p: number; sequentialP: number } {
  if (counts.some((count, i) => count > 0 && expected[i] === 0)) return { p: 0, sequentialP: 0 };
  const tested = counts.map((_, i) => i).filter((i) => (expected[i] as number) > 0);
  if (tested.length < 2) return { p: 1, sequentialP: 1 };
  const of = tested.map((i) => counts[i] as number);
  const weights = normalized(tested.map((i) => expected[i] as number));
  return { p: sampleRatioTest(of, weights).p, sequentialP: sequentialSampleRatio(of, weights).p };
}

function splitsOf(by: RatioSplit['by'], tallies: ReadonlyMap<string, Tally>): RatioSplit[] {
  if (tallies.size < 2) return [];
  return [...tallies]
    .map(([name, tally]) => ({ by, name, arms: armsOf(tally), p: testOf(tally).p }))
    .toSorted((a, b) => a.p - b.p)
    .slice(0, SPLITS_MAX);
}

function armsOf({ counts, expected }: Tally): ArmCount[] {
  return counts.map((units, i) => ({ units, expected: expected[i] as number }));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
