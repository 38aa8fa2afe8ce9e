/** Text to syntax tree. The parser reads JavaScript expressions; here the few forms that are ours are taken, and every
 * other one is refused by name. */
import type jsep from 'jsep';
import { atPosition, ExpressionError } from './expression-error.ts';
import { NESTING_MAX, parseStrictly, positionOf, tooDeep } from './strict-parser.ts';
import type { Parsed } from './strict-parser.ts';
import type { BinaryOperator, Syntax, SyntaxForm } from './syntax.ts';
import { binaryOperators } from './syntax.ts';

const LENGTH_MAX = 10_000;

type Convert = (child: unknown) => Syntax;

const insteadOf: ReadonlyMap<string, string> = new Map([
  ['===', 'use =='],
  ['!==', 'use !='],
  ['**', 'use pow(x, y)'],
  ['&', 'use &&'],
  ['|', 'use ||'],
  ['^', 'use pow(x, y)'],
  ['~', 'use !'],
]);

/**
 * @param text at most 10,000 characters
 * @throws ExpressionError
 */
export function parseExpression(text: string): Syntax {
  if (text.length > LENGTH_MAX) {
    throw new ExpressionError(
      `an expression has at most ${LENGTH_MAX} characters, and this one ${text.length}`,
    );
  }
  return convert(parseStrictly(text), 0);
}

function convert(parsed: Parsed, depth: number): Syntax {
  if (depth > NESTING_MAX) throw tooDeep();
  const at = positionOf(parsed);
  const inner: Convert = (child) => convert(child as Parsed, depth + 1);
  return atPosition(at, () => ({ ...convertForm(parsed, inner), at }));
}

function convertForm(parsed: Parsed, inner: Convert): SyntaxForm {
  switch (parsed.type) {
    case 'Literal':
      return convertLiteral(parsed as jsep.Literal);
    case 'Identifier':
      return { kind: 'name', path: [(parsed as jsep.Identifier).name] };
    case 'MemberExpression':
      return convertMember(parsed as jsep.MemberExpression, inner);
    case 'UnaryExpression':
      return convertUnary(parsed as jsep.UnaryExpression, inner);
    case 'BinaryExpression':
      return convertBinary(parsed as jsep.BinaryExpression, inner);
    case 'ConditionalExpression': {
      const { test, consequent, alternate } = parsed as jsep.ConditionalExpression;
      return { kind: 'conditional', test: inner(test), yes: inner(consequent), no: inner(alternate) };
    }
    case 'CallExpression':
      return convertCall(parsed as jsep.CallExpression, inner);
    case 'ArrayExpression':
      return { kind: 'list', elements: listElements(parsed as jsep.ArrayExpression).map(inner) };
    default:
      throw new ExpressionError(
        `"${parsed.type === 'ThisExpression' ? 'this' : parsed.type}" is not in the language`,
      );
  }
}

function listElements({ elements }: jsep.ArrayExpression): readonly unknown[] {
  if (elements.includes(null)) throw new ExpressionError('a list has an empty place between two commas');
  return elements;
}

function convertLiteral({ value, raw }: jsep.Literal): SyntaxForm {
  if (typeof value === 'boolean') return { kind: 'bool', value };
  if (typeof value === 'number') return convertNumber(value, raw);
  if (typeof value !== 'string') {
    throw new ExpressionError('there is no null', 'write `x ?? default`, or missing(x)');
  }
  // The parser would drop the backslash of an escape that it does not know.
  const unknown = /\\[^nrtbfv"'\\]/.exec(raw.replaceAll('\\\\', ''));
  if (unknown !== null) throw new ExpressionError(`the string ${raw} has an unknown escape, ${unknown[0]}`);
  if (!value.isWellFormed()) throw new ExpressionError('a string holds half of a surrogate pair');
  return { kind: 'string', value };
}

function convertNumber(value: number, raw: string): SyntaxForm {
  if (!Number.isFinite(value)) throw new ExpressionError(`the number ${raw} is too large`);
  const isInteger = /^\d+$/.test(raw);
  if (isInteger && !Number.isSafeInteger(value)) {
    throw new ExpressionError(`the integer ${raw} is beyond 2^53, where digits are lost`);
  }
  return { kind: 'number', value, isInteger };
}

function convertMember(member: jsep.MemberExpression, inner: Convert): SyntaxForm {
  if (member.optional === true) throw new ExpressionError('"?." is not in the language', 'use "." and ??');
  const object = inner(member.object);
  if (member.computed) {
    const index = inner(member.property);
    if (index.kind === 'number' && index.isInteger && !Object.is(index.value, -0) && index.value >= 0) {
      return { kind: 'element', of: object, index: index.value };
    }
    throw new ExpressionError('an index in brackets must be a whole number, such as embedding[0]');
  }
  if (object.kind !== 'name') throw new ExpressionError('a "." may stand only inside a name');
  return { kind: 'name', path: [...object.path, (member.property as jsep.Identifier).name] };
}

function convertUnary({ operator, argument }: jsep.UnaryExpression, inner: Convert): SyntaxForm {
  const operand = inner(argument);
  if (operator === '-' && operand.kind === 'number') return { ...operand, value: -operand.value };
  if (operator === '-' || operator === '!') return { kind: 'unary', operator, operand };
  throw new ExpressionError(`the operator ${operator} is not in the language`, insteadOf.get(operator));
}

function convertBinary(parsed: jsep.BinaryExpression, inner: Convert): SyntaxForm {
  const { operator } = parsed;
  if (!binaryOperators.has(operator)) {
    throw new ExpressionError(`the operator ${operator} is not in the language`, insteadOf.get(operator));
  }
  const left = inner(parsed.left);
  const right = inner(parsed.right);
  requireClearPrecedence(operator, parsed.left);
  requireClearPrecedence(operator, parsed.right);
  return { kind: 'binary', operator: operator as BinaryOperator, left, right };
}

/** `a ?? b || c` has two readings, so JavaScript refuses it too. */
function requireClearPrecedence(operator: string, side: Parsed): void {
  if (side.type !== 'BinaryExpression' || side.inParentheses === true) return;
  const { operator: other } = side as jsep.BinaryExpression;
  if ((operator === '??' && isLogic(other)) || (other === '??' && isLogic(operator))) {
    throw new ExpressionError(`${operator} and ${other} are mixed`, 'put one of them into parentheses');
  }
}

function convertCall(parsed: jsep.CallExpression, inner: Convert): SyntaxForm {
  const callee = inner(parsed.callee);
  if (callee.kind !== 'name' || callee.path.length !== 1 || parsed['optional'] === true) {
    throw new ExpressionError('only functions of the language can be called, by their bare name');
  }
  return { kind: 'call', name: callee.path[0] as string, args: parsed.arguments.map(inner) };
}

function isLogic(operator: string): boolean {
  return operator === '&&' || operator === '||';
}
