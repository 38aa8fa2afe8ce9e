/**
 * What one ONNX input takes per row: the first dimension of an input is the batch, the others together are the slots
 * of a row. One of the others may be open; it is then as long as the slots make it.
 */
import type { ElementType, TensorSpec } from './session.ts';

/** What expressions can fill. */
const fillableTypes = [
  'float32',
  'float64',
  'int64',
  'bool',
  'string',
] as const satisfies readonly ElementType[];

export type FillableType = (typeof fillableTypes)[number];

export function isFillable(elementType: ElementType): elementType is FillableType {
  return fillableTypes.some((fillable) => fillable === elementType);
}

export interface ExpectedInput {
  readonly elementType: ElementType;
  /** Slots per row; undefined = the input takes any number of them, see `refuseWidth`. */
  readonly width: number | undefined;
  /** Why this many slots do not fit, as a sentence; undefined if they do. */
  refuseWidth(width: number): string | undefined;
  /** The dimensions after the batch, for a width that fits. */
  tail(width: number): number[];
}

export function expectedInput(spec: TensorSpec): ExpectedInput {
  const inner = spec.shape.slice(1);
  const fixed = inner.reduce<number>((product, dim) => product * (dim ?? 1), 1);
  const width = inner.includes(undefined) ? undefined : fixed;
  return {
    elementType: spec.elementType,
    width,
    refuseWidth: (slots) => {
      const subject = `The input "${spec.name}" ${shapeText(spec)} takes`;
      if (width !== undefined)
        return slots === width ? undefined : `${subject} ${width} values per row, not ${slots}.`;
      if (slots > 0 && slots % fixed === 0) return undefined;
      return `${subject} a multiple of ${fixed} values per row, not ${slots}.`;
    },
    tail: (slots) => inner.map((dim) => dim ?? slots / fixed),
  };
}

/** Why rows cannot be fed to this input, whatever their width, as a sentence; undefined if they can. */
export function refuseInput(spec: TensorSpec): string | undefined {
  const subject = `The input "${spec.name}" ${shapeText(spec)}`;
  const [batch, ...inner] = spec.shape;
  if (!isFillable(spec.elementType)) {
    return (
      `The input "${spec.name}" holds ${spec.elementType}; expressions fill ${fillableTypes.join(', ')}. ` +
      'Export the model with one of these, or add a Cast after it.'
    );
  }
  if (spec.shape.length === 0) {
    return `${subject} has no dimension for the batch. Export the model with inputs of the shape [batch, …].`;
  }
  if (batch !== undefined && batch !== 1) {
    return (
      `${subject} takes exactly ${batch} rows a run. Export the model with an open batch dimension ` +
      '(dynamic_axes or dynamic_shapes in PyTorch), or with a batch of 1.'
    );
  }
  if (inner.filter((dim) => dim === undefined).length > 1) {
    return `${subject} leaves more than one dimension open besides the batch. Export the model with all but one fixed.`;
  }
  if (inner.includes(0)) return `${subject} has an empty dimension. Export the model without this input.`;
  return undefined;
}

/** Most rows of one run: 1 for a model that was exported with a batch of 1. */
export function batchRowsMax(inputs: readonly TensorSpec[], rowsMax: number): number {
  return inputs.some((spec) => spec.shape[0] === 1) ? 1 : rowsMax;
}

/** `[batch, 3, ?]` */
function shapeText(spec: TensorSpec): string {
  const dims = spec.shape.map((dim, i) => dim ?? (i === 0 ? 'batch' : '?'));
  return `[${dims.join(', ')}]`;
}
