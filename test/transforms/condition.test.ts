/** Conditions on events: their names are bare, and the compiled one agrees with the interpreter. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Value } from '../../src/project/value.ts';
import { checkCondition } from '../../src/transforms/check.ts';
import type { EventScope } from '../../src/transforms/check.ts';
import { compileCondition } from '../../src/transforms/compile.ts';
import { ExpressionError, UnknownNameError } from '../../src/transforms/expression-error.ts';
import { evaluate } from '../../src/transforms/interpret.ts';
import { parseExpression } from '../../src/transforms/parse.ts';
import type { TypedExpression } from '../../src/transforms/typed-expression.ts';
import { randomExpression } from './random-expression.ts';
import { randomRow, randomScope } from './random-row.ts';

/** Fields `whole` and `maybe_whole` and so for each type. */
const scope: EventScope = { event: randomScope.request };

function typed(text: string): TypedExpression {
  return checkCondition(parseExpression(text), scope);
}

function refusal(text: string): ExpressionError {
  try {
    typed(text);
  } catch (error) {
    if (error instanceof ExpressionError) return error;
    throw error;
  }
  throw new Error(`"${text}" was not refused`);
}

function holds(text: string, fields: Readonly<Record<string, Value>>): boolean {
  for (const name of Object.keys(fields)) expect(scope.event.has(name), name).toBe(true);
  return compileCondition(typed(text))([...scope.event.keys()].map((name) => fields[name] ?? null));
}

/** The same expression with fields of the event for those of the request and the features. */
function onEvents(text: string): string {
  return text
    .replaceAll(/\brequest\.(\w+)/g, '$1')
    .replaceAll(/\b(?:origin|destination)\.view\.sure_(\w+)/g, '$1')
    .replaceAll(/\b(?:origin|destination)\.view\.(\w+)/g, 'maybe_$1')
    .replaceAll(/\bas_of\b/g, 'time');
}

describe('a condition on events', () => {
  it('names the fields bare', () => {
    expect(holds('double > 15 && word == "a"', { double: 15.5, word: 'a' })).toBe(true);
    expect(holds('double > 15 && word == "a"', { double: 15, word: 'a' })).toBe(false);
  });

  it.each([
    'maybe_double > 1',
    'maybe_double < 1',
    'maybe_double != 1',
    'maybe_word != "a"',
    'maybe_whole == 0',
  ])('is false where what %s compares is missing', (text) => {
    expect(holds(text, {})).toBe(false);
  });

  it('tells ints beyond 2^53 apart', () => {
    expect(holds('whole == maybe_whole', { whole: 2n ** 53n + 1n, maybe_whole: 2n ** 53n })).toBe(false);
  });

  it('agrees with the interpreter', () => {
    fc.assert(
      fc.property(
        randomExpression.bool.map(onEvents),
        fc.array(randomRow, { minLength: 1 }),
        (text, rows) => {
          const condition = typed(text);
          const compiled = compileCondition(condition);
          for (const { request } of rows) {
            const interpreted = evaluate(condition, {
              request: [],
              event: request,
              rows: new Map(),
              asOfMs: NaN,
            });
            expect(compiled(request)).toBe(interpreted);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('is refused where it names what no event has, with the nearest field', () => {
    const error = refusal('doubel > 1');
    expect(error).toBeInstanceOf(UnknownNameError);
    expect(error.message).toBe('unknown event field "doubel" (at character 1)');
    expect(error.suggestion).toBe('did you mean "double"?');
  });

  it.each(['request.double > 1', 'origin.view.double > 1', 'as_of > time'])(
    'knows nothing but the fields, so %s is refused',
    (text) => {
      expect(refusal(text)).toBeInstanceOf(UnknownNameError);
    },
  );

  it.each([
    ['double', 'a condition must be a bool, and double is float', undefined],
    ['maybe_flag', 'a condition must not be missing, and maybe_flag may be', 'write (maybe_flag ?? false)'],
  ])('is refused where %s is no sure bool', (text, message, suggestion) => {
    const error = refusal(text);
    expect([error.message, error.suggestion]).toEqual([message, suggestion]);
  });
});
