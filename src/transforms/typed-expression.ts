/**
 * The typed syntax tree. Runtime values, by type, in both the compiled code and the interpreter:
 *
 *   float, timestamp   number; missing = NaN
 *   int                number while safe, bigint beyond 2^53 - 1 (as in project/value.ts); missing = NaN
 *   string, bool       string, boolean; missing = null
 *   vectors            array of numbers or bigints; missing = null
 */
import type { DataType } from '../project/data-type.ts';
import type { Feature, FeatureView } from '../project/project.ts';
import type { Value } from '../project/value.ts';
import type { FunctionSpec } from './functions.ts';
import type { ArithmeticOperator, ComparisonOperator, LogicOperator } from './syntax.ts';

export interface ExpressionType {
  readonly base: 'float' | 'int' | 'string' | 'bool' | 'timestamp';
  /** Elements of a vector; undefined for a scalar. */
  readonly length: number | undefined;
  /** Whether the value may be missing. */
  readonly nullable: boolean;
}

/** A number, string or bool written in the expression, or a list of them. */
export type Constant = number | string | boolean | readonly (number | string | boolean)[];

/** What a value is while an expression is evaluated. */
export type Evaluated = Exclude<Value, null> | null;

interface Typed {
  readonly type: ExpressionType;
}

export type TypedExpression =
  | (Typed & { readonly kind: 'constant'; readonly value: Constant })
  | (Typed & { readonly kind: 'request'; readonly index: number })
  | (Typed & { readonly kind: 'event'; readonly index: number })
  | (Typed & {
      readonly kind: 'feature';
      readonly binding: string;
      readonly view: FeatureView;
      readonly feature: Feature;
    })
  | (Typed & { readonly kind: 'as_of' })
  | (Typed & { readonly kind: 'element'; readonly of: TypedExpression; readonly index: number })
  | (Typed & { readonly kind: 'negate'; readonly operand: TypedExpression })
  | (Typed & { readonly kind: 'not'; readonly operand: TypedExpression })
  | (Typed & { readonly kind: 'arithmetic'; readonly operator: ArithmeticOperator } & Pair)
  | (Typed & { readonly kind: 'comparison'; readonly operator: ComparisonOperator } & Pair)
  | (Typed & { readonly kind: 'logic'; readonly operator: LogicOperator } & Pair)
  | (Typed & { readonly kind: 'otherwise' } & Pair)
  | (Typed & {
      readonly kind: 'conditional';
      readonly test: TypedExpression;
      readonly yes: TypedExpression;
      readonly no: TypedExpression;
    })
  | (Typed & {
      readonly kind: 'call';
      readonly spec: FunctionSpec;
      /** The arguments that are evaluated per row. */
      readonly args: readonly TypedExpression[];
      /** The arguments that are written in the expression: edges, categories, periods. */
      readonly constants: readonly Constant[];
    });

interface Pair {
  readonly left: TypedExpression;
  readonly right: TypedExpression;
}

export function expressionType(type: DataType, nullable: boolean): ExpressionType {
  const { scalar, length } = type;
  if (scalar === 'float32' || scalar === 'float64') return { base: 'float', length, nullable };
  return { base: scalar === 'int64' ? 'int' : scalar, length, nullable };
}

/** `float`, `int[8]`, `string that may be missing` */
export function formatType({ base, length, nullable }: ExpressionType): string {
  return `${base}${length === undefined ? '' : `[${length}]`}${nullable ? ' that may be missing' : ''}`;
}

export function isNumber(type: ExpressionType): boolean {
  return type.length === undefined && (type.base === 'float' || type.base === 'int');
}

/** The missing value of a type. */
export function missingValue(type: ExpressionType): Evaluated {
  if (type.length !== undefined || type.base === 'string' || type.base === 'bool') return null;
  return Number.NaN;
}
