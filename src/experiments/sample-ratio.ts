/**
 * Sample ratio mismatch: whether the arms have as many units as their shares promise. Each unit counts once, in the arm
 * and under the version of its first exposure, if it was drawn there. What is expected of a version is its units by the
 * shares that new units have (new-unit-shares.ts); what is expected of all is the sum.
 *
 * Whoever looks at a chi-square test each day sees a mismatch in one of a hundred sound experiments. So what blocks
 * conclusions is the sequential test alone, which holds however often one looks.
 */
import { sampleRatioEvidence, sampleRatioTest } from '../stats/sample-ratio-test.ts';
import type { ExperimentDefinition } from './definition.ts';
import { likeliestMixture } from './likeliest-mixture.ts';
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
  /** Chi-square, for one look; blocks nothing. */
  readonly p: number;
  /** Holds however often one looks. A mismatch follows from it alone. */
  readonly sequentialP: number;
  readonly isMismatch: boolean;
  /** Versions, and days, that differ most. */
  readonly splits: readonly RatioSplit[];
}

interface Tally {
  readonly counts: readonly number[];
  readonly expected: readonly number[];
}

export function sampleRatio(definition: ExperimentDefinition, table: UnitTable): SampleRatio {
  const byVersion = new Map<string, Tally>();
  const byDay = new Map<string, Tally>();
  for (const [version, days] of countUnits(table)) {
    const counts = [...days.values()].reduce(added);
    const parts = sharesOf(definition, version, table.recordedShares(version));
    const shares = likeliestMixture(parts, counts);
    byVersion.set(String(version), tallyOf(counts, shares));
    for (const [day, ofDay] of days) byDay.set(day, mergeTallies(byDay.get(day), tallyOf(ofDay, shares)));
  }
  const none = Array.from({ length: table.armCount }, () => 0);
  const all = [...byVersion.values()].reduce(mergeTallies, { counts: none, expected: none });
  const sequentialP = sequentialPOf([...byVersion.values()]);
  const splits = [...splitsOf('version', byVersion), ...splitsOf('day', byDay)];
  return {
    arms: armsOf(all),
    p: chiSquareP(all),
    sequentialP,
    isMismatch: sequentialP < MISMATCH_P,
    splits,
  };
}

/** By version, day and arm. */
function countUnits(table: UnitTable): Map<number, Map<string, number[]>> {
  const { armCount } = table;
  const byVersion = new Map<number, Map<string, number[]>>();
  for (const unit of table.firsts()) {
    const { version, firstMs, arm, how } = unit;
    if (!isDrawn(how) || arm < 0 || arm >= armCount || table.isLeftOutBot(unit)) continue;
    const day = new Date(Math.floor(firstMs / DAY_MS) * DAY_MS).toISOString().slice(0, 10);
    const days = byVersion.get(version) ?? new Map<string, number[]>();
    byVersion.set(version, days);
    const counts = days.get(day) ?? Array.from({ length: armCount }, () => 0);
    days.set(day, counts);
    counts[arm] = (counts[arm] as number) + 1;
  }
  return byVersion;
}

function tallyOf(counts: readonly number[], shares: readonly number[]): Tally {
  const total = sum(counts);
  return { counts, expected: shares.map((share) => total * share) };
}

function mergeTallies(first: Tally | undefined, second: Tally): Tally {
  if (first === undefined) return second;
  return { counts: added(first.counts, second.counts), expected: added(first.expected, second.expected) };
}

function added(first: readonly number[], second: readonly number[]): number[] {
  return first.map((value, i) => value + (second[i] as number));
}

/** By arm, together 1: those of new units are a mixture of these. */
function sharesOf(
  { arms, sharesOf: known }: ExperimentDefinition,
  version: number,
  recorded: readonly RecordedShare[],
): number[][] {
  const given = known?.(version) ?? [];
  if (given.length > 0)
    return given.map((shares) => normalized(arms.map(({ variant }) => shares[variant] ?? 0)));
  const seen = arms.map((_, i) => {
    const { exposures, propensity } = recorded[i] ?? { exposures: 0, propensity: 0 };
    return exposures === 0 ? undefined : propensity / exposures;
  });
  // An arm that nobody was given has what the others leave, in proportion to its share now.
  const left = Math.max(0, 1 - sum(seen.map((share) => share ?? 0)));
  const unseen = sum(arms.map(({ share }, i) => (seen[i] === undefined ? share : 0)));
  return [normalized(arms.map(({ share }, i) => seen[i] ?? (unseen > 0 ? (left * share) / unseen : 0)))];
}

function normalized(shares: readonly number[]): number[] {
  const total = sum(shares);
  return shares.map((share) => (total > 0 ? share / total : 1 / shares.length));
}

/** Arms of which nothing is expected are no part of a test, unless they have units: that cannot be. */
function testedOf({
  counts,
  expected,
}: Tally): 'impossible' | { counts: number[]; weights: number[] } | undefined {
  if (counts.some((count, i) => count > 0 && expected[i] === 0)) return 'impossible';
  const tested = counts.map((_, i) => i).filter((i) => (expected[i] as number) > 0);
  if (tested.length < 2) return undefined;
  const of = tested.map((i) => counts[i] as number);
  return { counts: of, weights: normalized(tested.map((i) => expected[i] as number)) };
}

function chiSquareP(tally: Tally): number {
  const tested = testedOf(tally);
  if (tested === 'impossible') return 0;
  return tested === undefined ? 1 : sampleRatioTest(tested.counts, tested.weights).p;
}

/** Each version has a martingale of its own that starts at 1; so has their product, the sum of logarithms. */
function sequentialPOf(versions: readonly Tally[]): number {
  let logBayesFactor = 0;
  for (const tally of versions) {
    const tested = testedOf(tally);
    if (tested === 'impossible') return 0;
    if (tested !== undefined) logBayesFactor += sampleRatioEvidence(tested.counts, tested.weights);
  }
  return Math.min(1, Math.exp(-logBayesFactor));
}

function splitsOf(by: RatioSplit['by'], tallies: ReadonlyMap<string, Tally>): RatioSplit[] {
  if (tallies.size < 2) return [];
  return [...tallies]
    .map(([name, tally]) => ({ by, name, arms: armsOf(tally), p: chiSquareP(tally) }))
    .toSorted((a, b) => a.p - b.p)
    .slice(0, SPLITS_MAX);
}

function armsOf({ counts, expected }: Tally): ArmCount[] {
  return counts.map((units, i) => ({ units, expected: expected[i] as number }));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
