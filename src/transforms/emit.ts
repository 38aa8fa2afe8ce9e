/** One typed expression to JavaScript text. See compile.ts for what may reach the text. */
import type { FunctionSpec } from './functions.ts';
import { numberText } from './number-text.ts';
import type { Reads } from './compile.ts';
import type { Constant, ExpressionType, TypedExpression } from './typed-expression.ts';

export interface EmitScope {
  readonly reads: Reads;
  /** `binding.view` -> position in `reads`. */
  readonly readIndex: ReadonlyMap<string, number>;
  /** Statements so far. */
  readonly lines: string[];
  /** Text of a value -> the local that holds it. */
  readonly locals: Map<string, string>;
  /** What `f[i]` and `k[i]` are in the generated function. */
  readonly functions: FunctionSpec['evaluate'][];
  readonly constants: Constant[];
}

export interface EmittedScalar {
  readonly kind: 'scalar';
  readonly text: string;
  readonly mayBeBigint: boolean;
}

/** Text that gives a value: one scalar, a vector held in an array (or null), or a vector as its elements' texts. */
export type Emitted =
  | EmittedScalar
  | { readonly kind: 'array'; readonly text: string; readonly mayBeBigint: boolean }
  | { readonly kind: 'elements'; readonly elements: readonly string[] };

export function emitExpression(node: TypedExpression, scope: EmitScope): Emitted {
  switch (node.kind) {
    case 'constant':
      return emitConstant(node.value, scope);
    case 'request':
      return emitReference(`request[${node.index}]`, node.type, undefined, scope);
    case 'feature': {
      const row = scope.readIndex.get(`${node.binding}.${node.view.name}`);
      return emitReference(`r${row}[${node.feature.index + 1}]`, node.type, node.feature.default, scope);
    }
    case 'as_of':
      return scalar('asOfMs');
    case 'element':
      return emitElement(node, scope);
    case 'negate':
      return scalar(`(-${number(node.operand, scope)})`);
    case 'not':
      return scalar(`(!${exact(node.operand, scope)})`);
    case 'arithmetic':
      return emitArithmetic(node.operator, number(node.left, scope), number(node.right, scope), scope);
    case 'comparison':
      return emitComparison(node, scope);
    case 'logic':
      return scalar(`(${exact(node.left, scope)} ${node.operator} ${exact(node.right, scope)})`);
    case 'otherwise':
      return emitOtherwise(node, scope);
    case 'conditional':
      return emitConditional(node, scope);
    case 'call':
      return emitCall(node, scope);
  }
}

function scalar(text: string, mayBeBigint = false): EmittedScalar {
  return { kind: 'scalar', text, mayBeBigint };
}

/** Computes the text once, into a local that every equal text shares. */
function local(text: string, scope: EmitScope): string {
  const known = scope.locals.get(text);
  if (known !== undefined) return known;
  const name = `v${scope.locals.size}`;
  scope.locals.set(text, name);
  scope.lines.push(`const ${name} = ${text};`);
  return name;
}

function constant(value: Constant, scope: EmitScope): string {
  if (typeof value === 'number') return numberText(value);
  if (typeof value !== 'object') return JSON.stringify(value);
  const text = JSON.stringify(value);
  const known = scope.constants.findIndex((each) => JSON.stringify(each) === text);
  if (known !== -1) return `k[${known}]`;
  scope.constants.push(value);
  return `k[${scope.constants.length - 1}]`;
}

function emitConstant(value: Constant, scope: EmitScope): Emitted {
  if (typeof value !== 'object') return scalar(constant(value, scope));
  return { kind: 'elements', elements: value.map((each) => constant(each, scope)) };
}

function emitReference(text: string, type: ExpressionType, fallback: unknown, scope: EmitScope): Emitted {
  const mayBeBigint = type.base === 'int';
  if (type.length !== undefined) {
    const array = fallback === undefined ? text : `(${text} ?? ${bigintSafe(fallback, scope)})`;
    return { kind: 'array', text: local(array, scope), mayBeBigint };
  }
  if (fallback !== undefined)
    return scalar(local(`${text} ?? ${bigintSafe(fallback, scope)}`, scope), mayBeBigint);
  if (!type.nullable || type.base === 'string' || type.base === 'bool')
    return scalar(local(text, scope), mayBeBigint);
  return scalar(local(`${text} ?? NaN`, scope), mayBeBigint);
}

/** A declared default may hold ints beyond 2^53, which JSON cannot write. */
function bigintSafe(value: unknown, scope: EmitScope): string {
  if (typeof value === 'bigint') return `${value}n`;
  if (Array.isArray(value)) {
    scope.constants.push(value as Constant);
    return `k[${scope.constants.length - 1}]`;
  }
  return constant(value as Constant, scope);
}

function emitElement(node: TypedExpression & { kind: 'element' }, scope: EmitScope): Emitted {
  const of = emitExpression(node.of, scope);
  if (of.kind === 'elements') return scalar(of.elements[node.index] as string);
  if (of.kind === 'scalar') throw new Error('an element of a scalar');
  const text = `${of.text}[${node.index}]`;
  const guarded = node.of.type.nullable ? `(${of.text} === null ? NaN : ${text})` : text;
  return scalar(local(guarded, scope), of.mayBeBigint);
}

/** The text of a scalar, exact: an int may be a bigint. */
function exact(node: TypedExpression, scope: EmitScope): string {
  const emitted = emitExpression(node, scope);
  if (emitted.kind !== 'scalar') throw new Error(`expected a scalar, got ${node.kind}`);
  return emitted.text;
}

/** The text of a scalar as a float. */
function number(node: TypedExpression, scope: EmitScope): string {
  const emitted = emitExpression(node, scope);
  if (emitted.kind !== 'scalar') throw new Error(`expected a number, got ${node.kind}`);
  return emitted.mayBeBigint ? local(`Number(${emitted.text})`, scope) : emitted.text;
}

function emitArithmetic(operator: string, left: string, right: string, scope: EmitScope): Emitted {
  if (operator !== '/') return scalar(`(${left} ${operator} ${right})`);
  const isNonZero = /^\(?-?[\d.e+-]+\)?$/.test(right) && Number(right.replace(/[()]/g, '')) !== 0;
  if (isNonZero) return scalar(`(${left} / ${right})`);
  const divisor = local(right, scope);
  return scalar(`(${divisor} === 0 ? NaN : ${left} / ${divisor})`);
}

function emitComparison(node: TypedExpression & { kind: 'comparison' }, scope: EmitScope): Emitted {
  const [left, right] = [exact(node.left, scope), exact(node.right, scope)];
  const { operator } = node;
  const isText = node.left.type.base === 'string' || node.left.type.base === 'bool';
  if (!isText && operator !== '!=') return scalar(`(${left} ${operator} ${right})`);
  const [a, b] = [local(left, scope), local(right, scope)];
  if (!isText) return scalar(`(${a} != ${b} && ${a} === ${a} && ${b} === ${b})`);
  if (operator === '==') return scalar(`(${a} === ${b} && ${a} !== null)`);
  return scalar(`(${a} !== ${b} && ${a} !== null && ${b} !== null)`);
}

function emitOtherwise(node: TypedExpression & { kind: 'otherwise' }, scope: EmitScope): Emitted {
  const asFloat = node.type.base === 'float';
  if (node.type.length !== undefined) {
    const text = local(`(${arrayText(node.left, scope)} ?? ${arrayText(node.right, scope)})`, scope);
    return { kind: 'array', text, mayBeBigint: true };
  }
  if (node.type.base === 'string' || node.type.base === 'bool') {
    return scalar(local(`(${exact(node.left, scope)} ?? ${exact(node.right, scope)})`, scope));
  }
  const side = asFloat ? number : exact;
  const [left, right] = [local(side(node.left, scope), scope), side(node.right, scope)];
  return scalar(local(`(${left} === ${left} ? ${left} : ${right})`, scope), !asFloat && mayBeBigint(node));
}

function emitConditional(node: TypedExpression & { kind: 'conditional' }, scope: EmitScope): Emitted {
  const test = exact(node.test, scope);
  if (node.type.length !== undefined) {
    const text = local(
      `(${test} ? ${arrayText(node.then, scope)} : ${arrayText(node.otherwise, scope)})`,
      scope,
    );
    return { kind: 'array', text, mayBeBigint: true };
  }
  const side = node.type.base === 'float' ? number : exact;
  const text = `(${test} ? ${side(node.then, scope)} : ${side(node.otherwise, scope)})`;
  return scalar(local(text, scope), node.type.base === 'int' && mayBeBigint(node));
}

/** Whether an int can come from a reference; what functions give is always safe. */
function mayBeBigint(node: TypedExpression): boolean {
  if (node.type.base !== 'int') return false;
  if (node.kind === 'request' || node.kind === 'feature' || node.kind === 'element') return true;
  if (node.kind === 'otherwise') return mayBeBigint(node.left) || mayBeBigint(node.right);
  if (node.kind === 'conditional') return mayBeBigint(node.then) || mayBeBigint(node.otherwise);
  return false;
}

/** The text of a vector as an array, or null. */
function arrayText(node: TypedExpression, scope: EmitScope): string {
  if (node.kind === 'constant') return constant(node.value, scope);
  const emitted = emitExpression(node, scope);
  if (emitted.kind === 'array') return emitted.text;
  if (emitted.kind === 'elements') return local(`[${emitted.elements.join(', ')}]`, scope);
  throw new Error(`expected a vector, got ${node.kind}`);
}

function emitCall(node: TypedExpression & { kind: 'call' }, scope: EmitScope): Emitted {
  const { spec, constants } = node;
  const args = node.args.map((arg, i) => argumentText(spec, arg, i, scope));
  if (spec.emit !== undefined) {
    const text = spec.emit(
      args.map((each) => local(each, scope)),
      constants,
    );
    if (typeof text === 'string') return scalar(local(text, scope));
    return { kind: 'elements', elements: text };
  }
  const values = [...args, ...constants.map((value) => constant(value, scope))].join(', ');
  const call = `f[${functionIndex(spec, scope)}](${values})`;
  if (node.type.length === undefined) return scalar(local(call, scope));
  return { kind: 'array', text: local(call, scope), mayBeBigint: false };
}

function functionIndex(spec: FunctionSpec, scope: EmitScope): number {
  const known = scope.functions.indexOf(spec.evaluate);
  return known === -1 ? scope.functions.push(spec.evaluate) - 1 : known;
}

function argumentText(spec: FunctionSpec, arg: TypedExpression, index: number, scope: EmitScope): string {
  if (arg.type.length !== undefined) return arrayText(arg, scope);
  const parameter = spec.parameters[Math.min(index, spec.parameters.length - 1)];
  return parameter === 'number' ? number(arg, scope) : exact(arg, scope);
}
