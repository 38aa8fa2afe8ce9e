/**
 * Answers as MessagePack, with the fields and values of the JSON ones, written straight from the model's outputs. What
 * is the same in every answer of a plan is encoded when the plan is made.
 */
import type { OutputData, RunOutputs, TensorData } from '../inference/batcher.ts';
import { float16ToNumber } from '../inference/float16.ts';
import type { Answer, AnswerField, AnswerNames, Coding } from './answer.ts';
import { MessagePackWriter } from './message-pack-writer.ts';

/** @param id stands before all other fields */
export type MessagePackAnswer = (
  writer: MessagePackWriter,
  answer: Answer,
  requestId: string,
  id: string | number | null,
) => void;

interface PackedField extends AnswerField {
  /** The encoded name; that of the first field has the head of the row's map before it. */
  readonly prefix: Uint8Array;
}

export function createMessagePackAnswer(
  names: AnswerNames,
  answerFields: readonly AnswerField[],
): MessagePackAnswer {
  const idPrefix = encoded((writer) => writer.string('id'));
  const requestIdPrefix = encoded((writer) => writer.string('request_id'));
  const head = encoded((writer) => {
    for (const [name, value] of Object.entries(names)) {
      writer.string(name);
      writer.string(value as string);
    }
    writer.string('predictions');
  });
  const fieldCount = 2 + Object.keys(names).length + 1;
  const fields = answerFields.map((field, i) => ({
    ...field,
    prefix: encoded((writer) => {
      if (i === 0) writer.mapHead(answerFields.length);
      writer.string(field.name);
    }),
  }));
  return (writer, answer, requestId, id) => {
    writer.mapHead(answer.trace === undefined ? fieldCount : fieldCount + 1);
    writer.raw(idPrefix);
    writer.value(id);
    writer.raw(requestIdPrefix);
    writer.string(requestId);
    writer.raw(head);
    writer.arrayHead(answer.rowCount);
    for (const { outputs, at, count } of answer.parts) {
      for (let i = 0; i < count; i++) writeRow(writer, fields, outputs, at + i);
    }
    if (answer.trace === undefined) return;
    writer.string('trace');
    writer.value(answer.trace);
  };
}

function encoded(write: (writer: MessagePackWriter) => void): Uint8Array {
  const writer = new MessagePackWriter();
  write(writer);
  return Uint8Array.from(writer.bytes.subarray(0, writer.length));
}

function writeRow(
  writer: MessagePackWriter,
  fields: readonly PackedField[],
  outputs: RunOutputs,
  at: number,
): void {
  for (const field of fields) {
    const { data, width } = outputs[field.output] as OutputData;
    writer.raw(field.prefix);
    if (field.column !== undefined) {
      writeValue(writer, data, at * width + field.column, field.coding);
    } else if (width === 1) {
      writeValue(writer, data, at, field.coding);
    } else {
      writer.arrayHead(width);
      for (let i = 0; i < width; i++) writeValue(writer, data, at * width + i, field.coding);
    }
  }
}

function writeValue(writer: MessagePackWriter, data: TensorData, index: number, coding: Coding): void {
  const value = data[index] as number | bigint | string;
  if (typeof value === 'string') writer.string(value);
  else if (typeof value === 'bigint') writer.bigint(value);
  else if (data instanceof Float32Array) writer.single(value);
  else if (coding === 'bool') writer.boolean(value !== 0);
  else if (coding === 'float16') writer.single(float16ToNumber(value));
  else if (data instanceof Float64Array) writer.double(value);
  else writer.number(value);
}
