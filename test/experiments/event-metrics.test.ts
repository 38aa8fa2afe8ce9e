/** Metrics of events, ratios of metrics, and what CUPED does with the time before. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EventField, EventType } from '../../src/project/project.ts';
import type { Metric, MetricSource } from '../../src/project/rollout.ts';
import { compareProportions } from '../../src/stats/compare-proportions.ts';
import { welchTest } from '../../src/stats/contrast.ts';
import { createBivariateMoments } from '../../src/stats/bivariate-moments.ts';
import { cuped } from '../../src/stats/cuped.ts';
import { seededRandom } from '../../src/stats/seeded-random.ts';
import { summaryOfMoments } from '../../src/stats/summary.ts';
import type { Summary } from '../../src/stats/summary.ts';
import { definitionWith, labelMetric, readWritten } from './read-written.ts';
import { createLogWriter, DAY_MS, FIRST_MS } from './written-logs.ts';
import type { LogWriter } from './written-logs.ts';
import { momentsOf } from '../stats/moments-of.ts';

const field = (name: string, scalar: 'string' | 'float64', index: number): EventField => ({
  name,
  type: { scalar, length: undefined },
  index,
  optional: true,
});
const buyer = field('user', 'string', 0);
const price = field('price', 'float64', 1);
const purchase: EventType = { name: 'purchase', fields: [buyer, price], timeField: undefined };
const visit: EventType = { name: 'visit', fields: [buyer], timeField: undefined };

type Aggregate = Extract<MetricSource, { readonly kind: 'events' }>['aggregate'];
const ofEvents = (name: string, event: EventType, aggregate: Aggregate, preMs?: number): Metric => ({
  name,
  source: { kind: 'events', event, unitField: buyer, aggregate },
  goal: 'increase',
  preMs,
});

let writer: LogWriter;
beforeEach(() => {
  writer = createLogWriter();
});
afterEach(() => writer.remove());

interface Buyer {
  readonly variant: string;
  readonly spent: number;
  readonly before: number;
  readonly count: number;
  readonly visits: number;
}

/** Who spends much has spent much before; b adds 2 to each purchase. */
async function writeBuyers(count: number): Promise<Buyer[]> {
  const random = seededRandom(21);
  const buyers = Array.from({ length: count }, (_, i): Buyer => {
    const [unit, variant] = [`u-${i}`, random() < 0.5 ? 'a' : 'b'];
    const enteredMs = FIRST_MS + i * 1000;
    writer.expose({ unit, variant, timeMs: enteredMs });
    const level = random() * 20;
    let [spent, before] = [0, 0];
    const purchases = random() < 0.3 ? 0 : 1 + Math.floor(random() * 3);
    for (let n = 0; n < purchases; n++) {
      const amount = level + random() + (variant === 'b' ? 2 : 0);
      spent += amount;
      writer.event(purchase, [unit, amount], enteredMs + n);
    }
    if (random() < 0.9) {
      before = 2 * level + random();
      writer.event(purchase, [unit, before], enteredMs - DAY_MS);
    }
    // Too long ago.
    writer.event(purchase, [unit, 1000], enteredMs - 8 * DAY_MS);
    const visits = 1 + Math.floor(random() * 5);
    for (let n = 0; n < visits; n++) writer.event(visit, [unit], enteredMs + n);
    return { variant, spent, before, count: purchases, visits };
  });
  writer.event(purchase, ['stranger', 5], FIRST_MS);
  writer.event(purchase, [null, 5], FIRST_MS);
  await writer.write([purchase, visit]);
  return buyers;
}

function summary(buyers: readonly Buyer[], variant: string, valueOf: (buyer: Buyer) => number): Summary {
  return summaryOfMoments(momentsOf(buyers.filter((each) => each.variant === variant).map(valueOf)));
}

const close = ({
  difference,
  lower,
  upper,
  p,
}: Record<'difference' | 'lower' | 'upper' | 'p', number>): object => ({
  difference: expect.closeTo(difference, 9),
  fixed: { lower: expect.closeTo(lower, 9), upper: expect.closeTo(upper, 9), p: expect.closeTo(p, 9) },
});

describe('metrics of events', () => {
  it('are shares, counts and sums of units, since their first exposure', async () => {
    const buyers = await writeBuyers(300);
    const metrics = [
      ofEvents('bought', purchase, 'any'),
      ofEvents('purchases', purchase, 'count'),
      ofEvents('revenue', purchase, { sum: price }),
    ];
    const report = await readWritten(writer.path, definitionWith({ metrics }), {
      eventTypes: [purchase, visit],
    });
    const [bought, purchases, revenue] = report.metrics;
    expect(report.metrics.map(({ form }) => form)).toEqual(['proportion', 'mean', 'mean']);
    const successes = (variant: string): { n: number; successes: number } => {
      const { n, mean } = summary(buyers, variant, ({ count }) => Math.min(count, 1));
      return { n, successes: Math.round(n * mean) };
    };
    expect(bought?.contrasts[0]).toMatchObject(
      close(compareProportions(successes('a'), successes('b'), 0.05)),
    );
    const counts = ['a', 'b'].map((arm) => summary(buyers, arm, ({ count }) => count)) as [Summary, Summary];
    expect(purchases?.contrasts[0]).toMatchObject(close(welchTest(...counts, 0.05)));
    const sums = ['a', 'b'].map((arm) => summary(buyers, arm, ({ spent }) => spent)) as [Summary, Summary];
    expect(revenue?.contrasts[0]).toMatchObject(close(welchTest(...sums, 0.05)));
    const all = buyers.reduce((sum, { count }) => sum + count, 0);
    expect(report.events).toMatchObject({ counted: all, unreadable: 0 });
  });

  it('are less noisy with what the units did before', async () => {
    const buyers = await writeBuyers(300);
    const metrics = [
      ofEvents('plain', purchase, { sum: price }),
      ofEvents('adjusted', purchase, { sum: price }, 7 * DAY_MS),
    ];
    const report = await readWritten(writer.path, definitionWith({ metrics }), {
      eventTypes: [purchase, visit],
    });
    const [plain, adjusted] = report.metrics;
    const moments = ['a', 'b'].map((variant) => {
      const pairs = createBivariateMoments();
      for (const each of buyers) if (each.variant === variant) pairs.add(each.before, each.spent);
      return pairs.moments();
    });
    const { summaries, varianceLeft } = cuped(moments);
    expect(adjusted?.form).toBe('adjusted');
    expect(adjusted?.varianceReduction).toBeCloseTo(1 - varianceLeft, 9);
    expect(adjusted?.varianceReduction).toBeGreaterThan(0.1);
    expect(adjusted?.contrasts[0]).toMatchObject(
      close(welchTest(...(summaries as [Summary, Summary]), 0.05)),
    );
    const width = (metric: typeof plain): number => {
      const { lower = 0, upper = 0 } = metric?.contrasts[0]?.fixed ?? {};
      return upper - lower;
    };
    expect(width(adjusted)).toBeLessThan(width(plain));
    expect(plain?.varianceReduction).toBeUndefined();
  });

  it('are divided by each other, as sums over units', async () => {
    const buyers = await writeBuyers(300);
    const metrics: Metric[] = [
      ofEvents('purchases', purchase, 'count'),
      ofEvents('visits', visit, 'count'),
      {
        name: 'rate',
        source: { kind: 'ratio', numerator: 'purchases', denominator: 'visits' },
        goal: 'increase',
        preMs: undefined,
      },
    ];
    const report = await readWritten(writer.path, definitionWith({ metrics }), {
      eventTypes: [purchase, visit],
    });
    const rate = report.metrics[2];
    const linear = ['a', 'b'].map((variant): Summary => {
      const [y, x] = [
        summary(buyers, variant, ({ count }) => count),
        summary(buyers, variant, ({ visits }) => visits),
      ];
      const ratio = y.mean / x.mean;
      return summary(buyers, variant, ({ count, visits }) => ratio + (count - ratio * visits) / x.mean);
    });
    expect(rate?.form).toBe('ratio');
    expect(rate?.contrasts[0]).toMatchObject(close(welchTest(...(linear as [Summary, Summary]), 0.05)));
  });

  it('are left out where there is no event log, and the others stay', async () => {
    await writeBuyers(20);
    const metrics: Metric[] = [
      ofEvents('revenue', purchase, { sum: price }),
      labelMetric,
      {
        ...labelMetric,
        name: 'rate',
        source: { kind: 'ratio', numerator: 'revenue', denominator: 'conversion' },
      },
    ];
    const report = await readWritten(writer.path, definitionWith({ metrics }));
    expect(report.metrics.map(({ name }) => name)).toEqual(['conversion']);
    expect(report.events).toBeUndefined();
  });

  it('find units whose name is hashed in the prediction log', async () => {
    writer.expose({ unit: 'hash of x', variant: 'a', timeMs: FIRST_MS });
    writer.expose({ unit: 'hash of y', variant: 'a', timeMs: FIRST_MS });
    writer.event(purchase, ['x', 4], FIRST_MS + 1);
    // A copy, for a view of another entity, is the same event.
    writer.event(purchase, ['y', 4], FIRST_MS + 1, [1, 2]);
    await writer.write([purchase]);
    const metrics = [ofEvents('revenue', purchase, { sum: price })];
    const report = await readWritten(writer.path, definitionWith({ metrics }), {
      eventTypes: [purchase],
      unitName: (text) => `hash of ${text}`,
    });
    expect(report.metrics[0]?.arms[0]).toMatchObject({ units: 2, mean: 4 });
  });
});

describe('metrics of feedback', () => {
  it('are less noisy with the predictions of before the experiment', async () => {
    const random = seededRandom(4);
    for (let i = 0; i < 300; i++) {
      const person = { unit: `u-${i}`, variant: random() < 0.5 ? 'a' : 'b', timeMs: FIRST_MS + i };
      const level = 10 * random();
      for (let n = 0; n < 3; n++) {
        const requestId = `p-${i}-${n}`;
        const feedback = [{ reward: level + random() }];
        writer.predict({ ...person, requestId, timeMs: person.timeMs - 1000, assigned: false, feedback });
      }
      writer.expose(person);
      for (let n = 0; n < 1 + (i % 3); n++) {
        const feedback = [{ reward: level + random() + (person.variant === 'b' ? 1 : 0) }];
        writer.predict({ ...person, requestId: `q-${i}-${n}`, feedback });
      }
    }
    await writer.write();
    const plain: Metric = { ...labelMetric, name: 'plain', source: { kind: 'feedback', field: 'reward' } };
    const metrics = [plain, { ...plain, name: 'adjusted', preMs: DAY_MS }];
    const [without, adjusted] = (await readWritten(writer.path, definitionWith({ metrics }))).metrics;
    expect([without?.form, adjusted?.form]).toEqual(['ratio', 'adjusted']);
    expect(adjusted?.varianceReduction).toBeGreaterThan(0.8);
    const { fixed, difference = 0 } = adjusted?.contrasts[0] ?? {};
    expect(difference).toBeCloseTo(1, 0);
    const plainFixed = without?.contrasts[0]?.fixed;
    const wide = (plainFixed?.upper ?? 0) - (plainFixed?.lower ?? 0);
    const narrow = (fixed?.upper ?? 0) - (fixed?.lower ?? 0);
    expect(narrow).toBeLessThan(0.6 * wide);
  });
});
