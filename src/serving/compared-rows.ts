/** Which rows of a request are compared, and what is compared of them. */
import type { OutputData } from '../inference/batcher.ts';
import { float16ToNumber } from '../inference/float16.ts';
import type { AnswerField, AnswerPart } from './answer.ts';

/** All of few; of more, so many of them, evenly spread, as neighbours are often alike. */
export function comparedRows(rowCount: number, rowsMax: number): number[] {
  const count = Math.min(rowCount, rowsMax);
  return Array.from({ length: count }, (_, i) => Math.floor((i * rowCount) / count));
}

/**
 * One number a row; a vector counts by its first element, what is no number as NaN.
 * @param parts in the order of their rows
 * @param rows ascending
 */
export function numbersOf(
  parts: readonly AnswerPart[],
  { output, column = 0, coding }: AnswerField,
  rows: readonly number[],
): number[] {
  const numbers: number[] = [];
  let p = 0;
  for (const row of rows) {
    let part = parts[p];
    while (part !== undefined && row >= part.row + part.count) part = parts[++p];
    if (part === undefined) break;
    const { data, width } = part.outputs[output] as OutputData;
    const value = data[(part.at + row - part.row) * width + column];
    if (typeof value === 'string') numbers.push(Number.NaN);
    else numbers.push(coding === 'float16' ? float16ToNumber(Number(value)) : Number(value));
  }
  return numbers;
}
