import { describe, expect, it } from 'vitest';
import { ExpressionError } from '../../src/transforms/expression-error.ts';
import { parseExpression } from '../../src/transforms/parse.ts';

function refusal(text: string): ExpressionError {
  try {
    parseExpression(text);
  } catch (error) {
    if (error instanceof ExpressionError) return error;
    throw error;
  }
  throw new Error(`"${text}" was not refused`);
}

/** The tree without positions, binary operators as lists: what binds to what. */
function shape(text: string): unknown {
  const strip = (node: unknown): unknown => {
    if (Array.isArray(node)) return node.map(strip);
    if (typeof node !== 'object' || node === null) return node;
    const { kind, at: _, ...rest } = node as Record<string, unknown> & { kind: string };
    if (kind === 'binary') return [strip(rest['left']), rest['operator'], strip(rest['right'])];
    if (kind === 'unary') return [rest['operator'], strip(rest['operand'])];
    if (kind === 'conditional') return [strip(rest['test']), '?', strip(rest['yes']), ':', strip(rest['no'])];
    if (kind === 'name') return (rest['path'] as string[]).join('.');
    if (kind === 'number') return rest['value'];
    return { kind, ...(strip(Object.values(rest)) as object) };
  };
  return strip(parseExpression(text));
}

describe('parseExpression', () => {
  it.each([
    ['a + b * c', ['a', '+', ['b', '*', 'c']]],
    ['a - b - c', [['a', '-', 'b'], '-', 'c']],
    ['(a - b) * c', [['a', '-', 'b'], '*', 'c']],
    ['a < b == c', [['a', '<', 'b'], '==', 'c']],
    ['a && b || c', [['a', '&&', 'b'], '||', 'c']],
    ['!a && b', [['!', 'a'], '&&', 'b']],
    ['-a * b', [['-', 'a'], '*', 'b']],
    ['a ?? b + 1', ['a', '??', ['b', '+', 1]]],
    ['a ?? b ?? c', [['a', '??', 'b'], '??', 'c']],
    ['a ?? b > 1', ['a', '??', ['b', '>', 1]]],
    ['(a ?? b) && c', [['a', '??', 'b'], '&&', 'c']],
    ['a ? b : c ? d : e', ['a', '?', 'b', ':', ['c', '?', 'd', ':', 'e']]],
    ['a > 1 ? b : c', [['a', '>', 1], '?', 'b', ':', 'c']],
    ['a ?? b ? c : d', [['a', '??', 'b'], '?', 'c', ':', 'd']],
    ['- 3', -3],
    ['-(-3)', 3],
    ['1e3 + .5', [1000, '+', 0.5]],
    ['\n a\t+\r\n b ', ['a', '+', 'b']],
  ])('reads %j', (text, tree) => {
    expect(shape(text)).toEqual(tree);
  });

  it('tells integers from floats by how they are written', () => {
    expect(parseExpression('7')).toMatchObject({ kind: 'number', value: 7, isInteger: true });
    expect(parseExpression('7.0')).toMatchObject({ kind: 'number', value: 7, isInteger: false });
    expect(parseExpression('7e0')).toMatchObject({ kind: 'number', value: 7, isInteger: false });
    expect(Object.is((parseExpression('-0') as { value?: number }).value, -0)).toBe(true);
  });

  it('reads strings in either quote, with the escapes of JSON and an escaped quote', () => {
    expect(parseExpression(`"it's"`)).toMatchObject({ value: "it's" });
    expect(parseExpression(`'say "hi"'`)).toMatchObject({ value: 'say "hi"' });
    expect(parseExpression(String.raw`"a\n\t\\\"b"`)).toMatchObject({ value: 'a\n\t\\"b' });
    expect(parseExpression('"✈ Zürich"')).toMatchObject({ value: '✈ Zürich' });
  });

  it('knows where each part begins', () => {
    const tree = parseExpression('1 + (foo.bar * max(2, x[3]))');
    expect(tree).toMatchObject({ at: 0, left: { at: 0 }, right: { at: 4 } });
    expect(tree).toMatchObject({ right: { left: { at: 5 }, right: { at: 15 } } });
    expect(tree).toMatchObject({ right: { right: { args: [{ at: 19 }, { at: 22, of: { at: 22 } }] } } });
  });

  it.each([
    ['a === b', 'the operator === is not in the language', 'use ==', 0],
    ['1 + (a !== b)', 'the operator !== is not in the language', 'use !=', 4],
    ['x ** 2', 'the operator ** is not in the language', 'use pow(x, y)', 0],
    ['x ^ 2', 'the operator ^ is not in the language', 'use pow(x, y)', 0],
    ['a & b', 'the operator & is not in the language', 'use &&', 0],
    ['a | b', 'the operator | is not in the language', 'use ||', 0],
    ['1 << 2', 'the operator << is not in the language', undefined, 0],
    ['1 + +a', 'the operator + is not in the language', undefined, 4],
    ['1 + ~a', 'the operator ~ is not in the language', 'use !', 4],
    ['a ?? b || c', '|| and ?? are mixed', 'put one of them into parentheses', 0],
    ['a && b ?? c', '?? and && are mixed', 'put one of them into parentheses', 0],
    ['a ?? b && c', '?? and && are mixed', 'put one of them into parentheses', 0],
    ['1 + null', 'there is no null', 'write `x ?? default`, or missing(x)', 4],
    ['1 + this', '"this" is not in the language', undefined, 4],
    ['1 + a?.b', '"?." is not in the language', 'use "." and ??', 4],
    ['1 + f?.(2)', 'only functions of the language can be called, by their bare name', undefined, 4],
    ['a.f(1)', 'only functions of the language can be called, by their bare name', undefined, 0],
    ['f(1)(2)', 'only functions of the language can be called, by their bare name', undefined, 0],
    ['(1 + 2).a', 'a "." may stand only inside a name', undefined, 0],
    ['"a".length', 'a "." may stand only inside a name', undefined, 0],
    ['v["length"]', 'an index in brackets must be a whole number, such as embedding[0]', undefined, 0],
    ['v[i]', 'an index in brackets must be a whole number, such as embedding[0]', undefined, 0],
    ['v[-1]', 'an index in brackets must be a whole number, such as embedding[0]', undefined, 0],
    ['v[1.0]', 'an index in brackets must be a whole number, such as embedding[0]', undefined, 0],
    ['1 + 1e999', 'the number 1e999 is too large', undefined, 4],
    ['9007199254740992', 'the integer 9007199254740992 is beyond 2^53, where digits are lost', undefined, 0],
    [String.raw`1 + "\x41"`, String.raw`the string "\x41" has an unknown escape, \x`, undefined, 4],
    ['"\uD800"', 'a string holds half of a surrogate pair', undefined, 0],
    ['', 'the expression is empty', undefined, undefined],
    [' \n', 'the expression is empty', undefined, undefined],
    ['a b', '"b" is not expected here', undefined, 2],
    ['a; b', '";" is not expected here', 'list two expressions as two entries', 1],
    ['a, b', '"," is not expected here', 'list two expressions as two entries', 1],
    ['a,', '"," is not expected here', 'list two expressions as two entries', 1],
    ['a = 1', '"=" is not expected here', 'compare with ==', 2],
    ['`a`', '"`" is not expected here', 'write strings in "quotes"', 0],
    ['@', '"@" is not expected here', undefined, 0],
    ['()', '")" is not expected here', undefined, 1],
    ['(1, 2)', '"," is not expected here', 'list two expressions as two entries', 2],
    ['1 + (2', 'the expression ends too early: unclosed (', undefined, 6],
    ['1 +', 'the expression ends too early: expected expression after +', undefined, 3],
    ['1 + -', 'the expression ends too early: missing operand', undefined, 5],
    ['"abc', 'the expression ends too early: unclosed quote after "abc"', undefined, 4],
    ['f(1 2)', '"2" is not expected here', undefined, 4],
    ['["a" "b"]', '"\\"" is not expected here', 'put an operator or a comma before it', 5],
    ['1 + [1,, 2]', 'a list has an empty place between two commas', undefined, 4],
    ['[1, 2,]', '"," is not expected here', 'list two expressions as two entries', 5],
  ])('refuses %j', (text, message, suggestion, position) => {
    const error = refusal(text);
    expect(error.message).toBe(
      position === undefined ? message : `${message} (at character ${position + 1})`,
    );
    expect(error.suggestion).toBe(suggestion);
    expect(error.position).toBe(position);
  });

  it.each([
    'f(1,)',
    'f(,1)',
    'a ? b',
    '1h',
    '1.2.3',
    '// a',
    '1 /* a */',
    'x => x',
    '{a: 1}',
    '/re/',
    '...a',
    'new F()',
    'a++',
  ])('refuses %j and says where', (text) => {
    expect(refusal(text).message).toMatch(/\(at character \d+\)$/);
  });

  it('limits the length', () => {
    expect(parseExpression(`1${' '.repeat(9999)}`)).toMatchObject({ kind: 'number' });
    expect(refusal(`1${' '.repeat(10_000)}`).message).toBe(
      'an expression has at most 10000 characters, and this one 10001',
    );
  });

  it.each([
    ['parentheses', `${'('.repeat(4999)}1${')'.repeat(4999)}`],
    ['open parentheses', '('.repeat(10_000)],
    ['brackets', '['.repeat(10_000)],
    ['calls', 'f('.repeat(5000)],
    ['minus signs', `${'-'.repeat(9999)}1`],
    ['conditions', `${'a?1:'.repeat(2000)}1`],
    ['conditions inside', `${'a?'.repeat(2000)}1${':1'.repeat(2000)}`],
    ['a long sum', `1${'+1'.repeat(4000)}`],
    ['a long name', `a${'.a'.repeat(4000)}`],
    ['indexes', `a${'[0]'.repeat(3000)}`],
  ])('refuses deep nesting: %s', (_, text) => {
    expect(refusal(text).message).toMatch(/^an expression is nested at most 500 levels deep/);
  });

  it('reads what is nested within the limit', () => {
    expect(parseExpression(`${'('.repeat(240)}1${')'.repeat(240)}`)).toMatchObject({ value: 1 });
    expect(parseExpression(`1${'+1'.repeat(400)}`)).toMatchObject({ kind: 'binary' });
  });
});
