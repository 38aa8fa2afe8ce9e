import { describe, expect, it } from 'vitest';
import { createBuffer } from '../../src/inference/tensor-buffer.ts';
import { compileTransforms } from '../../src/transforms/compile.ts';
import { ExpressionError } from '../../src/transforms/expression-error.ts';
import { interpretTransforms } from '../../src/transforms/interpret.ts';
import { requireSlot } from '../../src/transforms/slots.ts';
import type { ElementType } from '../../src/transforms/slots.ts';
import { requestValues, slotsOf, typed } from './both-engines.ts';

function refusal(elementType: ElementType, text: string): readonly [string, string | undefined] {
  try {
    requireSlot(elementType, typed(text).type, text);
  } catch (error) {
    if (error instanceof ExpressionError) return [error.message, error.suggestion];
    throw error;
  }
  throw new Error(`${elementType} took ${text}`);
}

describe('requireSlot', () => {
  it.each<[ElementType, string]>([
    ['float32', 'request.x'],
    ['float64', 'request.n'],
    ['float32', 'request.b'],
    ['float32', 'request.v'],
    ['int64', 'request.must_n'],
    ['int64', 'request.n ?? 0'],
    ['int64', 'request.must_b'],
    ['int64', 'round(request.x) ?? 0'],
    ['int64', 'onehot(request.s, ["a"])'],
    ['int64', 'request.ids ?? zeros(2)'],
    ['bool', 'request.must_b'],
    ['bool', 'missing(request.x)'],
    ['string', 'request.must_s'],
    ['string', 'request.s ?? ""'],
  ])('%s takes %s', (elementType, text) => {
    expect(requireSlot(elementType, typed(text).type, text)).toBeUndefined();
  });

  it.each<[ElementType, string, string, string | undefined]>([
    [
      'float32',
      'as_of',
      'as_of is timestamp; a model takes no times',
      'use hour(t), day_of_week(t) … or seconds_between(t, as_of)',
    ],
    ['float32', '"a"', '"a" is string; the input is float32', 'use onehot, hash or lookup'],
    ['int64', '1.5', '1.5 is float; the input is int64', 'write round(1.5) ?? 0'],
    ['int64', '[1.5, 2]', '[1.5, 2] is float[2]; the input is int64', undefined],
    ['int64', '"a"', '"a" is string; the input is int64', undefined],
    [
      'int64',
      'request.n',
      'request.n is int that may be missing; an int64 input has no missing values',
      'write (request.n) ?? 0',
    ],
    [
      'int64',
      'request.ids',
      'request.ids is int[2] that may be missing; an int64 input has no missing values',
      'write request.ids ?? zeros(2)',
    ],
    [
      'int64',
      'request.b',
      'request.b is bool that may be missing; an int64 input has no missing values',
      'write (request.b) ?? false',
    ],
    [
      'bool',
      'request.b',
      'request.b is bool that may be missing; a bool input has no missing values',
      'write (request.b) ?? false',
    ],
    ['bool', '1', '1 is int; the input is bool', undefined],
    [
      'string',
      'request.s',
      'request.s is string that may be missing; a string input has no missing values',
      'write (request.s) ?? ""',
    ],
    ['string', '1', '1 is int; the input is string', undefined],
  ])('%s refuses %s', (elementType, text, message, suggestion) => {
    expect(refusal(elementType, text)).toEqual([message, suggestion]);
  });
});

describe('tensors', () => {
  it('round float32 slots to the nearest float32', () => {
    expect(slotsOf('request.x', 'float32', { request: { x: 0.1 } })).toEqual([Math.fround(0.1)]);
    expect(slotsOf('request.x', 'float32', { request: { x: 1e300 } })).toEqual([Infinity]);
    expect(slotsOf('request.x', 'float64', { request: { x: 0.1 } })).toEqual([0.1]);
  });

  it('take a missing number, bool or vector as NaN in every slot', () => {
    for (const elementType of ['float32', 'float64'] as const) {
      expect(slotsOf('request.x', elementType)).toEqual([NaN]);
      expect(slotsOf('request.n', elementType)).toEqual([NaN]);
      expect(slotsOf('request.b', elementType)).toEqual([NaN]);
      expect(slotsOf('request.v', elementType)).toEqual([NaN, NaN, NaN]);
      expect(slotsOf('cyclic(request.x, 24)', elementType)).toEqual([NaN, NaN]);
    }
  });

  it('take bools as 0 and 1', () => {
    for (const must_b of [true, false]) {
      const given = { request: { must_b, b: must_b } };
      expect(slotsOf('request.must_b', 'float32', given)).toEqual([Number(must_b)]);
      expect(slotsOf('request.b', 'float64', given)).toEqual([Number(must_b)]);
      expect(slotsOf('request.must_b', 'int64', given)).toEqual([BigInt(must_b)]);
      expect(slotsOf('request.must_b', 'bool', given)).toEqual([Number(must_b)]);
    }
  });

  it('keep every digit of an int in an int64 slot, and round it in a float slot', () => {
    const given = { request: { must_n: 9007199254740993n, must_ids: [9223372036854775807n, -1] } };
    expect(slotsOf('request.must_n', 'int64', given)).toEqual([9007199254740993n]);
    expect(slotsOf('request.must_n', 'float64', given)).toEqual([9007199254740992]);
    expect(slotsOf('request.must_ids', 'int64', given)).toEqual([9223372036854775807n, -1n]);
    expect(slotsOf('request.must_ids', 'float64', given)).toEqual([2 ** 63, -1]);
    expect(slotsOf('origin.profile.owner', 'int64')).toEqual([9007199254740993n]);
  });

  it('take strings as they are', () => {
    expect(slotsOf('request.s ?? "none"', 'string', { request: { s: 'a"\n' } })).toEqual(['a"\n']);
    expect(slotsOf('request.s ?? "none"', 'string')).toEqual(['none']);
  });

  it('are filled side by side, in the order of the expressions, a vector over its slots', () => {
    const inputs = [
      { elementType: 'float32' as const, expressions: ['1', 'request.v', 'onehot("b", ["a", "b"])', '7'] },
      { elementType: 'string' as const, expressions: ['"x"', 'request.must_s'] },
      { elementType: 'int64' as const, expressions: ['request.must_n', 'zeros(2)'] },
    ].map(({ elementType, expressions }) => ({ elementType, expressions: expressions.map(typed) }));
    const request = requestValues({ v: [2, 3, 4], must_s: 's', must_n: 5 });
    for (const engine of [compileTransforms(inputs), interpretTransforms(inputs)]) {
      expect(engine.widths).toEqual([7, 2, 3]);
      const tensors = inputs.map(({ elementType }, i) =>
        createBuffer(elementType, 2 * (engine.widths[i] as number)),
      );
      for (const at of [0, 1]) engine.fill(tensors, at, request, [], 0);
      expect(tensors.map((tensor) => [...tensor])).toEqual([
        [1, 2, 3, 4, 0, 1, 7, 1, 2, 3, 4, 0, 1, 7],
        ['x', 's', 'x', 's'],
        [5n, 0n, 0n, 5n, 0n, 0n],
      ]);
    }
  });

  it('name each row that is read once, in the order of first use', () => {
    const texts = [
      'destination.profile.latitude',
      'origin.delays.mean + destination.profile.latitude',
      'destination.delays.mean',
    ];
    const { reads } = compileTransforms([{ elementType: 'float32', expressions: texts.map(typed) }]);
    expect(reads.map(({ binding, view }) => `${binding}.${view.name}`)).toEqual([
      'destination.profile',
      'origin.delays',
      'destination.delays',
    ]);
  });
});
