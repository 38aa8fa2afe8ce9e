/** Syntax tree to typed tree: names are looked up in a scope, types are checked, and what may be missing is tracked. */
import type { EventField, FeatureView, RequestField } from '../project/project.ts';
import { closestName } from '../project/suggestion.ts';
import { checkCall } from './check-call.ts';
import { atPosition, ExpressionError, UnknownNameError } from './expression-error.ts';
import type { BinaryOperator, ComparisonOperator, Syntax } from './syntax.ts';
import { arithmeticOperators, comparisonOperators, quoted } from './syntax.ts';
import { expressionType, formatType, isNumber } from './typed-expression.ts';
import type { ExpressionType, TypedExpression } from './typed-expression.ts';

/** What the names of an expression can mean. */
export interface Scope {
  readonly request: ReadonlyMap<string, RequestField>;
  /** Per binding of an entity, the views of that entity by name. */
  readonly bindings: ReadonlyMap<string, ReadonlyMap<string, FeatureView>>;
}

/** The names of a condition on events: their fields, bare. */
export interface EventScope {
  readonly event: ReadonlyMap<string, EventField>;
}

/** @throws ExpressionError */
export function checkExpression(syntax: Syntax, scope: Scope | EventScope): TypedExpression {
  return atPosition(syntax.at, () => checkForm(syntax, scope));
}

/**
 * An expression that is a condition as a whole.
 * @throws ExpressionError
 */
export function checkCondition(syntax: Syntax, scope: Scope | EventScope): TypedExpression {
  const typed = checkExpression(syntax, scope);
  requireCondition(typed, syntax, 'a condition');
  return typed;
}

function checkForm(syntax: Syntax, scope: Scope | EventScope): TypedExpression {
  const check = (inner: Syntax): TypedExpression => checkExpression(inner, scope);
  switch (syntax.kind) {
    case 'number':
      return {
        kind: 'constant',
        value: syntax.value,
        type: scalar(syntax.isInteger ? 'int' : 'float', false),
      };
    case 'string':
    case 'bool':
      return { kind: 'constant', value: syntax.value, type: scalar(syntax.kind, false) };
    case 'list':
      return checkVectorLiteral(syntax.elements);
    case 'name':
      return 'event' in scope ? checkEventName(syntax.path, scope) : checkName(syntax.path, scope);
    case 'element':
      return checkElement(syntax, check(syntax.of));
    case 'unary':
      return checkUnary(syntax.operator, syntax.operand, check(syntax.operand));
    case 'binary':
      return checkBinary(syntax.operator, syntax, check(syntax.left), check(syntax.right));
    case 'conditional':
      return checkConditional(syntax, check(syntax.test), check(syntax.yes), check(syntax.no));
    case 'call':
      return checkCall(syntax, check);
  }
}

function scalar(base: ExpressionType['base'], nullable: boolean): ExpressionType {
  return { base, length: undefined, nullable };
}

function checkVectorLiteral(elements: readonly Syntax[]): TypedExpression {
  const values = elements.map((element) => {
    if (element.kind === 'number') return element.value;
    throw new ExpressionError(`a vector is written with numbers only, not ${quoted(element)}`);
  });
  if (values.length === 0) throw new ExpressionError('a vector needs at least one number');
  const base = elements.every((element) => element.kind === 'number' && element.isInteger) ? 'int' : 'float';
  return { kind: 'constant', value: values, type: { base, length: values.length, nullable: false } };
}

function checkName(path: readonly string[], scope: Scope): TypedExpression {
  const [first = '', second, third] = path;
  if (first === 'as_of' && path.length === 1) return { kind: 'as_of', type: scalar('timestamp', false) };
  if (first === 'request') return checkRequestName(path, scope);
  const views = scope.bindings.get(first);
  if (views === undefined) {
    throw unknownName(
      'name',
      path.join('.'),
      first,
      ['request', 'as_of', ...scope.bindings.keys()],
      '',
      'names',
    );
  }
  if (second === undefined || third === undefined || path.length > 3) {
    throw new ExpressionError(
      `a feature is named by binding, view and feature, not "${path.join('.')}"`,
      `write ${first}.<view>.<feature>; views are ${[...views.keys()].join(', ')}`,
    );
  }
  const view = views.get(second);
  if (view === undefined) {
    throw unknownName('feature view', `${first}.${second}`, second, views.keys(), `${first}.`, 'views');
  }
  const feature = view.features.find((candidate) => candidate.name === third);
  if (feature === undefined) {
    const names = view.features.map((candidate) => candidate.name);
    throw unknownName('feature', path.join('.'), third, names, `${first}.${second}.`, 'features');
  }
  const type = expressionType(feature.type, feature.default === undefined);
  return { kind: 'feature', binding: first, view, feature, type };
}

function checkRequestName(path: readonly string[], scope: Scope): TypedExpression {
  const [, name] = path;
  const field = name === undefined ? undefined : scope.request.get(name);
  if (field === undefined || path.length !== 2) {
    throw unknownName(
      'request field',
      path.join('.'),
      name ?? '',
      scope.request.keys(),
      'request.',
      'fields',
    );
  }
  return { kind: 'request', index: field.index, type: expressionType(field.type, field.optional) };
}

function checkEventName(path: readonly string[], { event }: EventScope): TypedExpression {
  const name = path.join('.');
  const field = event.get(name);
  if (field === undefined) throw unknownName('event field', name, name, event.keys(), '', 'fields');
  return { kind: 'event', index: field.index, type: expressionType(field.type, field.optional) };
}

function unknownName(
  kind: string,
  shown: string,
  name: string,
  candidates: Iterable<string>,
  prefix: string,
  plural: string,
): UnknownNameError {
  const known = [...candidates];
  const guess = closestName(name, known);
  return new UnknownNameError(
    kind,
    name,
    `unknown ${kind} "${shown}"`,
    guess === undefined ? `${plural} are ${known.join(', ')}` : `did you mean "${prefix}${guess}"?`,
  );
}

function checkElement(syntax: Syntax & { kind: 'element' }, of: TypedExpression): TypedExpression {
  const { length, base } = of.type;
  if (length === undefined) {
    throw new ExpressionError(`${quoted(syntax.of)} is ${formatType(of.type)}; only a vector has elements`);
  }
  if (syntax.index >= length) {
    throw new ExpressionError(`${quoted(syntax)} is outside the vector, which has [0] to [${length - 1}]`);
  }
  const nullable = of.type.nullable || base === 'float';
  return { kind: 'element', of, index: syntax.index, type: scalar(base, nullable) };
}

function checkUnary(operator: '-' | '!', syntax: Syntax, operand: TypedExpression): TypedExpression {
  if (operator === '!') {
    requireCondition(operand, syntax, 'the operand of !');
    return { kind: 'not', operand, type: scalar('bool', false) };
  }
  requireNumber(operand, syntax, '-');
  return { kind: 'negate', operand, type: scalar('float', true) };
}

function checkBinary(
  operator: BinaryOperator,
  syntax: { readonly left: Syntax; readonly right: Syntax },
  left: TypedExpression,
  right: TypedExpression,
): TypedExpression {
  const arithmetic = arithmeticOperators.find((each) => each === operator);
  if (arithmetic !== undefined) {
    requireNumber(left, syntax.left, arithmetic);
    requireNumber(right, syntax.right, arithmetic);
    return { kind: 'arithmetic', operator: arithmetic, left, right, type: scalar('float', true) };
  }
  const comparison = comparisonOperators.find((each) => each === operator);
  if (comparison !== undefined) return checkComparison(comparison, syntax, left, right);
  if (operator === '??') {
    const type = commonType(left, right, syntax.left, syntax.right, 'the two sides of ??');
    return { kind: 'otherwise', left, right, type: { ...type, nullable: right.type.nullable } };
  }
  requireCondition(left, syntax.left, `the left side of ${operator}`);
  requireCondition(right, syntax.right, `the right side of ${operator}`);
  return { kind: 'logic', operator: operator as '&&' | '||', left, right, type: scalar('bool', false) };
}

function checkComparison(
  operator: ComparisonOperator,
  syntax: { readonly left: Syntax; readonly right: Syntax },
  left: TypedExpression,
  right: TypedExpression,
): TypedExpression {
  const [a, b] = [left.type, right.type];
  const comparable = (isNumber(a) && isNumber(b)) || (a.base === b.base && a.length === b.length);
  if (!comparable || a.length !== undefined) {
    throw new ExpressionError(
      `${quoted(syntax.left)} (${formatType(a)}) cannot be compared with ${quoted(syntax.right)} (${formatType(b)})`,
    );
  }
  const ordered = operator !== '==' && operator !== '!=';
  if (ordered && (a.base === 'string' || a.base === 'bool')) {
    throw new ExpressionError(`${a.base}s have no order; compare them with == or !=`);
  }
  return { kind: 'comparison', operator, left, right, type: scalar('bool', false) };
}

function checkConditional(
  syntax: Syntax & { kind: 'conditional' },
  test: TypedExpression,
  yes: TypedExpression,
  no: TypedExpression,
): TypedExpression {
  requireCondition(test, syntax.test, 'the condition before ?');
  const type = commonType(yes, no, syntax.yes, syntax.no, 'the two branches of ?:');
  const nullable = yes.type.nullable || no.type.nullable;
  return { kind: 'conditional', test, yes, no, type: { ...type, nullable } };
}

/** The type that holds both: ints and floats meet as floats. */
function commonType(
  left: TypedExpression,
  right: TypedExpression,
  leftSyntax: Syntax,
  rightSyntax: Syntax,
  what: string,
): ExpressionType {
  const [a, b] = [left.type, right.type];
  const areNumbers = [a, b].every(({ base }) => base === 'float' || base === 'int');
  if (a.length === b.length && (a.base === b.base || areNumbers)) {
    return a.base === b.base ? a : { ...a, base: 'float' };
  }
  throw new ExpressionError(
    `${what} must be of one type: ${quoted(leftSyntax)} is ${formatType(a)}, ${quoted(rightSyntax)} is ${formatType(b)}`,
  );
}

function requireNumber(operand: TypedExpression, syntax: Syntax, operator: string): void {
  if (isNumber(operand.type)) return;
  const hints: Partial<Record<ExpressionType['base'], string>> = {
    bool: `write ${quoted(syntax)} ? 1 : 0`,
    timestamp: 'use seconds_between, days_between, hour …',
  };
  throw new ExpressionError(
    `${operator} takes numbers, and ${quoted(syntax)} is ${formatType(operand.type)}`,
    operand.type.length === undefined
      ? hints[operand.type.base]
      : 'use dot, norm, or one element such as v[0]',
  );
}

function requireCondition(operand: TypedExpression, syntax: Syntax, what: string): void {
  const { base, length, nullable } = operand.type;
  if (base !== 'bool' || length !== undefined) {
    throw new ExpressionError(`${what} must be a bool, and ${quoted(syntax)} is ${formatType(operand.type)}`);
  }
  if (nullable) {
    throw new ExpressionError(
      `${what} must not be missing, and ${quoted(syntax)} may be`,
      `write (${quoted(syntax)} ?? false)`,
    );
  }
}
