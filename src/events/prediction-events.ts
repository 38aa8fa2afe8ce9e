/**
 * The events of the prediction log: what was answered (`prediction`), what came of it (`feedback`), and which unit saw
 * which variant (`exposure`). The first two lie in the partition of their request id, where a reader finds them together
 * (joined-predictions.ts).
 *
 * A `prediction` holds many: those of one partition, endpoint, variant and model that were answered within a moment. An
 * event costs about 6 us to append, which is a third of what a small request costs; in a block of 50 it is 0.1 us. What
 * all of a block have in common stands in it once:
 *
 *   shape     JSON: the names of what follows (BlockShape)
 *   count     how many records there are
 *   records   a line of JSON for each request (RecordParts), in the order of the shape
 *
 * So it can be read without the project that wrote it, after fields were added or removed.
 */
import type { DataType, ScalarName } from '../project/data-type.ts';
import type { EventField, EventType } from '../project/project.ts';
import type { AssignmentHow } from '../project/rollout.ts';
import { partitionOf } from './partition.ts';

/** Names of what the records of a block hold, in order. */
export interface BlockShape {
  /** Request fields that are kept, and which of them are hashed. */
  readonly fields: readonly string[];
  readonly hashed: readonly string[];
  readonly outputs: readonly string[];
  /** Entity bindings of the model: entity keys are made of request fields. */
  readonly bindings: readonly {
    readonly name: string;
    readonly entity: string;
    readonly keyFields: readonly string[];
  }[];
  /** What was read for each row. */
  readonly reads: readonly {
    readonly binding: string;
    readonly view: string;
    readonly features: readonly string[];
  }[];
}

/** An int64 beyond 2^53 is its digits, a time milliseconds, a number that JSON does not have null. */
export type LoggedValue = string | number | boolean | null | readonly LoggedValue[];

/** One request, as a JSON array. */
export type RecordParts = readonly [
  requestId: string,
  timeMs: number,
  /** What the request said, if it did. */
  asOfMs: number | null,
  latencyMs: number,
  /** How likely it was that this variant answers. */
  propensity: number,
  /** By row: one value per field of the shape. */
  rows: readonly (readonly LoggedValue[])[],
  /** By row: one value per output. */
  outputs: readonly (readonly LoggedValue[])[],
  /** By row and read: age in milliseconds (null = missing, or too old), then a value per feature. */
  features: readonly (readonly (readonly LoggedValue[])[])[] | null,
  /** Why this variant answered; null = nothing else could. Logs of before there were rollouts end without it. */
  assignment?: LoggedAssignment | null,
];

/** As a JSON array. */
export type LoggedAssignment = readonly [
  experiment: string,
  /** The version of the rollout (rollouts/rollout-record.ts). */
  policyVersion: number,
  /** As text, hashed where the field is; the request id where there is none. */
  unit: string,
  how: AssignmentHow,
  /** Whether the caller says that it is no person. */
  isBot: boolean,
];

function scalar(name: ScalarName): DataType {
  return { scalar: name, length: undefined };
}

function typeOf(name: string, fields: Readonly<Record<string, ScalarName>>, optional: boolean): EventType {
  const of = ([field, type]: [string, ScalarName], index: number): EventField => ({
    name: field,
    type: scalar(type),
    index,
    optional,
  });
  return { name, fields: Object.entries(fields).map(of), timeField: undefined };
}

const text = 'string';

export const predictionType: EventType = typeOf(
  'prediction',
  { endpoint: text, variant: text, model: text, version: text, shape: text, count: 'int64', records: text },
  false,
);

/** `label` is JSON, for it may be a number, a text or a truth value. */
export const feedbackType: EventType = typeOf(
  'feedback',
  { request_id: text, row: 'int64', label: text, reward: 'float64', click: 'bool' },
  true,
);

/**
 * A unit has been given a variant, for the first time under a version of the rollout: its id says so, and the log takes
 * no id twice. It lies in the partition of its unit.
 */
export const exposureType: EventType = typeOf(
  'exposure',
  {
    experiment: text,
    endpoint: text,
    policy_version: 'int64',
    unit: text,
    variant: text,
    propensity: 'float64',
    how: text,
    bot: 'bool',
    request_id: text,
  },
  false,
);

export const predictionLogTypes: ReadonlyMap<string, EventType> = new Map(
  [predictionType, feedbackType, exposureType].map((type) => [type.name, type]),
);

export function requestPartition(requestId: string, partitionCount: number): number {
  return partitionOf([requestId], partitionCount);
}
