/**
 * Text to syntax tree. jsep reads JavaScript expressions; this module takes the few forms that are ours and refuses
 * every other one by name. The only importer of jsep.
 */
import jsep from 'jsep';
import { ExpressionError } from './expression-error.ts';
import type { BinaryOperator, Syntax } from './syntax.ts';
import { binaryOperators } from './syntax.ts';

const LENGTH_MAX = 10_000;
const DEPTH_MAX = 500;

type Parsed = jsep.Expression;

const insteadOf = new Map<string, string>([
  ['===', 'use =='],
  ['!==', 'use !='],
  ['**', 'use pow(x, y)'],
  ['&', 'use &&'],
  ['|', 'use ||'],
  ['^', 'use pow(x, y)'],
]);

/** @throws ExpressionError */
export function parseExpression(text: string): Syntax {
  if (text.length > LENGTH_MAX) {
    throw new ExpressionError(`an expression has at most ${LENGTH_MAX} characters, this one ${text.length}`);
  }
  return convert(parseText(text), 0);
}

function parseText(text: string): Parsed {
  try {
    return jsep(text);
  } catch (error) {
    if (error instanceof RangeError) throw tooDeep();
    const { index, description } = error as { index?: number; description?: string };
    const where = index === undefined ? '' : ` at column ${index + 1}`;
    throw new ExpressionError(
      `cannot read ${JSON.stringify(shorten(text))}: ${description ?? String(error)}${where}`,
    );
  }
}

function tooDeep(): ExpressionError {
  return new ExpressionError(`an expression is nested at most ${DEPTH_MAX} levels deep`);
}

function shorten(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

function convert(parsed: Parsed, depth: number): Syntax {
  if (depth > DEPTH_MAX) throw tooDeep();
  const inner = (child: unknown): Syntax => convert(child as Parsed, depth + 1);
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
      return { kind: 'conditional', test: inner(test), then: inner(consequent), otherwise: inner(alternate) };
    }
    case 'CallExpression':
      return convertCall(parsed as jsep.CallExpression, inner);
    case 'ArrayExpression':
      return { kind: 'list', elements: (parsed as jsep.ArrayExpression).elements.map(listElement(inner)) };
    case 'Compound':
      return refuseCompound(parsed as jsep.Compound);
    default:
      throw new ExpressionError(
        `"${parsed.type === 'ThisExpression' ? 'this' : parsed.type}" is not in the language`,
      );
  }
}

function listElement(inner: (child: unknown) => Syntax): (element: unknown) => Syntax {
  return (element) => {
    if (element === null) throw new ExpressionError('a list has an empty place between two commas');
    return inner(element);
  };
}

function convertLiteral({ value, raw }: jsep.Literal): Syntax {
  if (typeof value === 'boolean') return { kind: 'bool', value };
  if (typeof value === 'number') return convertNumber(value, raw);
  if (typeof value === 'string') {
    // The parser would drop the backslash of an escape that it does not know.
    const unknown = /\\[^nrtbfv"'\\]/.exec(raw.replaceAll('\\\\', ''));
    if (unknown !== null) throw new ExpressionError(`the string ${raw} has an unknown escape ${unknown[0]}`);
    return { kind: 'string', value };
  }
  throw new ExpressionError(
    'null is not a value here',
    'missing values need no name: use `x ?? default` or missing(x)',
  );
}

function convertNumber(value: number, raw: string): Syntax {
  if (!Number.isFinite(value)) throw new ExpressionError(`the number ${raw} is too large`);
  const isInteger = /^\d+$/.test(raw);
  if (isInteger && !Number.isSafeInteger(value)) {
    throw new ExpressionError(`the integer ${raw} is beyond 2^53, where digits are lost`);
  }
  return { kind: 'number', value, isInteger };
}

function convertMember(member: jsep.MemberExpression, inner: (child: unknown) => Syntax): Syntax {
  if (member.optional === true) throw new ExpressionError('"?." is not in the language', 'use "." and ??');
  const object = inner(member.object);
  if (member.computed) {
    const index = inner(member.property);
    if (index.kind === 'number' && index.isInteger)
      return { kind: 'element', of: object, index: index.value };
    throw new ExpressionError('an index in brackets must be a whole number, such as embedding[0]');
  }
  if (object.kind !== 'name') throw new ExpressionError('a "." may stand only inside a name');
  return { kind: 'name', path: [...object.path, (member.property as jsep.Identifier).name] };
}

function convertUnary(
  { operator, argument }: jsep.UnaryExpression,
  inner: (child: unknown) => Syntax,
): Syntax {
  const operand = inner(argument);
  if (operator === '-' && operand.kind === 'number') return { ...operand, value: -operand.value };
  if (operator === '-' || operator === '!') return { kind: 'unary', operator, operand };
  throw new ExpressionError(`the operator ${operator} is not in the language`);
}

function convertBinary(parsed: jsep.BinaryExpression, inner: (child: unknown) => Syntax): Syntax {
  const { operator } = parsed;
  if (!binaryOperators.has(operator)) {
    throw new ExpressionError(`the operator ${operator} is not in the language`, insteadOf.get(operator));
  }
  return {
    kind: 'binary',
    operator: operator as BinaryOperator,
    left: inner(parsed.left),
    right: inner(parsed.right),
  };
}

function convertCall(parsed: jsep.CallExpression, inner: (child: unknown) => Syntax): Syntax {
  const callee = inner(parsed.callee);
  if (callee.kind !== 'name' || callee.path.length !== 1) {
    throw new ExpressionError('only functions of the language can be called, by their bare name');
  }
  return { kind: 'call', name: callee.path[0] as string, args: parsed.arguments.map(listElement(inner)) };
}

function refuseCompound({ body }: jsep.Compound): never {
  if (body.length === 0) throw new ExpressionError('the expression is empty');
  throw new ExpressionError(
    'this is more than one expression',
    'join them with an operator, or list them as entries of their own',
  );
}
