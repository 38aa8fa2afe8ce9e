/** Arms whose shares change while people change as well: compared within each version, they are what they are. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ExperimentReport, MetricReport } from '../../src/experiments/report.ts';
import type { EventField, EventType } from '../../src/project/project.ts';
import type { Metric, MetricSource } from '../../src/project/rollout.ts';
import { seededRandom } from '../../src/stats/seeded-random.ts';
import { definitionWith, labelMetric, readWritten } from './read-written.ts';
import { createLogWriter, DAY_MS, FIRST_MS } from './written-logs.ts';
import type { LogWriter } from './written-logs.ts';

const field = (name: string, scalar: 'string' | 'float64', index: number): EventField => ({
  name,
  type: { scalar, length: undefined },
  index,
  optional: true,
});
const buyer = field('user', 'string', 0);
const price = field('price', 'float64', 1);
const purchase: EventType = { name: 'purchase', fields: [buyer, price], timeField: undefined };

let writer: LogWriter;
beforeEach(() => {
  writer = createLogWriter();
});
afterEach(() => writer.remove());

const revenue: MetricSource = {
  kind: 'events',
  event: purchase,
  unitField: buyer,
  aggregate: { sum: price },
};
const metrics: readonly Metric[] = [
  labelMetric,
  { ...labelMetric, name: 'reward', source: { kind: 'feedback', field: 'reward' } },
  { name: 'revenue', source: revenue, goal: 'increase', preMs: undefined },
  { name: 'adjusted', source: revenue, goal: 'increase', preMs: DAY_MS },
  { ...labelMetric, name: 'rate', source: { kind: 'ratio', numerator: 'revenue', denominator: 'reward' } },
];

interface Day {
  readonly shareOfB: number;
  readonly base: number;
  readonly units: number;
}

/** @param effect of b, on every metric */
async function readDays(days: readonly Day[], effect: number): Promise<ExperimentReport> {
  const random = seededRandom(77);
  for (const [day, { shareOfB, base, units }] of days.entries()) {
    for (let i = 0; i < units; i++) {
      const variant = random() < shareOfB ? 'b' : 'a';
      const unit = `u-${day}-${i}`;
      const timeMs = FIRST_MS + day * DAY_MS + i * 1000;
      const propensity = variant === 'b' ? shareOfB : 1 - shareOfB;
      const person = { unit, variant, timeMs, version: day + 1, propensity };
      const level = base + (variant === 'b' ? effect : 0);
      writer.expose(person);
      const count = 1 + (i % 2);
      for (let n = 0; n < count; n++) {
        const feedback = [{ label: random() < level, reward: level + random() }];
        writer.predict({ ...person, requestId: `r-${unit}-${n}`, feedback });
      }
      const taste = random();
      writer.event(purchase, [unit, 10 * (level + taste)], timeMs + 1);
      writer.event(purchase, [unit, 10 * (base + taste) + 3 * random()], timeMs - 1000);
    }
  }
  await writer.write([purchase]);
  return readWritten(writer.path, definitionWith({ metrics }), { eventTypes: [purchase] });
}

const changing: readonly Day[] = [
  { shareOfB: 0.05, base: 0.2, units: 2000 },
  { shareOfB: 0.5, base: 0.4, units: 2000 },
];

function numbersOf({ name, contrasts }: MetricReport): [string, number, string | undefined] {
  return [name, contrasts[0]?.alwaysValid.p ?? 0, contrasts[0]?.conclusion];
}

describe('arms that are the same, with other shares on a day of other people', () => {
  it('do not differ, in any form of a metric, and at no time', async () => {
    const report = await readDays(changing, 0);
    expect(report.isStratified).toBe(true);
    expect(report.metrics.map(({ form }) => form)).toEqual(['ratio', 'ratio', 'mean', 'adjusted', 'ratio']);
    for (const metric of report.metrics) {
      expect(numbersOf(metric)).toEqual([metric.name, expect.any(Number), 'no_difference_yet']);
      expect(metric.contrasts[0]?.fixed.p).toBeGreaterThan(0.01);
      expect(metric.arms[1]?.chanceBest).toBeLessThan(0.995);
      for (const { lower, upper } of metric.running[0] ?? [])
        expect([Math.sign(lower), Math.sign(upper)]).toEqual([-1, 1]);
      const [control, treatment] = metric.arms;
      const difference = (treatment?.mean ?? 0) - (control?.mean ?? 0);
      expect(metric.contrasts[0]?.difference).toBeCloseTo(difference, 9);
    }
  }, 60_000);

  it('differ by what they differ, and the last running interval is that of the report', async () => {
    const { metrics: read } = await readDays(changing, 0.1);
    // The rate is of two metrics that both rise.
    for (const { name, contrasts, running } of read.filter((metric) => metric.name !== 'rate')) {
      const [contrast] = contrasts;
      expect([name, contrast?.conclusion]).toEqual([name, 'better']);
      const { lower, upper } = contrast?.alwaysValid ?? {};
      expect(running[0]?.at(-1)).toMatchObject({
        lower: expect.closeTo(lower ?? 0, 9),
        upper: expect.closeTo(upper ?? 0, 9),
      });
    }
    const revenueMetric = read.find(({ name }) => name === 'revenue');
    expect(revenueMetric?.contrasts[0]?.difference).toBeCloseTo(1, 0);
  }, 60_000);
});

describe('a share of units', () => {
  it('is compared within versions as well, and versions without units of both arms are told', async () => {
    const random = seededRandom(5);
    for (let i = 0; i < 6000; i++) {
      const version = 1 + Math.floor(i / 2000);
      const shareOfB = [0.05, 0.5, 0][version - 1] ?? 0;
      const variant = random() < shareOfB ? 'b' : 'a';
      const person = { unit: `u-${i}`, variant, timeMs: FIRST_MS + i * 1000, version };
      writer.expose({ ...person, propensity: variant === 'b' ? shareOfB : 1 - shareOfB });
      writer.predict({ ...person, requestId: `r-${i}`, feedback: [{ label: random() < 0.2 * version }] });
    }
    await writer.write();
    const { metrics: read } = await readWritten(writer.path, definitionWith());
    const [metric] = read;
    expect(metric).toMatchObject({ form: 'proportion', versionsLeftOut: [3] });
    expect(metric?.contrasts[0]).toMatchObject({ strata: [0, 1], conclusion: 'no_difference_yet' });
    expect(metric?.contrasts[0]?.fixed.p).toBeGreaterThan(0.05);
    expect(metric?.arms[1]?.chanceBest).toBeLessThan(0.975);
    // Half of the units are of the version with a base rate of 0.2, half of that with 0.4.
    expect(metric?.arms[1]?.mean).toBeCloseTo(0.3, 1);
  }, 60_000);
});
