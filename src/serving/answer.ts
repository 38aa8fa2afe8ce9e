/**
 * The answer of a prediction as the model left it: slices of the outputs of one run or several. Each encoding writes
 * it in its own way, straight from the tensors: json-answer.ts, message-pack-answer.ts.
 */
import type { RunOutputs } from '../inference/batcher.ts';
import type { ElementType } from '../inference/session.ts';
import type { JsonObject } from '../project/json-text.ts';
import type { Plan } from './plan.ts';

/** Rows of the request that shared a run. */
export interface AnswerPart {
  /** The first of them in the request. */
  readonly row: number;
  /** The first of them in the outputs. */
  readonly at: number;
  readonly count: number;
  readonly outputs: RunOutputs;
}

export interface Answer {
  readonly plan: Plan;
  readonly rowCount: number;
  /** In the order of the request; together they are all its rows. */
  readonly parts: readonly AnswerPart[];
  readonly trace: JsonObject | undefined;
}

/** What the numbers of a tensor stand for: themselves, 0 and 1 of a bool, or the bits of a float16. */
export type Coding = 'plain' | 'bool' | 'float16';

export function codingOf(elementType: ElementType | undefined): Coding {
  return elementType === 'bool' || elementType === 'float16' ? elementType : 'plain';
}

/** One field of the answer of a row. */
export interface AnswerField {
  readonly name: string;
  /** Position of the tensor among the model's outputs. */
  readonly output: number;
  /** One column of it, or undefined for all. */
  readonly column: number | undefined;
  readonly coding: Coding;
}

/** What every answer of a plan names, in this order. */
export interface AnswerNames {
  readonly endpoint: string;
  readonly model: string;
  readonly version: string;
  readonly variant: string;
}
