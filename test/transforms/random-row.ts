/** A scope with fields and features of every type, and random rows for it. */
import fc from 'fast-check';
import { parseDataType } from '../../src/project/data-type.ts';
import type { DataType } from '../../src/project/data-type.ts';
import type { Entity, FeatureView } from '../../src/project/project.ts';
import { canonicalInt64 } from '../../src/project/value.ts';
import type { Value } from '../../src/project/value.ts';
import type { Scope } from '../../src/transforms/check.ts';

const single = fc.oneof(
  fc.constantFrom(0, -0, 1, 3.4028234663852886e38),
  fc.float({ noNaN: true, noDefaultInfinity: true }),
);

export const double: fc.Arbitrary<number> = fc.oneof(
  fc.constantFrom(0, -0, 1, -1, 0.5, 1e308, -1e308, 5e-324, 2 ** 53),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
);

const whole = fc.oneof(
  fc.constantFrom(0, 7, -1, 2 ** 53 - 1, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n)),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(canonicalInt64),
);

/** Few words often, so that some are equal; among them what could break out of generated text. */
export const word: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    '',
    'a',
    'A',
    'TX',
    'Zürich',
    '✈🛬',
    'İ',
    `it's`,
    '"',
    '\\',
    '${x}',
    '*/',
    '`',
    '\u2028',
    '\n',
  ),
  fc.constantFrom('__proto__', 'constructor', 'arguments'),
  fc.string({ unit: 'binary', maxLength: 4 }),
);

const time = fc.oneof(
  fc.constantFrom(0, -1, 984_146_700_000, 8.64e15, -8.64e15),
  fc.integer({ min: -8.64e15, max: 8.64e15 }),
);

const three = <T>(element: fc.Arbitrary<T>): fc.Arbitrary<T[]> =>
  fc.array(element, { minLength: 3, maxLength: 3 });

interface Kind {
  readonly name: string;
  readonly type: string;
  readonly values: fc.Arbitrary<Value>;
  readonly standIn: Exclude<Value, null>;
}

const kinds: readonly Kind[] = [
  { name: 'single', type: 'float32', values: single, standIn: 0.5 },
  { name: 'double', type: 'float64', values: double, standIn: -0 },
  { name: 'whole', type: 'int64', values: whole, standIn: 2n ** 53n + 1n },
  { name: 'word', type: 'string', values: word, standIn: '"]); throw 1; //\u2028${`' },
  { name: 'flag', type: 'bool', values: fc.boolean(), standIn: false },
  { name: 'time', type: 'timestamp', values: time, standIn: -1 },
  { name: 'floats', type: 'float32[3]', values: three(single), standIn: [-0, 1.5, -2] },
  { name: 'wholes', type: 'int64[3]', values: three(whole), standIn: [1, 2n ** 62n, -3] },
];

function dataType(text: string): DataType {
  const type = parseDataType(text);
  if (typeof type === 'string') throw new Error(type);
  return type;
}

const entity: Entity = { name: 'airport', keys: [{ name: 'iata', type: 'string' }] };

const view: FeatureView = {
  name: 'view',
  entity,
  ttlMs: undefined,
  timestampField: 'event_timestamp',
  onUnavailable: 'default',
  features: kinds.flatMap(({ name, type, standIn }, i) => [
    { name, index: 2 * i, type: dataType(type), default: undefined },
    { name: `sure_${name}`, index: 2 * i + 1, type: dataType(type), default: standIn },
  ]),
};

/**
 * Never missing: `request.whole` and, by its default, `origin.view.sure_whole`. Maybe missing: `request.maybe_whole`
 * and `origin.view.whole`. So for each kind.
 */
export const randomScope: Scope = {
  request: new Map(
    kinds
      .flatMap(({ name, type }, i) => [
        { name, index: 2 * i, type: dataType(type), optional: false },
        { name: `maybe_${name}`, index: 2 * i + 1, type: dataType(type), optional: true },
      ])
      .map((field) => [field.name, field]),
  ),
  bindings: new Map(['origin', 'destination'].map((binding) => [binding, new Map([['view', view]])])),
};

export interface RandomRow {
  readonly request: readonly Value[];
  /** By `binding.view`. */
  readonly rows: ReadonlyMap<string, readonly Value[]>;
  readonly asOfMs: number;
}

const maybe = (values: fc.Arbitrary<Value>): fc.Arbitrary<Value> => fc.option(values, { freq: 3 });
const featureRow = fc.tuple(time, ...kinds.flatMap(({ values }) => [maybe(values), maybe(values)]));

export const randomRow: fc.Arbitrary<RandomRow> = fc.record({
  request: fc.tuple(...kinds.flatMap(({ values }) => [values, maybe(values)])),
  rows: fc.tuple(featureRow, featureRow).map(
    ([origin, destination]) =>
      new Map([
        ['origin.view', origin],
        ['destination.view', destination],
      ]),
  ),
  asOfMs: time,
});
