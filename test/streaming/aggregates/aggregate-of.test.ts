/** What holds for every aggregate: merging in any order and shape, copies, and what is written and read back. */
import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { aggregateNames } from '../../../src/project/project.ts';
import type { Aggregation } from '../../../src/project/project.ts';
import type { Scalar } from '../../../src/project/value.ts';
import { aggregateOf } from '../../../src/streaming/aggregates/aggregate-of.ts';
import type { AnyAggregate } from '../../../src/streaming/aggregates/aggregate-of.ts';
import { takesField } from '../aggregate-fields.ts';
import { expectRow } from '../expect-row.ts';
import { randomEventType, randomValues } from '../random-view.ts';
import { referenceRow } from '../reference.ts';
import type { SampleEvent } from '../reference.ts';
import { durationMs, streamingView } from '../sample-view.ts';

const packr = new Packr({ useRecords: false, int64AsType: 'bigint' });
const windowMs = durationMs('30d');

interface Entry {
  readonly value: Scalar;
  readonly timeMs: number;
  readonly offset: number;
}

function stateOf(aggregate: AnyAggregate, entries: readonly Entry[]): unknown {
  const state = aggregate.create();
  for (const { value, timeMs, offset } of entries) aggregate.add(state, value, timeMs, offset);
  return state;
}

/** In hexadecimal: msgpackr leaves a property of its own in the bytes that it reads. */
function encoded(aggregate: AnyAggregate, state: unknown): string {
  return packr.pack(aggregate.encode(state)).toString('hex');
}

/** Parts are merged two by two, in the order that the picks say, until one is left. */
function mergeAll(aggregate: AnyAggregate, parts: readonly unknown[], picks: readonly number[]): unknown {
  const left = [...parts];
  for (let i = 0; left.length > 1; i++) {
    const [taken] = left.splice((picks[i % picks.length] ?? 0) % left.length, 1);
    const into = left[(picks[(i + 1) % picks.length] ?? 0) % left.length];
    const before = encoded(aggregate, taken);
    aggregate.merge(into, taken);
    expect(encoded(aggregate, taken)).toBe(before);
  }
  return left[0] ?? aggregate.create();
}

const cases = aggregateNames.flatMap((name) =>
  randomEventType.fields
    .filter((field) => takesField(name, field))
    .map(({ name: field }) => ({ name, field })),
);

describe.each(cases)('$name of $field', ({ name, field: fieldName }) => {
  const field = randomEventType.fields.find((each) => each.name === fieldName);
  const count = ['first', 'last', 'top_k'].includes(name) ? 3 : 1;
  const aggregation: Aggregation = {
    name,
    field,
    where: undefined,
    windowMs,
    count,
    rank: count,
    quantile: 0.7,
  };
  const view = streamingView(randomEventType, [
    { name, field: fieldName, windowMs, count, rank: count, quantile: 0.7 },
  ]);
  const aggregate = aggregateOf(aggregation);
  const isZeroWhenEmpty = ['count', 'sum', 'count_distinct'].includes(name);
  const empty = { eventTimeMs: 0, values: [isZeroWhenEmpty ? 0 : null], inputs: [[]] };
  const wanted = { rank: count, quantile: 0.7 };
  const randomEvents = fc.array(fc.tuple(randomValues, fc.integer({ min: 1, max: 50 })), { maxLength: 60 });

  function eventsOf(given: readonly (readonly [SampleEvent['values'], number])[]): SampleEvent[] {
    const events = given.map(([values, timeMs], offset) => ({ values, timeMs, offset }));
    return events.filter(({ values }) => values[field?.index ?? 0] !== null);
  }

  function entryOf({ values, timeMs, offset }: SampleEvent): Entry {
    const value = values[field?.index ?? 0] as Scalar;
    return { value: value === 0 ? 0 : value, timeMs, offset };
  }

  it('gives the same, however the events are split and the parts are merged', () => {
    fc.assert(
      fc.property(
        randomEvents,
        fc.integer({ min: 1, max: 9 }),
        fc.array(fc.nat(), { minLength: 2, maxLength: 12 }),
        (given, partCount, picks) => {
          const events = eventsOf(given);
          const parts = Array.from({ length: partCount }, (_, part) =>
            stateOf(
              aggregate,
              events.filter((_event, i) => (picks[i % picks.length] ?? 0) % partCount === part).map(entryOf),
            ),
          );
          const merged = aggregate.result(mergeAll(aggregate, parts, picks), wanted);
          const reference = referenceRow(view, events, 50, true) ?? empty;
          expectRow(view, [reference.eventTimeMs, merged], reference);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('goes on from what was written as if it had never been, and writes it the same', () => {
    fc.assert(
      fc.property(randomEvents, fc.nat(), (given, pick) => {
        const entries = eventsOf(given).map(entryOf);
        const split = pick % (entries.length + 1);
        const bytes = encoded(aggregate, stateOf(aggregate, entries.slice(0, split)));
        const state = aggregate.decode(packr.unpack(Buffer.from(bytes, 'hex')));
        expect(encoded(aggregate, state)).toBe(bytes);
        for (const { value, timeMs, offset } of entries.slice(split))
          aggregate.add(state, value, timeMs, offset);
        expect(encoded(aggregate, state)).toBe(encoded(aggregate, stateOf(aggregate, entries)));
      }),
      { numRuns: 60 },
    );
  });

  it('shares nothing with its copy', () => {
    fc.assert(
      fc.property(randomEvents, (given) => {
        const entries = eventsOf(given).map(entryOf);
        const state = stateOf(aggregate, entries);
        const bytes = encoded(aggregate, state);
        const copy = aggregate.copy(state);
        expect(encoded(aggregate, copy)).toBe(bytes);
        for (const { value, timeMs } of entries) aggregate.add(copy, value, timeMs + 1, 1000);
        aggregate.merge(copy, state);
        expect(encoded(aggregate, state)).toBe(bytes);
        expect(aggregate.bytes(copy)).toBeGreaterThan(0);
      }),
      { numRuns: 30 },
    );
  });
});
