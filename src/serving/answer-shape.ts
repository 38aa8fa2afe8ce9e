/** What the answers of endpoints look like, for whoever describes them. */
import { declaredWidth } from '../inference/resolve-outputs.ts';
import type { ElementType, TensorSpec } from '../inference/session.ts';
import type { ServedVariant } from './compile-project.ts';

/** What one variant answers for each row. */
export interface AnswerShape {
  readonly variant: string;
  readonly model: string;
  readonly version: string;
  readonly fields: readonly AnswerFieldShape[];
}

export interface AnswerFieldShape {
  readonly name: string;
  readonly elementType: ElementType;
  /** 1 = a value by itself, more = an array of so many; undefined = the model leaves it open. */
  readonly width: number | undefined;
}

/** By endpoint, in the order of its variants. */
export function answerShapes(
  variants: readonly ServedVariant[],
): ReadonlyMap<string, readonly AnswerShape[]> {
  const shapes = new Map<string, AnswerShape[]>();
  for (const served of variants) {
    const { name } = served.endpoint;
    shapes.set(name, [...(shapes.get(name) ?? []), shapeOf(served)]);
  }
  return shapes;
}

function shapeOf({ variant, loaded, compiled }: ServedVariant): AnswerShape {
  const fields = compiled.answer.map(({ name, output, column }): AnswerFieldShape => {
    const spec = loaded.session.outputs[output] as TensorSpec;
    return { name, elementType: spec.elementType, width: column === undefined ? declaredWidth(spec) : 1 };
  });
  return { variant: variant.name, model: variant.model.model, version: variant.model.version, fields };
}
