/** One answered prediction as a line of the prediction log: `RecordParts` of events/prediction-events.ts as JSON. */
import { ageMs } from '../features/feature-status.ts';
import type { Row } from '../features/online-store.ts';
import type { BlockShape, LoggedAssignment, LoggedValue } from '../events/prediction-events.ts';
import type { OutputData } from '../inference/batcher.ts';
import { float16ToNumber } from '../inference/float16.ts';
import type { Endpoint, Feature, Variant } from '../project/project.ts';
import type { Value } from '../project/value.ts';
import type { AnswerField, AnswerPart, Coding } from './answer.ts';
import { createFieldProtection, loggedFeature, loggedValue } from './field-protection.ts';
import type { PlanRead } from './plan.ts';

export interface ServedPrediction {
  readonly requestId: string;
  readonly timeMs: number;
  /** Undefined = the time of the prediction. */
  readonly asOfMs: number | undefined;
  readonly latencyMs: number;
  /** How likely it was that this variant answers. */
  readonly propensity: number;
  /** Undefined = nothing else could answer. */
  readonly assignment: LoggedAssignment | undefined;
  readonly rows: readonly (readonly Value[])[];
  /** By row and read; undefined = the features are not logged. */
  readonly entityRows: readonly (readonly Row[])[] | undefined;
  readonly parts: readonly AnswerPart[];
}

/** What a line needs to know of a plan. */
export interface LoggedPlan {
  readonly answer: readonly AnswerField[];
  readonly reads: readonly PlanRead[];
}

export interface LogEntryWriter {
  /** What all lines have in common: endpoint, variant, model, version, shape. */
  readonly head: readonly string[];
  line(served: ServedPrediction): string;
  /** How many values the line has, about. */
  valueCount(served: ServedPrediction): number;
}

export function createLogEntryWriter(
  endpoint: Endpoint,
  variant: Variant,
  { answer, reads }: LoggedPlan,
  hashKey: Buffer,
): LogEntryWriter {
  const protection = createFieldProtection(endpoint, hashKey);
  const { model, version, bindings } = variant.model;
  const shape: BlockShape = {
    fields: protection.fields,
    hashed: protection.hashed,
    outputs: answer.map(({ name }) => name),
    bindings: bindings.map(({ name, entity, keyFields }) => ({ name, entity: entity.name, keyFields })),
    reads: reads.map(({ binding, view }) => ({
      binding,
      view: view.name,
      features: view.features.map(({ name }) => name),
    })),
  };
  const fieldCount = Math.max(1, endpoint.request.length + answer.length);
  const featureCount = reads.reduce((sum, { view }) => sum + 1 + view.features.length, 0);
  return {
    head: [endpoint.name, variant.name, model, version, JSON.stringify(shape)],
    line(served) {
      const { requestId, timeMs, asOfMs, latencyMs, propensity, rows, entityRows, parts } = served;
      const latency = Math.round(latencyMs * 1000) / 1000;
      const kept = JSON.stringify(protection.keep(rows));
      const features = entityRows?.map((row) => featuresOf(row, reads, asOfMs ?? timeMs, hashKey)) ?? null;
      const assignment = served.assignment === undefined ? '' : `,${JSON.stringify(served.assignment)}`;
      return `["${requestId}",${timeMs},${asOfMs ?? null},${latency},${propensity},${kept},[${outputTexts(parts, answer)}],${JSON.stringify(features)}${assignment}]`;
    },
    valueCount: ({ rows, entityRows }) =>
      rows.length * (fieldCount + (entityRows === undefined ? 0 : featureCount)),
  };
}

function featuresOf(
  row: readonly Row[],
  reads: readonly PlanRead[],
  asOfMs: number,
  hashKey: Buffer,
): LoggedValue[][] {
  return reads.map((read, i) => {
    const found = row[i] as Row;
    const [, ...values] = found;
    const { features } = read.view;
    const logged = values.map((value, at) => loggedFeature(features[at] as Feature, value, hashKey));
    return [found === read.emptyRow ? null : ageMs(found, asOfMs), ...logged];
  });
}

/** Piece by piece: JSON.stringify and closures for each row took four times as long. */
function outputTexts(parts: readonly AnswerPart[], fields: readonly AnswerField[]): string {
  const texts: string[] = [];
  for (const { outputs, at, count } of parts) {
    for (let i = at; i < at + count; i++) {
      let text = '[';
      for (const field of fields) {
        const data = outputs[field.output] as OutputData;
        text += text === '[' ? outputText(field, data, i) : `,${outputText(field, data, i)}`;
      }
      texts.push(`${text}]`);
    }
  }
  return texts.join(',');
}

function outputText({ column, coding }: AnswerField, { data, width }: OutputData, at: number): string {
  if (column !== undefined) return valueText(data[at * width + column], coding);
  if (width === 1) return valueText(data[at], coding);
  const texts: string[] = [];
  for (let i = at * width; i < (at + 1) * width; i++) texts.push(valueText(data[i], coding));
  return `[${texts.join(',')}]`;
}

/** The answer has just made the same text of the same number, which V8 remembers for a while. */
function valueText(value: number | bigint | string | undefined, coding: Coding): string {
  if (typeof value !== 'number') return JSON.stringify(loggedValue(value ?? null));
  if (coding === 'bool') return value === 0 ? 'false' : 'true';
  const number = coding === 'float16' ? float16ToNumber(value) : value;
  return Number.isFinite(number) ? String(number) : 'null';
}
