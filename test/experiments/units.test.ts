/** Which units are in a report, which are left out, and that it says so. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/stats/seeded-random.ts';
import { definitionWith, readWritten } from './read-written.ts';
import { createLogWriter, DAY_MS, FIRST_MS } from './written-logs.ts';
import type { LogWriter, WrittenExposure, WrittenPrediction } from './written-logs.ts';

let writer: LogWriter;
beforeEach(() => {
  writer = createLogWriter();
});
afterEach(() => writer.remove());

/** Exposed, and predicted with an outcome. */
function enter(unit: string, variant: string, more: Partial<WrittenPrediction & WrittenExposure> = {}): void {
  const person = { unit, variant, timeMs: FIRST_MS, ...more };
  writer.expose(person);
  writer.predict({ requestId: `r-${unit}`, feedback: [{ label: true }], ...person });
}

function enterMany(count: number): void {
  for (let i = 0; i < count; i++) enter(`u-${i}`, i % 2 === 0 ? 'a' : 'b', { timeMs: FIRST_MS + i * 1000 });
}

describe('units', () => {
  it('that were seen in two variants stay in the first, with all that came of them', async () => {
    enterMany(10);
    writer.expose({ unit: 'u-0', variant: 'b', timeMs: FIRST_MS + DAY_MS, version: 2 });
    // Whether or not there was another exposure.
    const again = { requestId: 'again', unit: 'u-1', variant: 'a', timeMs: FIRST_MS + DAY_MS };
    writer.predict({ ...again, feedback: [{ label: false }] });
    await writer.write();
    const { units, arms, metrics } = await readWritten(writer.path, definitionWith());
    expect(units).toMatchObject({ exposed: 10, counted: 10, crossed: 2 });
    expect(arms.map(({ crossed }) => crossed)).toEqual([1, 1]);
    expect(arms.map((arm) => arm.units)).toEqual([5, 5]);
    // Of b: five labels of 1, and the 0 that u-1 was told of in a.
    expect(metrics[0]?.arms.map((arm) => [arm.units, arm.mean])).toEqual([
      [5, 1],
      [5, expect.closeTo(5 / 6, 12)],
    ]);
  });

  it('that move when shares change make no difference where there is none, and are warned of', async () => {
    const random = seededRandom(6);
    // Whoever comes often likes everything, and is seen again when the weights go from 80 : 20 to 50 : 50.
    for (let i = 0; i < 2000; i++) {
      const isOften = random() < 0.3;
      const bucket = random();
      const person = { unit: `u-${i}`, timeMs: FIRST_MS + i * 1000, isBot: false };
      const first = bucket < 0.8 ? 'a' : 'b';
      enter(person.unit, first, { ...person, feedback: [{ label: random() < (isOften ? 0.8 : 0.1) }] });
      if (isOften && bucket > 0.5)
        writer.expose({ ...person, variant: 'b', timeMs: FIRST_MS + DAY_MS, version: 2 });
    }
    await writer.write();
    const definition = definitionWith({ sharesOf: () => [{ a: 0.8, b: 0.2 }] });
    const { metrics, crossings, arms } = await readWritten(writer.path, definition);
    expect(metrics[0]?.contrasts[0]?.fixed.p).toBeGreaterThan(0.05);
    expect(arms[0]?.crossed).toBeGreaterThan(150);
    expect(crossings).toMatchObject({ isLarge: true, isUneven: true });
  });

  it('keep what they were given first, whichever is read first', async () => {
    enterMany(10);
    writer.expose({ unit: 'late', variant: 'b', timeMs: FIRST_MS + 5, version: 2, how: 'sticky' });
    writer.expose({ unit: 'late', variant: 'b', timeMs: FIRST_MS + 1, version: 1 });
    await writer.write();
    const report = await readWritten(writer.path, definitionWith());
    expect(report.units).toMatchObject({ exposed: 11, crossed: 0 });
    expect(report.versions).toEqual([1]);
    // A sticky one is no draw under its version.
    const second = await readWritten(writer.path, definitionWith(), { versions: new Set([2]) });
    expect(second.units).toMatchObject({ exposed: 1, counted: 1 });
    expect(second.sampleRatio.arms.map(({ units }) => units)).toEqual([0, 0]);
  });

  it('that are bots are left out unless they are asked for', async () => {
    enterMany(10);
    for (let i = 0; i < 4; i++) enter(`bot-${i}`, 'a', { isBot: true });
    await writer.write();
    const without = await readWritten(writer.path, definitionWith());
    expect(without.units).toMatchObject({ exposed: 14, counted: 10, bots: 4 });
    expect(without.arms.map(({ bots }) => bots)).toEqual([4, 0]);
    expect(without.sampleRatio.arms.map(({ units }) => units)).toEqual([5, 5]);
    const withBots = await readWritten(writer.path, definitionWith(), { withBots: true });
    expect(withBots.units).toMatchObject({ exposed: 14, counted: 14, bots: 4 });
    expect(withBots.metrics[0]?.arms.map(({ units }) => units)).toEqual([9, 5]);
  });

  it('that a tester gave a variant are left out, and so is who had another one by the split', async () => {
    enterMany(10);
    enter('tester', 'b', { how: 'forced' });
    writer.expose({ unit: 'u-2', variant: 'b', timeMs: FIRST_MS + 9, how: 'forced' });
    await writer.write();
    const { units, outcomes } = await readWritten(writer.path, definitionWith());
    expect(units).toMatchObject({ exposed: 10, counted: 9, forced: 2, forcedAway: 1, crossed: 0 });
    expect(outcomes).toMatchObject({ forced: 1, predictions: 10 });
  });

  it('of the holdout are a line of their own, and those without a unit are told of', async () => {
    enterMany(10);
    for (let i = 0; i < 3; i++) enter(`h-${i}`, 'a', { how: 'holdout', propensity: 0.1 });
    enter('request-1', 'b', { how: 'random' });
    await writer.write();
    const { holdout, units, metrics, sampleRatio } = await readWritten(writer.path, definitionWith());
    expect(holdout).toEqual({ units: 3, predictions: 3, withOutcome: 3 });
    expect(metrics[0]?.holdout).toEqual({ units: 3, mean: 1 });
    expect(units).toMatchObject({ exposed: 14, counted: 11, random: 1 });
    expect(sampleRatio.arms).toEqual([
      { units: 5, expected: expect.closeTo(5.5, 9) },
      { units: 6, expected: expect.closeTo(5.5, 9) },
    ]);
  });

  it('of a variant that is no arm any more are counted apart', async () => {
    enterMany(10);
    enter('old', 'before');
    await writer.write();
    const { units } = await readWritten(writer.path, definitionWith());
    expect(units).toMatchObject({ exposed: 11, counted: 10, elsewhere: 1 });
  });

  it('are those of a time, with what happened until its end', async () => {
    enterMany(10);
    writer.predict({ requestId: 'later', unit: 'u-9', variant: 'b', timeMs: FIRST_MS + DAY_MS });
    await writer.write();
    const fromMs = FIRST_MS + 4000;
    const since = await readWritten(writer.path, definitionWith(), { fromMs });
    expect(since).toMatchObject({ units: { exposed: 6 }, firstExposureMs: fromMs });
    expect(since.outcomes).toMatchObject({ predictions: 11, withoutExposure: 4 });
    const until = await readWritten(writer.path, definitionWith(), { toMs: fromMs });
    expect(until).toMatchObject({ units: { exposed: 4 }, outcomes: { predictions: 4 } });
  });
});

describe('a log', () => {
  it('without anything gives a report without anything', async () => {
    await writer.write();
    const report = await readWritten(writer.path, definitionWith());
    expect(report).toMatchObject({
      units: { exposed: 0 },
      firstExposureMs: undefined,
      versions: [],
      running: [],
      sampleRatio: { p: 1, sequentialP: 1, isMismatch: false },
    });
    expect(report.metrics[0]).toMatchObject({ contrasts: [], arms: [{ units: 0 }, { units: 0 }] });
  });

  it('with damage, and feedback that belongs to nothing, is read to its end', async () => {
    enterMany(10);
    writer.tell('nobody', { label: true });
    await writer.write();
    await writer.writeUnreadable();
    const { outcomes, units } = await readWritten(writer.path, definitionWith());
    expect(units.counted).toBe(10);
    expect(outcomes).toMatchObject({ unreadable: 1, unmatched: 1, problem: expect.stringMatching(/./) });
  });

  it('tells how much of the predictions came to an outcome, and where arms differ in it', async () => {
    const random = seededRandom(2);
    for (let i = 0; i < 600; i++) {
      const variant = i % 2 === 0 ? 'a' : 'b';
      const isTold = random() < (variant === 'a' ? 0.9 : 0.6);
      enter(`u-${i}`, variant, { feedback: isTold ? [{ label: true }] : [] });
    }
    await writer.write();
    const { arms } = await readWritten(writer.path, definitionWith());
    expect(arms.map(({ predictions }) => predictions)).toEqual([300, 300]);
    expect(arms[0]?.outcomeP).toBeUndefined();
    expect(arms[1]?.outcomeP).toBeLessThan(1e-6);
  });

  it('costs memory for its units, and not for their predictions', async () => {
    // What is kept of a unit are numbers that are added up: the same for one prediction and for many.
    enterMany(20);
    for (let i = 0; i < 2000; i++) {
      const unit = `u-${i % 20}`;
      writer.predict({
        requestId: `m-${i}`,
        unit,
        variant: i % 2 === 0 ? 'a' : 'b',
        timeMs: FIRST_MS + DAY_MS,
      });
    }
    await writer.write();
    const steps = new Set<string>();
    const report = await readWritten(writer.path, definitionWith(), {
      onProgress: (done, total, step) => {
        expect(done).toBeLessThanOrEqual(total);
        steps.add(step);
      },
    });
    expect(report.units.exposed).toBe(20);
    expect(report.outcomes.predictions).toBe(2020);
    expect([...steps]).toEqual(['exposures', 'predictions']);
  });
});
