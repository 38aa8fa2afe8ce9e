/**
 * The answer of a prediction as the model left it: slices of the outputs of one run or several. Each encoding writes
 * it in its own way, straight from the tensors: json-answer.ts, message-pack-answer.ts.
 */
import type { OutputData } from '../inference/batcher.ts';
import type { JsonObject } from '../project/json-text.ts';
import type { Plan } from './plan.ts';

/** Rows of the request that shared a run. */
export interface AnswerPart {
  /** The first of them in the request. */
  readonly row: number;
  /** The first of them in the outputs. */
  readonly at: number;
  readonly count: number;
  readonly outputs: readonly OutputData[];
}

export interface Answer {
  readonly plan: Plan;
  readonly rowCount: number;
  /** In the order of the request; together they are all its rows. */
  readonly parts: readonly AnswerPart[];
  readonly trace: JsonObject | undefined;
}

/** One field of the answer of a row. */
export interface AnswerField {
  readonly name: string;
  /** Position of the tensor among the model's outputs. */
  readonly output: number;
  /** One column of it, or undefined for all. */
  readonly column: number | undefined;
  readonly isBool: boolean;
}

/** What every answer of a plan names, in this order. */
export interface AnswerNames {
  readonly endpoint: string;
  readonly model: string;
  readonly version: string;
  readonly variant: string;
}
