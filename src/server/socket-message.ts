/** What a message over WebSocket asks for, beside its `id`: the field that stands in it says so. */
import { MillraceError } from '../errors.ts';
import { isRecord } from '../project/json-record.ts';
import type { JsonRecord } from '../project/json-record.ts';
import { shortName } from '../project/problem-list.ts';
import type { IntakeList } from './intake-call.ts';
import { ID_LENGTH_MAX } from './socket-request.ts';

export interface AskedPrediction {
  readonly endpoint: string;
  /** As the body is over HTTP. */
  readonly body: JsonRecord;
}

export interface AskedIntake {
  readonly list: IntakeList;
  /** One event or feedback, or an array of them. */
  readonly input: unknown;
}

const lists: readonly IntakeList[] = ['events', 'feedback'];

/**
 * @param fields of the message, without its id
 * @throws MillraceError INVALID_REQUEST
 */
export function askedOf(fields: JsonRecord): AskedPrediction | AskedIntake {
  const list = lists.find((name) => Object.hasOwn(fields, name));
  if (list === undefined) return askedPrediction(fields);
  const details = Object.keys(fields)
    .filter((name) => name !== list)
    .map((name) => ({ path: shortName(name), message: `does not stand beside \`${list}\`` }));
  if (details.length === 0) return { list, input: fields[list] };
  const sentence = `A message with \`${list}\` has an \`id\` and nothing else.`;
  throw new MillraceError('INVALID_REQUEST', sentence, { details });
}

function askedPrediction({ endpoint, ...body }: JsonRecord): AskedPrediction {
  if (typeof endpoint === 'string') return { endpoint, body };
  const sentence =
    endpoint === undefined
      ? 'A message must name an `endpoint`, or hold `events` or `feedback`.'
      : '`endpoint` must be a string that names an endpoint.';
  throw new MillraceError('INVALID_REQUEST', sentence);
}

/** @throws MillraceError INVALID_REQUEST */
export function requireRecord(message: unknown): JsonRecord {
  if (isRecord(message)) return message;
  const sentence =
    'A message must be an object with an `id` and one of `endpoint`, `events` and `feedback`, or an array of such.';
  throw new MillraceError('INVALID_REQUEST', sentence);
}

/** @throws MillraceError INVALID_REQUEST */
export function requireId(id: unknown): string | number {
  const isId = typeof id === 'string' ? id.length <= ID_LENGTH_MAX : Number.isSafeInteger(id);
  if (isId) return id as string | number;
  const sentence = `\`id\` must be a whole number, or a string of at most ${ID_LENGTH_MAX} characters.`;
  throw new MillraceError('INVALID_REQUEST', sentence);
}
