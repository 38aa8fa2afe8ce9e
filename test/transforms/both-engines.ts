/** Evaluates one expression with the compiled code and with the interpreter, over one scope that all tests share. */
import { expect } from 'vitest';
import { parseDataType } from '../../src/project/data-type.ts';
import type { DataType } from '../../src/project/data-type.ts';
import type { Entity, FeatureView, RequestField } from '../../src/project/project.ts';
import type { Value } from '../../src/project/value.ts';
import { createBuffer } from '../../src/inference/tensor-buffer.ts';
import { checkExpression } from '../../src/transforms/check.ts';
import type { Scope } from '../../src/transforms/check.ts';
import { compileTransforms } from '../../src/transforms/compile.ts';
import { interpretTransforms } from '../../src/transforms/interpret.ts';
import { parseExpression } from '../../src/transforms/parse.ts';
import { slotCount } from '../../src/transforms/slots.ts';
import type { ElementType } from '../../src/transforms/slots.ts';
import type { TypedExpression } from '../../src/transforms/typed-expression.ts';

type Default = Exclude<Value, null>;

const airport: Entity = { name: 'airport', keys: [{ name: 'iata', type: 'string' }] };

function dataType(text: string): DataType {
  const type = parseDataType(text);
  if (typeof type === 'string') throw new Error(type);
  return type;
}

function requestFields(fields: Readonly<Record<string, string>>): Map<string, RequestField> {
  const entries = Object.entries(fields).map(([name, text], index): [string, RequestField] => {
    const optional = text.endsWith('?');
    return [name, { name, index, optional, type: dataType(optional ? text.slice(0, -1) : text) }];
  });
  return new Map(entries);
}

function featureView(name: string, features: Readonly<Record<string, [string, Default?]>>): FeatureView {
  return {
    name,
    entity: airport,
    ttlMs: undefined,
    timestampField: 'event_timestamp',
    onUnavailable: 'default',
    features: Object.entries(features).map(([feature, [type, standIn]], index) => ({
      name: feature,
      index,
      type: dataType(type),
      default: standIn,
    })),
  };
}

const profile: FeatureView = featureView('profile', {
  state: ['string'],
  latitude: ['float64'],
  gates: ['int64', 7],
  owner: ['int64', 9007199254740993n],
  hub: ['bool'],
  opened: ['timestamp'],
  embedding: ['float32[3]'],
  shape: ['float64[2]', [0.5, -0.5]],
});
const delays: FeatureView = featureView('delays', { mean: ['float64'] });

const views = new Map([
  ['profile', profile],
  ['delays', delays],
]);

/** `x` and its like may be missing, `must_x` may not. */
const scope: Scope = {
  request: requestFields({
    x: 'float64?',
    y: 'float64?',
    small: 'float32?',
    n: 'int64?',
    m: 'int64?',
    s: 'string?',
    t: 'string?',
    b: 'bool?',
    time: 'timestamp?',
    until: 'timestamp?',
    v: 'float64[3]?',
    w: 'float64[3]?',
    ids: 'int64[2]?',
    must_x: 'float64',
    must_n: 'int64',
    must_s: 'string',
    must_b: 'bool',
    must_ids: 'int64[2]',
  }),
  bindings: new Map([
    ['origin', views],
    ['destination', views],
  ]),
};

export interface Given {
  /** Request fields by name; what is not named is missing. */
  readonly request?: Readonly<Record<string, Value>>;
  /** Rows by `binding.view`, as the store gives them; a row that is not named is one of nulls. */
  readonly rows?: Readonly<Record<string, readonly Value[]>>;
  readonly asOfMs?: number;
}

export type Result = number | bigint | string | boolean | null | readonly (number | bigint | null)[];

export function typed(text: string): TypedExpression {
  return checkExpression(parseExpression(text), scope);
}

export function requestValues(request: Readonly<Record<string, Value>>): Value[] {
  for (const name of Object.keys(request)) {
    if (!scope.request.has(name)) throw new Error(`the tests have no request field ${name}`);
  }
  return [...scope.request.keys()].map((name) => request[name] ?? null);
}

/** What both engines write for an expression, which must be the same bit for bit. */
export function slotsOf(text: string, elementType: ElementType, given: Given = {}): unknown[] {
  const expression = typed(text);
  const width = slotCount(expression.type);
  const inputs = [{ elementType, expressions: [expression] }];
  const [compiled, interpreted] = [compileTransforms(inputs), interpretTransforms(inputs)].map((engine) => {
    const tensor = createBuffer(elementType, 2 * width);
    const rows = engine.reads.map(({ binding, view }) => {
      const empty = [0, ...view.features.map(() => null)];
      return given.rows?.[`${binding}.${view.name}`] ?? empty;
    });
    // The second row of the tensor, so that a wrong offset shows.
    engine.fill([tensor], 1, requestValues(given.request ?? {}), rows, given.asOfMs ?? 0);
    const all: readonly unknown[] = Array.from<unknown>(tensor);
    expect(all.slice(0, width), text).toEqual(Array.from<unknown>(createBuffer(elementType, width)));
    return all.slice(width);
  });
  expect(compiled, text).toStrictEqual(interpreted);
  return compiled as unknown[];
}

/** The value of an expression as a test would write it: missing is null, an int that cannot be missing is exact. */
export function valueOf(text: string, given: Given = {}): Result {
  const { type } = typed(text);
  if (type.base === 'string') return slotsOf(text, 'string', given)[0] as string;
  const isExact = type.base === 'int' && !type.nullable;
  const slots = slotsOf(text, isExact ? 'int64' : 'float64', given).map((slot) => {
    if (typeof slot === 'bigint') return Number.isSafeInteger(Number(slot)) ? Number(slot) : slot;
    return Number.isNaN(slot) ? null : (slot as number);
  });
  if (type.length !== undefined) return slots;
  const value = slots[0] ?? null;
  return type.base === 'bool' && value !== null ? value === 1 : value;
}
