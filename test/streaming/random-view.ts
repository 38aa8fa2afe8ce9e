/** Random streaming views over one event type with fields of every type, and events for them. */
import fc from 'fast-check';
import { aggregateNames } from '../../src/project/project.ts';
import type { AggregateName, FeatureView } from '../../src/project/project.ts';
import { canonicalInt64 } from '../../src/project/value.ts';
import type { Value } from '../../src/project/value.ts';
import { takesField } from './aggregate-fields.ts';
import { durationMs, eventOf, streamingView } from './sample-view.ts';
import type { FeatureGiven } from './sample-view.ts';

export const randomEventType = eventOf({
  word: 'string',
  flag: 'bool',
  x: 'float64?',
  y: 'float32?',
  n: 'int64?',
  seen: 'timestamp?',
});

const conditions = [
  'x > 0',
  'n >= 3',
  'flag',
  'word == "a"',
  '!missing(x) && word != "b"',
  'x * 2 < n || !flag',
  'y != 0',
  '(x ?? 1) > 0',
];
const windows = ['1m', '90s', '10m', '59m', '1h', '3h', '719m', '12h', '24h', '7d', '11d', '12d', '30d'];

const randomWhere = fc.option(fc.constantFrom(...conditions), { nil: undefined });
const randomWindowMs = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...windows).map(durationMs) },
  { weight: 1, arbitrary: fc.integer({ min: durationMs('1m'), max: durationMs('30d') }) },
);

function fieldsFor(name: AggregateName): string[] {
  return randomEventType.fields.filter((field) => takesField(name, field)).map((field) => field.name);
}

const randomFeature: fc.Arbitrary<FeatureGiven> = fc.constantFrom(...aggregateNames).chain((name) => {
  const several = name === 'first' || name === 'last' || name === 'top_k';
  return fc
    .record({
      field: name === 'count' ? fc.constant(undefined) : fc.constantFrom(...fieldsFor(name)),
      where: randomWhere,
      windowMs: randomWindowMs,
      count: several ? fc.integer({ min: 1, max: 5 }) : fc.constant(1),
      quantile: fc.constantFrom(0, 0.1, 0.5, 0.9, 0.99, 1),
    })
    .chain(({ field, where, count, quantile, windowMs }) =>
      fc.integer({ min: 1, max: count }).map((rank): FeatureGiven => ({
        name,
        windowMs,
        count,
        rank,
        ...(field === undefined ? {} : { field }),
        ...(where === undefined ? {} : { where }),
        ...(name === 'quantile' ? { quantile } : {}),
      })),
    );
});

export const randomView: fc.Arbitrary<FeatureView> = fc
  .record({ features: fc.array(randomFeature, { minLength: 1, maxLength: 12 }), where: randomWhere })
  .map(({ features, where }) => streamingView(randomEventType, features, where));

const double = fc.oneof(
  fc.integer({ min: -20, max: 200 }),
  fc.constantFrom(0, -0, 1, -1, 0.5, 1e15, -1e15, 5e-324),
  fc.double({ noNaN: true, min: -1e9, max: 1e9 }),
);
const whole = fc.oneof(
  fc.integer({ min: -3, max: 6 }),
  fc.constantFrom(2 ** 53 - 1, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n)),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(canonicalInt64),
);

const maybe = (values: fc.Arbitrary<Value>): fc.Arbitrary<Value> => fc.option(values, { freq: 4 });

export const randomValues: fc.Arbitrary<readonly Value[]> = fc.tuple(
  fc.oneof(fc.constantFrom('a', 'b', 'c', '', 'Zürich', '✈'), fc.string({ unit: 'binary', maxLength: 3 })),
  fc.boolean(),
  maybe(double),
  maybe(double.map(Math.fround)),
  maybe(whole),
  maybe(fc.constantFrom(0, -1, 1_700_000_000_000)),
);

/** Times near a moment, on several scales, so that there are ties, gaps, and events on the edges of tiles. */
export const randomDistanceMs = fc.oneof(
  fc.integer({ min: -durationMs('2m'), max: durationMs('2m') }),
  fc.integer({ min: -durationMs('3h'), max: durationMs('3h') }),
  fc.integer({ min: -durationMs('40d'), max: durationMs('1d') }),
  fc.integer({ min: -50, max: 50 }).map((minutes) => minutes * durationMs('1m')),
  fc.integer({ min: -50, max: 50 }).map((minutes) => minutes * durationMs('1m') - 1),
  fc.integer({ min: -31, max: 2 }).map((days) => days * durationMs('1d')),
);
export const randomMomentMs = fc.constantFrom(
  0,
  -1,
  1_700_000_000_000,
  -durationMs('36500d'),
  951_782_400_000,
);
