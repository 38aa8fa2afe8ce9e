/** Which expressions may fill which tensors, and how many slots of a row each takes. */
import { ExpressionError } from './expression-error.ts';
import { formatType } from './typed-expression.ts';
import type { ExpressionType, TypedExpression } from './typed-expression.ts';

export type ElementType = 'float32' | 'float64' | 'int64' | 'bool' | 'string';

/** The elements of a tensor, row by row; a bool is a byte, 0 or 1. Those that are filled have an `ElementType`. */
export type TensorData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | string[];

/** One input of the model: its type, and the expressions that fill its slots in order. */
export interface TransformInput {
  readonly elementType: ElementType;
  readonly expressions: readonly TypedExpression[];
}

export function slotCount({ length }: ExpressionType): number {
  return length ?? 1;
}

/**
 * Float tensors take numbers and bools, a missing one as NaN. The others have no place for a missing value.
 * @throws ExpressionError if values of this type cannot be written into such a tensor; `text` is the expression
 */
export function requireSlot(elementType: ElementType, type: ExpressionType, text: string): void {
  const is = `${text} is ${formatType(type)}`;
  if (type.base === 'timestamp') {
    throw new ExpressionError(
      `${is}; a model takes no times`,
      'use hour(t), day_of_week(t) … or seconds_between(t, as_of)',
    );
  }
  if (elementType === 'float32' || elementType === 'float64') {
    if (type.base === 'string') {
      throw new ExpressionError(`${is}; the input is ${elementType}`, 'use onehot, hash or lookup');
    }
    return;
  }
  const bases: Record<string, readonly string[]> = {
    int64: ['int', 'bool'],
    bool: ['bool'],
    string: ['string'],
  };
  if (!(bases[elementType] as readonly string[]).includes(type.base)) {
    const isNumber = elementType === 'int64' && type.base === 'float' && type.length === undefined;
    throw new ExpressionError(
      `${is}; the input is ${elementType}`,
      isNumber ? `write round(${text}) ?? 0` : undefined,
    );
  }
  if (!type.nullable) return;
  const fallback = { int64: type.base === 'bool' ? 'false' : '0', bool: 'false', string: '""' }[elementType];
  throw new ExpressionError(
    `${is}; ${elementType === 'int64' ? 'an' : 'a'} ${elementType} input has no missing values`,
    type.length === undefined ? `write (${text}) ?? ${fallback}` : `write ${text} ?? zeros(${type.length})`,
  );
}
