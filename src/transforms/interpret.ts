/**
 * The plain reading of a typed expression, one node at a time: slow, obvious, and the check on the compiler. Both must
 * agree bit for bit.
 */
import { collectReads } from './compile.ts';
import type { CompiledTransforms, TransformRow } from './compile.ts';
import { slotCount } from './slots.ts';
import type { ElementType, TensorData, TransformInput } from './slots.ts';
import { missingValue } from './typed-expression.ts';
import type { Evaluated, TypedExpression } from './typed-expression.ts';
import type { Value } from '../project/value.ts';

type Vector = readonly (number | bigint)[];

/** What the names of an expression stand for, for one row. */
export interface RowValues {
  readonly request: readonly Value[];
  /** Of a condition on events. */
  readonly event?: readonly Value[];
  /** `binding.view` -> its row */
  readonly rows: ReadonlyMap<string, TransformRow>;
  readonly asOfMs: number;
}

export function interpretTransforms(inputs: readonly TransformInput[]): Omit<CompiledTransforms, 'source'> {
  const reads = collectReads(inputs);
  const widths = inputs.map(({ expressions }) =>
    expressions.reduce((sum, { type }) => sum + slotCount(type), 0),
  );
  return {
    reads,
    widths,
    fill(tensors, at, request, rows, asOfMs) {
      const named = new Map(reads.map(({ binding, view }, i) => [`${binding}.${view.name}`, rows[i] ?? []]));
      inputs.forEach(({ elementType, expressions }, i) => {
        let slot = at * (widths[i] as number);
        for (const expression of expressions) {
          const value = evaluate(expression, { request, rows: named, asOfMs });
          const length = slotCount(expression.type);
          for (let e = 0; e < length; e++) {
            const element = expression.type.length === undefined ? value : (value as Vector | null)?.[e];
            write(tensors[i] as TensorData, slot++, element ?? null, elementType);
          }
        }
      });
    },
  };
}

function write(tensor: TensorData, slot: number, value: Evaluated, elementType: ElementType): void {
  if (elementType === 'string') (tensor as string[])[slot] = value as string;
  else if (elementType === 'int64')
    (tensor as BigInt64Array)[slot] = BigInt(value as number | bigint | boolean);
  else (tensor as Float64Array)[slot] = value === null ? Number.NaN : Number(value);
}

export function evaluate(node: TypedExpression, row: RowValues): Evaluated {
  const inner = (child: TypedExpression): Evaluated => evaluate(child, row);
  switch (node.kind) {
    case 'constant':
      return node.value as Evaluated;
    case 'request':
      return row.request[node.index] ?? missingValue(node.type);
    case 'event':
      return row.event?.[node.index] ?? missingValue(node.type);
    case 'feature': {
      const stored = row.rows.get(`${node.binding}.${node.view.name}`)?.[node.feature.index + 1];
      return stored ?? node.feature.default ?? missingValue(node.type);
    }
    case 'as_of':
      return row.asOfMs;
    case 'element':
      return converted((inner(node.of) as Vector | null)?.[node.index] ?? Number.NaN, node);
    case 'negate':
      return -Number(inner(node.operand));
    case 'not':
      return inner(node.operand) !== true;
    case 'arithmetic':
      return calculate(node.operator, Number(inner(node.left)), Number(inner(node.right)));
    case 'comparison':
      return compare(node.operator, inner(node.left), inner(node.right));
    case 'logic':
      if (node.operator === '&&') return inner(node.left) === true && inner(node.right) === true;
      return inner(node.left) === true || inner(node.right) === true;
    case 'otherwise': {
      const left = inner(node.left);
      return converted(isMissing(left) ? inner(node.right) : left, node);
    }
    case 'conditional':
      return converted(inner(node.test) === true ? inner(node.yes) : inner(node.no), node);
    case 'call':
      return call(node, node.args.map(inner));
  }
}

function isMissing(value: Evaluated): boolean {
  return value === null || Number.isNaN(value);
}

/** Where an int and a float meet, the value is a float. */
function converted(value: Evaluated, node: TypedExpression): Evaluated {
  return node.type.base === 'float' && typeof value === 'bigint' ? Number(value) : value;
}

function calculate(operator: string, left: number, right: number): number {
  if (operator === '+') return left + right;
  if (operator === '-') return left - right;
  if (operator === '*') return left * right;
  if (right === 0) return Number.NaN;
  return operator === '/' ? left / right : left % right;
}

function compare(operator: string, left: Evaluated, right: Evaluated): boolean {
  if (isMissing(left) || isMissing(right)) return false;
  const [a, b] = [left as number, right as number];
  // A bigint may equal a float, which === would deny.
  const isEqual = a === b || (typeof a !== typeof b && !(a < b) && !(a > b));
  if (operator === '==') return isEqual;
  if (operator === '!=') return !isEqual;
  if (operator === '<') return a < b;
  if (operator === '<=') return a <= b;
  return operator === '>' ? a > b : a >= b;
}

function call(node: TypedExpression & { kind: 'call' }, values: readonly Evaluated[]): Evaluated {
  const { spec, constants } = node;
  const args = values.map((value, i) => {
    const parameter = spec.parameters[Math.min(i, spec.parameters.length - 1)];
    return parameter === 'number' && typeof value === 'bigint' ? Number(value) : value;
  });
  return (spec.evaluate as (...all: readonly unknown[]) => Evaluated)(...args, ...constants);
}
