/** One typed expression to JavaScript text. compile.ts says what may reach the text. */
import type { Reads } from './compile.ts';
import type { FunctionSpec } from './functions.ts';
import { numberText } from './number-text.ts';
import type { Constant, Evaluated, ExpressionType, TypedExpression } from './typed-expression.ts';

/** Names and numbers, which need no local. */
const isAtom = /^(?:[\w.]+|\(-[\d.]+\))$/;

export interface EmitScope {
  readonly reads: Reads;
  /** `binding.view` -> position in `reads`. */
  readonly readIndex: ReadonlyMap<string, number>;
  /** Statements so far. */
  readonly lines: string[];
  /** Text of a value -> the local that holds it. */
  readonly locals: Map<string, string>;
  /** What the names `f0`, `f1` … mean in the generated function. */
  readonly functions: FunctionSpec['evaluate'][];
  /** The same for `k0`, `k1` …: vectors and lists. */
  readonly constants: Evaluated[];
}

export interface EmittedScalar {
  readonly kind: 'scalar';
  readonly text: string;
  readonly isBigintPossible: boolean;
}

/** Text that gives a value: one scalar, a vector held in an array (or null), or a vector as its elements' texts. */
export type Emitted =
  | EmittedScalar
  | { readonly kind: 'array'; readonly text: string; readonly isBigintPossible: boolean }
  | { readonly kind: 'elements'; readonly elements: readonly string[] };

export function emitExpression(node: TypedExpression, scope: EmitScope): Emitted {
  switch (node.kind) {
    case 'constant':
      return emitConstant(node.value, scope);
    case 'request':
      return emitReference(`request[${node.index}]`, node.type, undefined, scope);
    case 'event':
      return emitReference(`event[${node.index}]`, node.type, undefined, scope);
    case 'feature': {
      const row = scope.readIndex.get(`${node.binding}.${node.view.name}`);
      return emitReference(`r${row}[${node.feature.index + 1}]`, node.type, node.feature.default, scope);
    }
    case 'as_of':
      return scalar('asOfMs');
    case 'element':
      return emitElement(node, scope);
    case 'negate':
      return scalar(`(-${float(node.operand, scope)})`);
    case 'not':
      return scalar(`(!${exact(node.operand, scope)})`);
    case 'arithmetic':
      return emitArithmetic(node, scope);
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

function scalar(text: string, isBigintPossible = false): EmittedScalar {
  return { kind: 'scalar', text, isBigintPossible };
}

/** Computes the text once, into a local that every equal text shares. */
function local(text: string, scope: EmitScope): string {
  if (isAtom.test(text)) return text;
  const known = scope.locals.get(text);
  if (known !== undefined) return known;
  const name = `v${scope.locals.size}`;
  scope.locals.set(text, name);
  scope.lines.push(`const ${name} = ${text};`);
  return name;
}

/** A value known now: a literal, or the name of a constant list. */
function constantText(value: Constant | Exclude<Evaluated, null>, scope: EmitScope): string {
  if (typeof value === 'number') return numberText(value);
  if (typeof value === 'bigint') return `(${value}n)`;
  if (typeof value !== 'object') return JSON.stringify(value);
  const list = value as Exclude<Evaluated, null>;
  const same = scope.constants.findIndex((each) => Array.isArray(each) && isSameList(each, value));
  return `k${same === -1 ? scope.constants.push(list) - 1 : same}`;
}

function isSameList(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((each, i) => Object.is(each, b[i]));
}

function emitConstant(value: Constant, scope: EmitScope): Emitted {
  if (typeof value !== 'object') return scalar(constantText(value, scope));
  return { kind: 'array', text: constantText(value, scope), isBigintPossible: false };
}

function emitReference(
  text: string,
  type: ExpressionType,
  standIn: Exclude<Evaluated, null> | undefined,
  scope: EmitScope,
): Emitted {
  const isBigintPossible = type.base === 'int';
  const isNullWhenMissing = type.length !== undefined || type.base === 'string' || type.base === 'bool';
  let value = text;
  if (standIn !== undefined) value = `${text} ?? ${constantText(standIn, scope)}`;
  else if (type.nullable && !isNullWhenMissing) value = `${text} ?? NaN`;
  const kind = type.length === undefined ? 'scalar' : 'array';
  return { kind, text: local(value, scope), isBigintPossible };
}

function emitElement(node: TypedExpression & { kind: 'element' }, scope: EmitScope): Emitted {
  const of = emitExpression(node.of, scope);
  if (of.kind === 'elements') return scalar(of.elements[node.index] as string);
  if (of.kind === 'scalar') throw new Error('an element of a scalar');
  const element = `${of.text}[${node.index}]`;
  const text = local(node.of.type.nullable ? `(${of.text} === null ? NaN : ${element})` : element, scope);
  if (!of.isBigintPossible || node.type.base === 'int') return scalar(text, of.isBigintPossible);
  return scalar(local(`Number(${text})`, scope));
}

/** The text of a scalar, exact: an int may be a bigint. */
function exact(node: TypedExpression, scope: EmitScope): string {
  return emitScalar(node, scope).text;
}

/** The text of a scalar as a float. */
function float(node: TypedExpression, scope: EmitScope): string {
  const { text, isBigintPossible } = emitScalar(node, scope);
  return isBigintPossible ? local(`Number(${text})`, scope) : text;
}

function emitScalar(node: TypedExpression, scope: EmitScope): EmittedScalar {
  const emitted = emitExpression(node, scope);
  if (emitted.kind !== 'scalar') throw new Error(`expected a scalar, got the vector ${node.kind}`);
  return emitted;
}

function emitArithmetic(node: TypedExpression & { kind: 'arithmetic' }, scope: EmitScope): Emitted {
  const { operator } = node;
  const left = float(node.left, scope);
  const right = float(node.right, scope);
  const isDivisorSafe = operator !== '/' || (node.right.kind === 'constant' && node.right.value !== 0);
  if (isDivisorSafe) return scalar(`(${left} ${operator} ${right})`);
  const divisor = local(right, scope);
  return scalar(`(${divisor} === 0 ? NaN : ${left} / ${divisor})`);
}

function emitComparison(node: TypedExpression & { kind: 'comparison' }, scope: EmitScope): Emitted {
  const left = emitScalar(node.left, scope);
  const right = emitScalar(node.right, scope);
  const { operator } = node;
  const isText = node.left.type.base === 'string' || node.left.type.base === 'bool';
  if (isText) {
    const [a, b] = [local(left.text, scope), local(right.text, scope)];
    const isMissing = operator === '==' ? `${a} !== null` : `${a} !== null && ${b} !== null`;
    return scalar(`(${a} ${operator}= ${b} && ${isMissing})`);
  }
  // Only the loose operators know that a bigint may equal a float.
  const equal = left.isBigintPossible || right.isBigintPossible ? operator : `${operator}=`;
  if (operator === '==') return scalar(`(${left.text} ${equal} ${right.text})`);
  if (operator !== '!=') return scalar(`(${left.text} ${operator} ${right.text})`);
  const [a, b] = [local(left.text, scope), local(right.text, scope)];
  return scalar(`(${a} ${equal} ${b} && ${a} === ${a} && ${b} === ${b})`);
}

function emitOtherwise(node: TypedExpression & { kind: 'otherwise' }, scope: EmitScope): Emitted {
  const { base, length } = node.type;
  if (length !== undefined) {
    const text = local(`(${arrayText(node.left, scope)} ?? ${arrayText(node.right, scope)})`, scope);
    return { kind: 'array', text, isBigintPossible: true };
  }
  if (base === 'string' || base === 'bool') {
    return scalar(local(`(${exact(node.left, scope)} ?? ${exact(node.right, scope)})`, scope));
  }
  const side = base === 'float' ? float : exact;
  const [left, right] = [local(side(node.left, scope), scope), side(node.right, scope)];
  return scalar(local(`(${left} === ${left} ? ${left} : ${right})`, scope), canBeBigint(node));
}

function emitConditional(node: TypedExpression & { kind: 'conditional' }, scope: EmitScope): Emitted {
  const test = exact(node.test, scope);
  const isVector = node.type.length !== undefined;
  let side = node.type.base === 'float' ? float : exact;
  if (isVector) side = arrayText;
  const text = local(`(${test} ? ${side(node.yes, scope)} : ${side(node.no, scope)})`, scope);
  return isVector ? { kind: 'array', text, isBigintPossible: true } : scalar(text, canBeBigint(node));
}

/** Whether an int can come from a reference; what functions give is always safe. */
function canBeBigint(node: TypedExpression): boolean {
  if (node.type.base !== 'int') return false;
  if (['request', 'event', 'feature', 'element'].includes(node.kind)) return true;
  if (node.kind === 'otherwise') return canBeBigint(node.left) || canBeBigint(node.right);
  return node.kind === 'conditional' && (canBeBigint(node.yes) || canBeBigint(node.no));
}

/** The text of a vector as an array, or null. */
function arrayText(node: TypedExpression, scope: EmitScope): string {
  const emitted = emitExpression(node, scope);
  if (emitted.kind === 'array') return emitted.text;
  if (emitted.kind === 'elements') return local(`[${emitted.elements.join(', ')}]`, scope);
  throw new Error(`expected a vector, got the scalar ${node.kind}`);
}

function emitCall(node: TypedExpression & { kind: 'call' }, scope: EmitScope): Emitted {
  const { spec, constants } = node;
  if (node.args.length === 0)
    return emitConstant(spec.evaluate(...(constants as never[])) as Constant, scope);
  const args = node.args.map((arg, i) => argumentText(spec, arg, i, scope));
  const inline = spec.emit?.(
    args.map((each) => local(each, scope)),
    constants,
  );
  if (typeof inline === 'string') return scalar(local(inline, scope));
  if (inline !== undefined) return { kind: 'elements', elements: inline };
  const values = [...args, ...constants.map((value) => constantText(value, scope))].join(', ');
  const text = local(`f${functionIndex(spec, scope)}(${values})`, scope);
  return node.type.length === undefined ? scalar(text) : { kind: 'array', text, isBigintPossible: false };
}

function functionIndex(spec: FunctionSpec, scope: EmitScope): number {
  const known = scope.functions.indexOf(spec.evaluate);
  return known === -1 ? scope.functions.push(spec.evaluate) - 1 : known;
}

function argumentText(spec: FunctionSpec, arg: TypedExpression, index: number, scope: EmitScope): string {
  if (arg.type.length !== undefined) return arrayText(arg, scope);
  const parameter = spec.parameters[Math.min(index, spec.parameters.length - 1)];
  return parameter === 'number' ? float(arg, scope) : exact(arg, scope);
}
