/** The compiled code and the interpreter on generated expressions over generated rows: the same, bit for bit. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createBuffer } from '../../src/inference/tensor-buffer.ts';
import { checkExpression } from '../../src/transforms/check.ts';
import { compileTransforms } from '../../src/transforms/compile.ts';
import type { CompiledTransforms } from '../../src/transforms/compile.ts';
import { functionsByName } from '../../src/transforms/functions.ts';
import { evaluate, interpretTransforms } from '../../src/transforms/interpret.ts';
import { parseExpression } from '../../src/transforms/parse.ts';
import { requireSlot } from '../../src/transforms/slots.ts';
import type { ElementType, TensorData, TransformInput } from '../../src/transforms/slots.ts';
import { binaryOperators } from '../../src/transforms/syntax.ts';
import type { TypedExpression } from '../../src/transforms/typed-expression.ts';
import { valueOf } from './both-engines.ts';
import { randomExpression } from './random-expression.ts';
import { randomRow, randomScope } from './random-row.ts';
import type { RandomRow } from './random-row.ts';

const elementTypes: readonly ElementType[] = ['float32', 'float64', 'int64', 'bool', 'string'];

/** One to three inputs of any type, each with up to four expressions. */
const randomTexts = fc.array(
  fc.constantFrom(...elementTypes).chain((elementType) =>
    fc.record({
      elementType: fc.constant(elementType),
      texts: fc.array(randomExpression[elementType], { minLength: 1, maxLength: 4 }),
    }),
  ),
  { minLength: 1, maxLength: 3 },
);
const randomRows = fc.array(randomRow, { minLength: 1, maxLength: 4 });

function typed(text: string): TypedExpression {
  return checkExpression(parseExpression(text), randomScope);
}

function typedFor(elementType: ElementType, text: string): TypedExpression {
  const expression = typed(text);
  requireSlot(elementType, expression.type, text);
  return expression;
}

/** The tensors after every row was written at its place, the last one first. */
function tensorsOf(
  engine: Omit<CompiledTransforms, 'source'>,
  inputs: readonly TransformInput[],
  rows: readonly RandomRow[],
): TensorData[] {
  const tensors = inputs.map(({ elementType }, i) =>
    createBuffer(elementType, (engine.widths[i] as number) * rows.length),
  );
  for (const [at, row] of [...rows.entries()].toReversed()) {
    const read = engine.reads.map(({ binding, view }) => row.rows.get(`${binding}.${view.name}`) ?? []);
    engine.fill(tensors, at, row.request, read, row.asOfMs);
  }
  return tensors;
}

describe('compiled code and interpreter', () => {
  it('fill the tensors of several inputs and rows with the same bits', () => {
    fc.assert(
      fc.property(randomTexts, randomRows, (given, rows) => {
        const inputs = given.map(({ elementType, texts }) => ({
          elementType,
          expressions: texts.map((text) => typedFor(elementType, text)),
        }));
        // toStrictEqual tells -0 from 0 and takes every NaN for the same one.
        expect(tensorsOf(compileTransforms(inputs), inputs, rows)).toStrictEqual(
          tensorsOf(interpretTransforms(inputs), inputs, rows),
        );
      }),
      { numRuns: 2500 },
    );
  });

  it('are compared on every function and every operator', () => {
    const sampled = elementTypes
      .flatMap((elementType) => fc.sample(randomExpression[elementType], { numRuns: 2000, seed: 1 }))
      .join('\n');
    const forms = [...[...functionsByName.keys()].map((name) => `${name}(`), '(-', '(!', ' ? '];
    const operators = [...binaryOperators].map((operator) => ` ${operator} `);
    expect([...forms, ...operators].filter((form) => !sampled.includes(form))).toEqual([]);
  });
});

describe('the check', () => {
  it('knows which values are never missing', () => {
    const anyText = fc.oneof(...Object.values(randomExpression));
    fc.assert(
      fc.property(anyText, randomRows, (text, rows) => {
        const expression = typed(text);
        fc.pre(!expression.type.nullable);
        for (const row of rows) expect(isMissing(evaluate(expression, row))).toBe(false);
      }),
      { numRuns: 2500 },
    );
  });
});

function isMissing(value: unknown): boolean {
  return value === null || Number.isNaN(value);
}

describe('dates', () => {
  it('are taken apart as the calendar does', () => {
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
});
