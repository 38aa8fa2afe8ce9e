/** Medians and ratios of the rounds. */
import { median } from '../../bench/median.ts';
import type { P99, Reading } from './measure.ts';

export interface Case {
  /** `HTTP, 1 row: Fastify`. */
  readonly name: string;
  /** One a round. */
  readonly readings: readonly Reading[];
}

/** What is compared with what, by the names of cases. */
export interface Ratio {
  readonly of: string;
  readonly to: string;
  /** What it is to reach at least. */
  readonly target?: number;
}

export interface Finding {
  readonly what: string;
  readonly median: number;
  readonly least: number;
  readonly greatest: number;
  /** `>= 3`, `<= 1.5` or nothing. */
  readonly target: string;
  /** Why it says nothing about the target. */
  readonly doubt?: string;
}

/** Of a core. With more the load generator is the limit, and the servers look alike. */
const LOAD_SHARE_MAX = 0.95;

export interface P99Round {
  readonly bare: P99;
  readonly millrace: P99;
  readonly rate: number;
}

/** A ratio is taken within each round, so that what slows the machine down for a while slows down both sides. */
export function summarize(
  cases: readonly Case[],
  ratios: readonly Ratio[],
  p99s: readonly P99Round[],
): Finding[] {
  const ratesOf = (name: string): number[] =>
    cases.find((found) => found.name === name)?.readings.map(({ perSecond }) => perSecond) ?? [];
  const isLoadBound = (name: string): boolean =>
    median(cases.find((found) => found.name === name)?.readings.map(({ loadShare }) => loadShare) ?? []) >
    LOAD_SHARE_MAX;
  const findings = ratios.flatMap(({ of, to, target }) => {
    const others = ratesOf(to);
    if (others.length === 0) return [];
    const values = ratesOf(of).map((rate, round) => rate / (others[round] as number));
    const found = findingOf(`${of} / ${to}`, values, target === undefined ? '' : `>= ${target}`);
    return [isLoadBound(of) || isLoadBound(to) ? { ...found, doubt: 'the load is the limit' } : found];
  });
  const isLate = p99s.filter(({ bare, millrace }) => bare.warnings.length + millrace.warnings.length > 0);
  const rate = Math.round(median(p99s.map((found) => found.rate))).toLocaleString('en');
  const us = (server: 'bare' | 'millrace', figure: 'us' | 'lagUs'): number =>
    median(p99s.map((found) => found[server][figure]));
  const told = (server: 'bare' | 'millrace'): string =>
    `${us(server, 'us')} us (load late by ${us(server, 'lagUs')} us)`;
  const latency = findingOf(
    `p99 at half of saturation (${rate} a second): Millrace ${told('millrace')} / bare ${told('bare')}`,
    p99s.map((found) => found.millrace.us / found.bare.us),
    '<= 1.5',
  );
  const isDoubtful = isLate.length > p99s.length / 2;
  return [...findings, isDoubtful ? { ...latency, doubt: 'the load was late' } : latency];
}

function findingOf(what: string, values: readonly number[], target: string): Finding {
  return {
    what,
    median: median(values),
    least: Math.min(...values),
    greatest: Math.max(...values),
    target,
  };
}

export function summarizeRates(cases: readonly Case[]): {
  readonly medians: readonly { readonly name: string; readonly perSecond: number }[];
  readonly cells: readonly (readonly string[])[];
} {
  const medianOf = ({ readings }: Case, pick: (reading: Reading) => number | undefined): number =>
    median(readings.map((reading) => pick(reading) ?? NaN));
  return {
    medians: cases.map((found) => ({
      name: found.name,
      perSecond: medianOf(found, ({ perSecond }) => perSecond),
    })),
    cells: cases
      .toSorted((a, b) => (a.name < b.name ? -1 : 1))
      .map((found) => [
        found.name,
        Math.round(medianOf(found, ({ perSecond }) => perSecond)).toLocaleString('en'),
        medianOf(found, ({ serverUs }) => serverUs).toFixed(1),
        percent(medianOf(found, ({ serverShare }) => serverShare)),
        percent(medianOf(found, ({ loadShare }) => loadShare)),
      ]),
  };
}

function percent(share: number): string {
  return Number.isNaN(share) ? '' : `${Math.round(share * 100)} %`;
}

export function ratioCells(findings: readonly Finding[]): string[][] {
  return findings.map(({ what, median: middle, least, greatest, target, doubt }) => [
    what,
    middle.toFixed(2),
    least === greatest ? '' : `${least.toFixed(2)} to ${greatest.toFixed(2)}`,
    target,
    target === '' ? '' : (doubt ?? (isReached(middle, target) ? 'yes' : 'no')),
  ]);
}

function isReached(value: number, target: string): boolean {
  const bound = Number(target.slice(3));
  return target.startsWith('<=') ? value <= bound : value >= bound;
}
