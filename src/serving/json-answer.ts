/** Answers as JSON text. What is the same in every answer of a plan is put together when the plan is made. */
import type { OutputData, RunOutputs, TensorData } from '../inference/batcher.ts';
import { float16ToNumber } from '../inference/float16.ts';
import type { Answer, AnswerField, AnswerNames, Coding } from './answer.ts';
import { jsonText } from '../project/json-text.ts';

/** @param lead fields that stand before all others, each with a comma behind it: `"id":7,` */
export type JsonAnswer = (answer: Answer, requestId: string, lead: string) => string;

interface JsonField extends AnswerField {
  /** The name with what stands around it: `{"delayed":` or `,"delay":`. */
  readonly prefix: string;
}

export function createJsonAnswer(names: AnswerNames, answerFields: readonly AnswerField[]): JsonAnswer {
  const head = `",${JSON.stringify(names).slice(1, -1)},"predictions":[`;
  const fields = answerFields.map((field, i) => ({
    ...field,
    prefix: `${i === 0 ? '{' : ','}${JSON.stringify(field.name)}:`,
  }));
  return (answer, requestId, lead) => {
    let text = `{${lead}"request_id":"${requestId}${head}`;
    for (const { outputs, row, at, count } of answer.parts) {
      for (let i = 0; i < count; i++) text += (row + i === 0 ? '' : ',') + rowText(fields, outputs, at + i);
    }
    return answer.trace === undefined ? `${text}]}` : `${text}],"trace":${jsonText(answer.trace)}}`;
  };
}

/** The answer of one row: `{"delayed":0.25}`. */
function rowText(fields: readonly JsonField[], outputs: RunOutputs, at: number): string {
  let text = '';
  for (const field of fields) {
    const { data, width } = outputs[field.output] as OutputData;
    text += field.prefix;
    if (field.column !== undefined) text += valueText(data, at * width + field.column, field.coding);
    else if (width === 1) text += valueText(data, at, field.coding);
    else text += vectorText(data, at * width, width, field.coding);
  }
  return `${text}}`;
}

function vectorText(data: TensorData, from: number, width: number, coding: Coding): string {
  let text = '[';
  for (let i = 0; i < width; i++) text += `${i === 0 ? '' : ','}${valueText(data, from + i, coding)}`;
  return `${text}]`;
}

function valueText(data: TensorData, index: number, coding: Coding): string {
  const value = data[index] as number | bigint | string;
  if (typeof value === 'number') {
    if (coding === 'plain') return numberText(value);
    if (coding === 'float16') return numberText(float16ToNumber(value));
    return value === 0 ? 'false' : 'true';
  }
  return typeof value === 'bigint' ? String(value) : JSON.stringify(value);
}

function numberText(value: number): string {
  return Number.isFinite(value) ? String(value) : 'null';
}
