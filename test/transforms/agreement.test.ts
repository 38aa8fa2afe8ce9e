/** The compiled code and the interpreter on generated expressions over generated rows: the same, bit for bit. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Value } from '../../src/project/value.ts';
import type { ElementType } from '../../src/transforms/slots.ts';
import { requireSlot } from '../../src/transforms/slots.ts';
import { slotsOf, typed, valueOf } from './both-engines.ts';

/** Expressions as text, one generator per type; `condition` and the `must` names are never missing. */
const { number, int, condition, bool, string, timestamp, vector } = fc.letrec<Record<string, string>>(
  (tie) => {
    const of = (template: string, ...types: string[]): fc.Arbitrary<string> =>
      fc
        .tuple(...types.map((type) => tie(type)))
        .map((parts) => parts.reduce((text, part) => text.replace('#', () => part), template));
    const leaf = (...names: string[]): fc.Arbitrary<string> => fc.constantFrom(...names);
    const pick = (leaves: fc.Arbitrary<string>, ...rest: fc.Arbitrary<string>[]): fc.Arbitrary<string> =>
      fc.oneof({ maxDepth: 4, depthIdentifier: 'expression' }, leaves, ...rest);
    return {
      number: pick(
        leaf(
          'request.x',
          'request.y',
          'request.small',
          'request.must_x',
          'origin.delays.mean',
          'origin.profile.latitude',
          'destination.profile.latitude',
          '0',
          '-1.5',
          '1e300',
          'request.v[1]',
        ),
        tie('int'),
        ...['+', '-', '*', '/', '%'].map((operator) => of(`(# ${operator} #)`, 'number', 'number')),
        ...['log', 'log1p', 'exp', 'sqrt', 'abs', 'floor', 'ceil', 'round', 'sign'].map((name) =>
          of(`${name}(#)`, 'number'),
        ),
        of('pow(#, #)', 'number', 'number'),
        of('min(#, #)', 'number', 'number'),
        of('max(#, #, #)', 'number', 'number', 'number'),
        of('clip(#, -1, 10)', 'number'),
        of('standardize(#, 2.5, 3)', 'number'),
        of('minmax(#, -2, 7)', 'number'),
        of('bucketize(#, [-1, 0, 2.5])', 'number'),
        of('cyclic(#, 24)[0]', 'number'),
        of('lookup(#, ["", "a"], [1, -2.5])', 'string'),
        of('seconds_between(#, #)', 'timestamp', 'timestamp'),
        of('dot(#, #)', 'vector', 'vector'),
        of('cosine(#, #)', 'vector', 'vector'),
        of('norm(#)', 'vector'),
        of('(# ?? #)', 'number', 'number'),
        of('(# ? # : #)', 'condition', 'number', 'number'),
        of('-(#)', 'number'),
      ),
      int: pick(
        leaf(
          'request.n',
          'request.m',
          'request.must_n',
          'origin.profile.gates',
          'origin.profile.owner',
          '0',
          '7',
          'request.must_ids[1]',
        ),
        of('hash(#, 1000)', 'string'),
        of('hash(#, 97)', 'int'),
        of('length(#)', 'string'),
        ...['minute', 'hour', 'day_of_week', 'day_of_month', 'month', 'year'].map((name) =>
          of(`${name}(#)`, 'timestamp'),
        ),
        of('(# ?? #)', 'int', 'int'),
        of('(# ? # : #)', 'condition', 'int', 'int'),
      ),
      condition: pick(
        leaf('request.must_b', 'true', 'false'),
        ...['<', '<=', '>', '>=', '==', '!='].map((operator) => of(`(# ${operator} #)`, 'number', 'number')),
        of('(# == #)', 'string', 'string'),
        of('(# != #)', 'string', 'string'),
        of('(# < #)', 'timestamp', 'timestamp'),
        of('(# == #)', 'int', 'int'),
        of('(# && #)', 'condition', 'condition'),
        of('(# || #)', 'condition', 'condition'),
        of('!#', 'condition'),
        of('contains(#, #)', 'string', 'string'),
        of('missing(#)', 'number'),
        of('missing(#)', 'string'),
        of('(# ?? #)', 'bool', 'condition'),
      ),
      bool: pick(leaf('request.b', 'origin.profile.hub'), tie('condition'), of('(# ?? #)', 'bool', 'bool')),
      string: pick(
        leaf('request.s', 'request.t', 'request.must_s', 'origin.profile.state', '""', '"a"', '"\\n✈"'),
        of('lower(#)', 'string'),
        of('(# ?? #)', 'string', 'string'),
        of('(# ? # : #)', 'condition', 'string', 'string'),
      ),
      timestamp: pick(
        leaf('request.time', 'request.until', 'origin.profile.opened', 'as_of'),
        of('(# ?? #)', 'timestamp', 'timestamp'),
      ),
      vector: pick(
        leaf('request.v', 'request.w', 'origin.profile.embedding', '[1, -2, 0.5]', 'zeros(3)'),
        of('(# ?? #)', 'vector', 'vector'),
        of('(# ? # : #)', 'condition', 'vector', 'vector'),
        of('onehot(#, ["a", "", "b"])', 'string'),
        of('onehot(#, [7, 0, 1])', 'int'),
      ),
    };
  },
);

const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(value, { freq: 4 });
const float = fc.oneof(
  fc.constantFrom(0, -0, 1, -1, 1e308, -1e308, 5e-324, 2 ** 53),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
);
const int64 = fc.oneof(
  fc.constantFrom<number | bigint>(0, 7, -1, 2 ** 53 - 1, 2n ** 53n, 2n ** 63n - 1n, -(2n ** 63n)),
  fc.maxSafeInteger(),
);
const text = fc.oneof(fc.constantFrom('', 'a', 'b', 'A'), fc.string({ unit: 'grapheme', maxLength: 5 }));
const time = fc.oneof(fc.integer({ min: -2e12, max: 2e12 }), fc.constantFrom(0, -1, -8.64e15, 8.64e15));
const floats = fc.array(float, { minLength: 3, maxLength: 3 });

const given = fc.record({
  request: fc.record({
    x: maybe(float),
    y: maybe(float),
    small: maybe(fc.float({ noNaN: true, noDefaultInfinity: true })),
    n: maybe(int64),
    m: maybe(int64),
    s: maybe(text),
    t: maybe(text),
    b: maybe(fc.boolean()),
    time: maybe(time),
    until: maybe(time),
    v: maybe(floats),
    w: maybe(floats),
    must_x: float,
    must_n: int64,
    must_s: text,
    must_b: fc.boolean(),
    must_ids: fc.array(int64, { minLength: 2, maxLength: 2 }),
  }),
  rows: fc
    .record({
      'origin.profile': maybe(
        fc.tuple(
          time,
          maybe(text),
          maybe(float),
          maybe(int64),
          maybe(int64),
          maybe(fc.boolean()),
          maybe(time),
          maybe(floats),
          maybe(fc.array(float, { minLength: 2, maxLength: 2 })),
        ),
      ),
      'origin.delays': maybe(fc.tuple(time, maybe(float))),
    })
    .map(
      (rows) =>
        Object.fromEntries(Object.entries(rows).filter(([, row]) => row !== null)) as Record<
          string,
          readonly Value[]
        >,
    ),
  asOfMs: time,
});

/** Writes the expression where its type may go, with a default in front of the tensors that take no missing value. */
function compare(expression: string, elementType: ElementType, values: Parameters<typeof slotsOf>[2]): void {
  requireSlot(elementType, typed(expression).type, expression);
  slotsOf(expression, elementType, values);
}

it.each<[string, fc.Arbitrary<string>, ElementType, string]>([
  ['numbers in float64', number as fc.Arbitrary<string>, 'float64', ''],
  ['numbers in float32', number as fc.Arbitrary<string>, 'float32', ''],
  ['ints in int64', int as fc.Arbitrary<string>, 'int64', ' ?? 0'],
  ['conditions in bool', condition as fc.Arbitrary<string>, 'bool', ''],
  ['bools in float32', bool as fc.Arbitrary<string>, 'float32', ''],
  ['strings in string', string as fc.Arbitrary<string>, 'string', ' ?? "none"'],
  ['vectors in float64', vector as fc.Arbitrary<string>, 'float64', ''],
  ['hours in int64', (timestamp as fc.Arbitrary<string>).map((t) => `hour(${t})`), 'int64', ' ?? 0'],
])('agree on %s', (_, expression, elementType, fallback) => {
  fc.assert(
    fc.property(expression, fc.array(given, { minLength: 1, maxLength: 4 }), (generated, rows) => {
      for (const row of rows) compare(`${generated}${fallback}`, elementType, row);
    }),
    { numRuns: 700 },
  );
});

it('takes dates apart as the calendar does', () => {
  fc.assert(
    fc.property(fc.integer({ min: Date.UTC(-5000, 0), max: Date.UTC(9999, 11) }), (asOfMs) => {
      const date = new Date(asOfMs);
      const parts = ['year', 'month', 'day_of_month', 'day_of_week', 'hour', 'minute'].map((name) =>
        valueOf(`${name}(as_of)`, { asOfMs }),
      );
      expect(parts).toEqual([
        date.getUTCFullYear(),
        date.getUTCMonth() + 1,
        date.getUTCDate(),
        date.getUTCDay(),
        date.getUTCHours(),
        date.getUTCMinutes(),
      ]);
    }),
    { numRuns: 2000 },
  );
});
