/** The report on populations whose effects are known, against what is computed from the population itself. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ExperimentReport, MetricReport } from '../../src/experiments/report.ts';
import type { Metric } from '../../src/project/rollout.ts';
import { benjaminiHochberg } from '../../src/stats/adjusted-p-values.ts';
import { bestBetaArm, betaPosterior } from '../../src/stats/beta-posterior.ts';
import { compareProportions } from '../../src/stats/compare-proportions.ts';
import { confidenceSequence } from '../../src/stats/confidence-sequence.ts';
import { differenceEstimate } from '../../src/stats/estimate.ts';
import { welchTest } from '../../src/stats/contrast.ts';
import { relativeDifference } from '../../src/stats/relative-difference.ts';
import { sampleRatioEvidence, sampleRatioTest } from '../../src/stats/sample-ratio-test.ts';
import { seededRandom } from '../../src/stats/seeded-random.ts';
import { summaryOfMoments } from '../../src/stats/summary.ts';
import { definitionWith, labelMetric, readWritten } from './read-written.ts';
import { createLogWriter, DAY_MS, FIRST_MS } from './written-logs.ts';
import type { LogWriter } from './written-logs.ts';
import { momentsOf } from '../stats/moments-of.ts';

let writer: LogWriter;
beforeEach(() => {
  writer = createLogWriter();
});
afterEach(() => writer.remove());

interface Person {
  readonly unit: string;
  readonly variant: string;
  readonly timeMs: number;
}

/** Units that come in one after the other, for ten days, half of them in each of two arms. */
function population(count: number, random: () => number, shareOfA = 0.5): Person[] {
  return Array.from({ length: count }, (_, i) => ({
    unit: `u-${i}`,
    variant: random() < shareOfA ? 'a' : 'b',
    timeMs: FIRST_MS + Math.floor((i / count) * 10 * DAY_MS),
  }));
}

function metricOf({ metrics }: ExperimentReport, name: string): MetricReport {
  const found = metrics.find((metric) => metric.name === name);
  if (found === undefined) throw new Error(`no metric ${name}`);
  return found;
}

async function writeConversions(
  people: readonly Person[],
  random: () => number,
): Promise<Map<string, number[]>> {
  const outcomes = new Map<string, number[]>([
    ['a', []],
    ['b', []],
  ]);
  for (const person of people) {
    const isConverted = random() < (person.variant === 'a' ? 0.2 : 0.3);
    outcomes.get(person.variant)?.push(isConverted ? 1 : 0);
    writer.expose(person);
    writer.predict({ ...person, requestId: `r-${person.unit}`, feedback: [{ label: isConverted }] });
  }
  await writer.write();
  return outcomes;
}

describe('a share', () => {
  it('is compared as what the population has, by all the ways that the report names', async () => {
    const random = seededRandom(7);
    const people = population(1500, random);
    const outcomes = await writeConversions(people, random);
    const report = await readWritten(writer.path, definitionWith());
    const [a, b] = ['a', 'b'].map((variant): Counted => {
      const values = outcomes.get(variant) ?? [];
      return { n: values.length, successes: values.reduce((sum, value) => sum + value, 0), values };
    }) as [Counted, Counted];
    const metric = metricOf(report, 'conversion');
    expect(metric.form).toBe('proportion');
    expect(metric.arms.map(({ units, mean }) => [units, mean])).toEqual([
      [a.n, expect.closeTo(a.successes / a.n, 12)],
      [b.n, expect.closeTo(b.successes / b.n, 12)],
    ]);
    const [contrast] = metric.contrasts;
    const { lower, upper, p, difference } = compareProportions(a, b, 0.05);
    expect(contrast?.difference).toBeCloseTo(difference, 12);
    expect(contrast?.fixed).toMatchObject({
      lower: expect.closeTo(lower, 12),
      upper: expect.closeTo(upper, 12),
      p: expect.closeTo(p, 12),
    });
    const [ofA, ofB] = [a, b].map(({ values }) => summaryOfMoments(momentsOf(values))) as [Sum, Sum];
    const always = confidenceSequence(differenceEstimate(ofA, ofB), { alpha: 0.05, optimalN: 5000 });
    expect(contrast?.alwaysValid).toMatchObject({
      lower: expect.closeTo(always.lower, 12),
      upper: expect.closeTo(always.upper, 12),
      p: expect.closeTo(always.p, 12),
      correctedP: expect.closeTo(always.p, 12),
      corrected: { lower: expect.closeTo(always.lower, 12), upper: expect.closeTo(always.upper, 12) },
    });
    expect(contrast?.relative?.difference).toBeCloseTo(relativeDifference(ofA, ofB, 0.05).difference, 12);
    const best = bestBetaArm([betaPosterior(a), betaPosterior(b)]);
    expect(metric.arms.map(({ chanceBest }) => chanceBest)).toEqual(best.chances);
    expect(metric.arms.map(({ expectedLoss }) => expectedLoss)).toEqual(best.losses);
    expect(contrast?.conclusion).toBe('better');
  });

  it('comes to its end in the last point of the running interval', async () => {
    const random = seededRandom(8);
    await writeConversions(population(600, random), random);
    const report = await readWritten(writer.path, definitionWith());
    const metric = metricOf(report, 'conversion');
    const [contrast] = metric.contrasts;
    const [running = []] = metric.running;
    expect(running.length).toBeGreaterThan(50);
    expect(running.at(-1)).toMatchObject({
      difference: expect.closeTo(contrast?.difference ?? 0, 12),
      lower: expect.closeTo(contrast?.alwaysValid.lower ?? 0, 12),
      upper: expect.closeTo(contrast?.alwaysValid.upper ?? 0, 12),
    });
    const widths = running.map(({ lower, upper }) => upper - lower);
    expect(widths.at(-1)).toBeLessThan(widths[5] ?? 0);
    expect(report.running.at(-1)?.units).toEqual(report.arms.map(({ units }) => units));
  });
});

type Sum = ReturnType<typeof summaryOfMoments>;
interface Counted {
  readonly n: number;
  readonly successes: number;
  readonly values: readonly number[];
}

describe('a mean over predictions', () => {
  it('counts a unit once, however many predictions it has', async () => {
    const random = seededRandom(3);
    const people = population(400, random);
    const byArm = new Map<string, { x: number; y: number }[]>([
      ['a', []],
      ['b', []],
    ]);
    for (const person of people) {
      writer.expose(person);
      const count = 1 + Math.floor(random() * 4);
      const level = random() + (person.variant === 'b' ? 0.3 : 0);
      let sum = 0;
      for (let i = 0; i < count; i++) {
        const reward = level + random() / 10;
        sum += reward;
        const requestId = `r-${person.unit}-${i}`;
        writer.predict({ ...person, requestId, timeMs: person.timeMs + i, feedback: [{ reward }] });
      }
      byArm.get(person.variant)?.push({ x: count, y: sum });
    }
    await writer.write();
    const metrics: Metric[] = [
      { ...labelMetric, name: 'worth', source: { kind: 'feedback', field: 'reward' } },
    ];
    const metric = metricOf(await readWritten(writer.path, definitionWith({ metrics })), 'worth');
    expect(metric.form).toBe('ratio');
    // The delta method by its definition: the variance of (y - R x) / mean x over units.
    const sums = ['a', 'b'].map((variant): Sum => {
      const units = byArm.get(variant) ?? [];
      const total = (key: 'x' | 'y'): number => units.reduce((all, unit) => all + unit[key], 0);
      const ratio = total('y') / total('x');
      const meanX = total('x') / units.length;
      const linear = units.map(({ x, y }) => ratio + (y - ratio * x) / meanX);
      return summaryOfMoments(momentsOf(linear));
    }) as [Sum, Sum];
    const { difference, lower, upper, p } = welchTest(...sums, 0.05);
    expect(metric.arms.map(({ mean }) => mean)).toEqual(sums.map(({ mean }) => expect.closeTo(mean, 10)));
    expect(metric.contrasts[0]).toMatchObject({
      difference: expect.closeTo(difference, 10),
      fixed: { lower: expect.closeTo(lower, 10), upper: expect.closeTo(upper, 10), p: expect.closeTo(p, 10) },
    });
  });

  it('takes the latest that was told of a row, and leaves out what is no number', async () => {
    const person = { unit: 'u', variant: 'a', timeMs: FIRST_MS };
    writer.expose(person);
    writer.predict({ ...person, requestId: 'r', outputs: [0.1, 0.9] });
    for (const feedback of [
      { row: 0, reward: 5 },
      { row: 0, reward: 7 },
      { row: 1, reward: 3 },
    ])
      writer.tell('r', feedback);
    writer.predict({
      ...person,
      requestId: 's',
      feedback: [{ label: 'late' }, { row: 0, reward: 1 }, { reward: 2 }],
    });
    await writer.write();
    const reward: Metric = { ...labelMetric, name: 'reward', source: { kind: 'feedback', field: 'reward' } };
    const report = await readWritten(writer.path, definitionWith({ metrics: [reward, labelMetric] }));
    expect(report.outcomes).toMatchObject({ predictions: 2, withOutcome: 2, unusable: 1 });
    // 7 and 3 of the rows, 2 of the request of one row: one unit, which says nothing of how units vary.
    expect(metricOf(report, 'reward').arms[0]).toMatchObject({ units: 1, mean: undefined });
  });

  it('scores predictions by what came of them', async () => {
    const random = seededRandom(11);
    const squares: number[] = [];
    const logs: number[] = [];
    for (const person of population(200, random)) {
      writer.expose(person);
      const chance = random();
      const label = random() < chance;
      if (person.variant === 'a') {
        squares.push((chance - Number(label)) ** 2);
        logs.push(-Math.log(label ? chance : 1 - chance));
      }
      const feedback = [{ label, reward: 2 }];
      writer.predict({ ...person, requestId: person.unit, outputs: [chance], feedback });
    }
    await writer.write();
    const score = (name: 'brier' | 'log_loss' | 'absolute_error', field: 'label' | 'reward'): Metric => ({
      name,
      source: { kind: 'score', score: name, output: 'y', field },
      goal: 'decrease',
      preMs: undefined,
    });
    const metrics = [score('brier', 'label'), score('log_loss', 'label'), score('absolute_error', 'reward')];
    const report = await readWritten(writer.path, definitionWith({ metrics }));
    expect(metricOf(report, 'brier').arms[0]?.mean).toBeCloseTo(momentsOf(squares).mean, 12);
    expect(metricOf(report, 'log_loss').arms[0]?.mean).toBeCloseTo(momentsOf(logs).mean, 12);
    expect(metricOf(report, 'absolute_error').arms[0]?.mean).toBeGreaterThan(1);
  });
});

describe('several metrics and arms', () => {
  it('have p values that are corrected together', async () => {
    const random = seededRandom(5);
    const variants = ['a', 'b', 'c'];
    for (let i = 0; i < 1500; i++) {
      const variant = variants[Math.floor(random() * 3)] ?? 'a';
      const person = { unit: `u-${i}`, variant, timeMs: FIRST_MS + i * 1000, propensity: 1 / 3 };
      writer.expose(person);
      const feedback = [{ label: random() < (variant === 'c' ? 0.4 : 0.2), reward: random() }];
      writer.predict({ ...person, requestId: person.unit, feedback });
    }
    await writer.write();
    const definition = definitionWith({
      arms: variants.map((variant) => ({ variant, share: 1 / 3 })),
      metrics: [
        labelMetric,
        { ...labelMetric, name: 'worth', source: { kind: 'feedback', field: 'reward' } },
      ],
    });
    const report = await readWritten(writer.path, definition);
    const contrasts = report.metrics.flatMap((metric) => metric.contrasts);
    expect(contrasts.map(({ arm }) => arm)).toEqual([1, 2, 1, 2]);
    expect(contrasts.map(({ fixed }) => fixed.correctedP)).toEqual(
      benjaminiHochberg(contrasts.map(({ fixed }) => fixed.p)),
    );
    expect(contrasts.map(({ alwaysValid }) => alwaysValid.correctedP)).toEqual(
      benjaminiHochberg(contrasts.map(({ alwaysValid }) => alwaysValid.p)),
    );
    expect(contrasts.map(({ conclusion }) => conclusion)).toEqual([
      'no_difference_yet',
      'better',
      'no_difference_yet',
      'no_difference_yet',
    ]);
    for (const { conclusion, alwaysValid } of contrasts) {
      const { lower, upper } = alwaysValid.corrected;
      expect(lower > 0 || upper < 0).toBe(conclusion !== 'no_difference_yet');
      expect(upper - lower).toBeGreaterThan(alwaysValid.upper - alwaysValid.lower);
    }
  });
});

describe('the split', () => {
  it('is what was asked for where the counts fit the shares of each version', async () => {
    const random = seededRandom(9);
    const [early, late] = [population(1000, random, 0.9), population(1000, random, 0.5)];
    const shares = { 1: { a: 0.9, b: 0.1 }, 2: { a: 0.5, b: 0.5 } } as const;
    for (const [i, person] of early.entries())
      writer.expose({
        ...person,
        unit: `e-${i}`,
        version: 1,
        propensity: shares[1][person.variant as 'a' | 'b'],
      });
    for (const person of late) writer.expose({ ...person, timeMs: person.timeMs + 20 * DAY_MS, version: 2 });
    await writer.write();
    const report = await readWritten(writer.path, definitionWith());
    expect(report.versions).toEqual([1, 2]);
    const { arms, p, sequentialP, isMismatch } = report.sampleRatio;
    expect(arms.map(({ expected }) => expected)).toEqual([expect.closeTo(1400, 6), expect.closeTo(600, 6)]);
    const counts = arms.map(({ units }) => units);
    expect(p).toBeCloseTo(sampleRatioTest(counts, [0.7, 0.3]).p, 9);
    // Each version by itself: their Bayes factors are multiplied.
    const countsOf = (people: readonly Person[]): number[] =>
      ['a', 'b'].map((arm) => people.filter(({ variant }) => variant === arm).length);
    const factors = [
      sampleRatioEvidence(countsOf(early), [0.9, 0.1]),
      sampleRatioEvidence(countsOf(late), [0.5, 0.5]),
    ];
    expect(sequentialP).toBeCloseTo(Math.min(1, Math.exp(-factors.reduce((sum, each) => sum + each))), 9);
    expect(isMismatch).toBe(false);
    const audited = definitionWith({
      sharesOf: (version) => [version === 1 ? { a: 9, b: 1 } : { a: 1, b: 1 }],
    });
    const again = await readWritten(writer.path, audited);
    expect(again.sampleRatio.arms.map(({ expected }) => Math.round(expected))).toEqual([1400, 600]);
  });

  it('may have other shares among new units than among all, where not all are covered', async () => {
    // From 90 : 10 to 50 : 50 at half of the units: who is new is mostly one of b.
    for (let i = 0; i < 3000; i++) {
      const version = i < 2000 ? 1 : 2;
      const isA = version === 1 ? i % 10 > 0 : i % 5 === 0;
      const propensity = version === 1 ? (isA ? 0.9 : 0.1) : 0.5;
      const person = { unit: `u-${i}`, variant: isA ? 'a' : 'b', timeMs: FIRST_MS + i * 1000 };
      writer.expose({ ...person, version, propensity });
    }
    await writer.write();
    expect((await readWritten(writer.path, definitionWith())).sampleRatio.isMismatch).toBe(true);
    const parts = [
      { a: 1, b: 0 },
      { a: 0, b: 1 },
    ];
    const known = definitionWith({ sharesOf: (version) => (version === 1 ? [{ a: 0.9, b: 0.1 }] : parts) });
    const { sampleRatio } = await readWritten(writer.path, known);
    expect(sampleRatio).toMatchObject({ isMismatch: false, sequentialP: 1 });
    expect(sampleRatio.arms.map(({ expected }) => expected)).toEqual([
      expect.closeTo(2000, 3),
      expect.closeTo(1000, 3),
    ]);
  });

  it('blocks nothing for a chi-square test that one look in a thousand would fail', async () => {
    // 3.4 standard deviations: who looks every day for weeks sees that in some sound experiments.
    for (let i = 0; i < 2000; i++)
      writer.expose({ unit: `u-${i}`, variant: i < 1076 ? 'a' : 'b', timeMs: FIRST_MS + i * 1000 });
    await writer.write();
    const { p, sequentialP, isMismatch } = (await readWritten(writer.path, definitionWith())).sampleRatio;
    expect(p).toBeLessThan(0.001);
    expect(sequentialP).toBeGreaterThan(0.001);
    expect(isMismatch).toBe(false);
  });

  it('sees a mismatch that is the same in each of several versions', async () => {
    // In each version 4 standard deviations.
    for (const version of [1, 2, 3])
      for (let i = 0; i < 1000; i++)
        writer.expose({
          unit: `${version}-${i}`,
          variant: i < 563 ? 'a' : 'b',
          timeMs: FIRST_MS + i,
          version,
        });
    await writer.write();
    const { sequentialP, isMismatch } = (await readWritten(writer.path, definitionWith())).sampleRatio;
    expect(isMismatch).toBe(true);
    const factor = sampleRatioEvidence([563, 437], [0.5, 0.5]);
    expect(sequentialP).toBeCloseTo(Math.exp(-3 * factor), 9);
  });

  it('blocks every conclusion where it is not, and tells where it differs most', async () => {
    const random = seededRandom(13);
    const people = population(2000, random);
    // For three days the variant b crashes, and three quarters of its units are never told of.
    const lost = people.filter(({ variant, timeMs }, i) => {
      const day = Math.floor((timeMs - FIRST_MS) / DAY_MS);
      return !(variant === 'b' && day >= 3 && day < 6 && i % 4 > 0);
    });
    await writeConversions(lost, random);
    const report = await readWritten(writer.path, definitionWith());
    expect(report.sampleRatio.isMismatch).toBe(true);
    expect(report.metrics[0]?.contrasts[0]?.conclusion).toBe('blocked');
    const worst = report.sampleRatio.splits.map(({ by, name }) => `${by} ${name}`);
    expect(worst.toSorted()).toEqual(['day 2026-03-12', 'day 2026-03-13', 'day 2026-03-14']);
    expect(report.sampleRatio.splits[0]?.p).toBeLessThan(1e-6);
  });
});
