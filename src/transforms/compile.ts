/**
 * Typed expressions to one JavaScript function that writes all slots of a row, or a condition to one that judges an
 * event.
 *
 * Into the generated text go only: names made here (v0, r1, t2 …), operators, numbers, and strings as JSON. It is
 * straight-line code: every shared value is computed once into a local, both branches of `?:` included, which is sound
 * because no expression has effects or throws. Scalars allocate nothing.
 */
import type { FeatureView } from '../project/project.ts';
import type { Value } from '../project/value.ts';
import { emitExpression } from './emit.ts';
import type { EmitScope, EmittedScalar } from './emit.ts';
import { slotCount } from './slots.ts';
import type { ElementType, TensorData, TransformInput } from './slots.ts';
import type { TypedExpression } from './typed-expression.ts';

/** A row as the store gives it: event time, then the values in the order of the view's features. */
export type TransformRow = readonly Value[];

export type Reads = readonly { readonly binding: string; readonly view: FeatureView }[];

export interface CompiledTransforms {
  /** The rows that `fill` wants, in its order. */
  readonly reads: Reads;
  /** Slots per row, one entry per input. */
  readonly widths: readonly number[];
  /**
   * Writes row `at` of the tensors: slot s of input i at `tensors[i][at * widths[i] + s]`.
   * @param request the request's values by field index
   * @param rows one per entry of `reads`; a row that is missing is passed as one of nulls
   */
  fill(
    tensors: readonly TensorData[],
    at: number,
    request: readonly Value[],
    rows: readonly TransformRow[],
    asOfMs: number,
  ): void;
  /** The generated text, for people and tests. */
  readonly source: string;
}

/** The expressions must have passed `requireSlot`. */
export function compileTransforms(inputs: readonly TransformInput[]): CompiledTransforms {
  const scope = createScope(collectReads(inputs));
  const widths = inputs.map(({ expressions }) =>
    expressions.reduce((sum, { type }) => sum + slotCount(type), 0),
  );
  inputs.forEach(({ elementType, expressions }, i) => {
    scope.lines.push(`const t${i} = tensors[${i}], o${i} = at * ${widths[i]};`);
    let slot = 0;
    for (const expression of expressions) {
      writeSlots(scope, `t${i}`, `o${i}`, slot, elementType, expression);
      slot += slotCount(expression.type);
    }
  });
  const source = sourceText(scope, 'fill(tensors, at, request, rows, asOfMs)');
  return {
    reads: scope.reads,
    widths,
    fill: evaluateSource(source, scope) as CompiledTransforms['fill'],
    source,
  };
}

/** Judges the values of an event by field index. */
export type EventCondition = (event: readonly Value[]) => boolean;

/** @param condition what `checkCondition` gave for the fields of the event */
export function compileCondition(condition: TypedExpression): EventCondition {
  return compileScalar(condition, ofEvent) as EventCondition;
}

/** Judges the values of a request row by field index. */
export type RequestCondition = (request: readonly Value[], asOfMs: number) => boolean;

/** @param condition what `checkCondition` gave for a request without entities */
export function compileRequestCondition(condition: TypedExpression): RequestCondition {
  return compileScalar(condition, 'ofRequest(request, asOfMs)') as RequestCondition;
}

/** A number or a bool from the values of an event by field index; null = missing. */
export type EventNumber = (event: readonly Value[]) => number | bigint | boolean | null;

/** @param expression what `checkExpression` gave for the fields of the event: a single number or bool */
export function compileEventNumber(expression: TypedExpression): EventNumber {
  const evaluate = compileScalar(expression, ofEvent) as EventNumber;
  return (event) => {
    const value = evaluate(event);
    return value === undefined || Number.isNaN(value) ? null : value;
  };
}

const ofEvent = 'ofEvent(event)';

function compileScalar(expression: TypedExpression, signature: string): unknown {
  const scope = createScope([]);
  const emitted = emitExpression(expression, scope);
  if (emitted.kind !== 'scalar') throw new Error('an expression without a model is not a vector');
  scope.lines.push(`return ${emitted.text};`);
  return evaluateSource(sourceText(scope, signature), scope);
}

function evaluateSource(source: string, { functions, constants }: EmitScope): unknown {
  // The text is generated: no name and no text of the project file reaches it unencoded.
  const create = new Function('f', 'k', source) as (
    f: EmitScope['functions'],
    k: EmitScope['constants'],
  ) => unknown;
  return create(functions, constants);
}

function sourceText({ functions, constants, lines }: EmitScope, signature: string): string {
  return [
    '"use strict";',
    ...functions.map((_, i) => `const f${i} = f[${i}];`),
    ...constants.map((_, i) => `const k${i} = k[${i}];`),
    `return function ${signature} {`,
    ...lines.map((line) => `  ${line}`),
    '};',
  ].join('\n');
}

/** The distinct (binding, view) pairs that expressions name, in the order they are first named. */
export function collectReads(inputs: readonly TransformInput[]): Reads {
  const reads = new Map<string, Reads[number]>();
  const visit = (node: TypedExpression): void => {
    if (node.kind === 'feature') {
      const key = `${node.binding}.${node.view.name}`;
      if (!reads.has(key)) reads.set(key, { binding: node.binding, view: node.view });
    }
    for (const child of children(node)) visit(child);
  };
  for (const { expressions } of inputs) for (const expression of expressions) visit(expression);
  return [...reads.values()];
}

/** Whether any expression names a protected feature. */
export function namesProtected(inputs: readonly TransformInput[]): boolean {
  const finds = (node: TypedExpression): boolean =>
    (node.kind === 'feature' && node.feature.isProtected === true) || children(node).some(finds);
  return inputs.some(({ expressions }) => expressions.some(finds));
}

function children(node: TypedExpression): readonly TypedExpression[] {
  switch (node.kind) {
    case 'constant':
    case 'request':
    case 'event':
    case 'feature':
    case 'as_of':
      return [];
    case 'element':
      return [node.of];
    case 'negate':
    case 'not':
      return [node.operand];
    case 'arithmetic':
    case 'comparison':
    case 'logic':
    case 'otherwise':
      return [node.left, node.right];
    case 'conditional':
      return [node.test, node.yes, node.no];
    case 'call':
      return node.args;
  }
}

function createScope(reads: Reads): EmitScope {
  const lines = reads.map((_, i) => `const r${i} = rows[${i}];`);
  const readIndex = new Map(reads.map(({ binding, view }, i) => [`${binding}.${view.name}`, i]));
  return { reads, readIndex, lines, locals: new Map(), functions: [], constants: [] };
}

function writeSlots(
  scope: EmitScope,
  tensor: string,
  offset: string,
  slot: number,
  elementType: ElementType,
  expression: TypedExpression,
): void {
  const emitted = emitExpression(expression, scope);
  const at = (index: number | string): string => `${tensor}[${offset} + ${index}]`;
  if (emitted.kind === 'array') {
    const isFloat = elementType === 'float32' || elementType === 'float64';
    const missing = isFloat
      ? `if (${emitted.text} === null) ${tensor}.fill(NaN, ${offset} + ${slot}, ${offset} + ${slot + slotCount(expression.type)}); else `
      : '';
    const element: EmittedScalar = {
      kind: 'scalar',
      text: `${emitted.text}[i]`,
      isBigintPossible: emitted.isBigintPossible,
    };
    const value = slotText(element, expression, elementType);
    scope.lines.push(
      `${missing}for (let i = 0; i < ${slotCount(expression.type)}; i++) ${at(`${slot} + i`)} = ${value};`,
    );
    return;
  }
  const scalars: EmittedScalar[] =
    emitted.kind === 'scalar'
      ? [emitted]
      : emitted.elements.map((text) => ({ kind: 'scalar', text, isBigintPossible: false }));
  scalars.forEach((each, i) => {
    scope.lines.push(`${at(slot + i)} = ${slotText(each, expression, elementType)};`);
  });
}

/** A value as the tensor's element. */
function slotText(value: EmittedScalar, { type }: TypedExpression, elementType: ElementType): string {
  const { text, isBigintPossible } = value;
  if (type.base === 'bool') {
    const number = type.nullable ? `(${text} === null ? NaN : ${text} ? 1 : 0)` : `(${text} ? 1 : 0)`;
    return elementType === 'int64' ? `BigInt(${number})` : number;
  }
  if (elementType === 'int64') return `BigInt(${text})`;
  return isBigintPossible ? `Number(${text})` : text;
}
