/**
 * What came of a prediction, as JSON, into a `feedback` event:
 *
 *   {"request_id", "row"?, "label"?, "reward"?, "click"?, "time"?, "id"?}
 *
 * Whether there was such a request is not asked: its prediction may not be in the log yet, may have been answered by
 * another server, or not be in the sample.
 */
import { isRecord } from '../project/json-record.ts';
import type { JsonRecord } from '../project/json-record.ts';
import { jsonText } from '../project/json-text.ts';
import { shortName } from '../project/problem-list.ts';
import { suggestName } from '../project/suggestion.ts';
import type { ScalarName } from '../project/data-type.ts';
import type { Value } from '../project/value.ts';
import { Refusal, decodeScalar } from '../project/value.ts';
import type { DecoderSettings, EventDecoder } from './decode-event.ts';
import { EventRejected, aheadOf, refuseId } from './decode-event.ts';
import { feedbackType } from './prediction-events.ts';

const known: ReadonlySet<string> = new Set(['request_id', 'row', 'label', 'reward', 'click', 'time', 'id']);
const LABEL_LENGTH_MAX = 1024;
const REQUEST_ID_LENGTH_MAX = 128;

/** @param newId ids for feedback that brings none */
export function createFeedbackDecoder(
  settings: Pick<DecoderSettings, 'futureMsMax'>,
  newId: () => string,
): EventDecoder {
  return (input, receivedMs) => {
    if (!isRecord(input)) return new EventRejected('INVALID_REQUEST', '', 'must be a JSON object');
    const problem = checkNames(input) ?? checkIds(input) ?? checkLabel(input['label']);
    if (problem !== undefined) return problem;
    const row = scalarOf(input, 'row', 'int64');
    const reward = scalarOf(input, 'reward', 'float64');
    const click = scalarOf(input, 'click', 'bool');
    const time = scalarOf(input, 'time', 'timestamp');
    for (const value of [row, reward, click, time]) if (value instanceof EventRejected) return value;
    if (typeof row === 'bigint' || (typeof row === 'number' && row < 0))
      return invalid('row', 'must be the number of a row of the request, from 0');
    const timeMs = (time as number | null) ?? receivedMs;
    const ahead = aheadOf(timeMs, receivedMs, settings.futureMsMax);
    if (ahead !== undefined) return invalid('time', ahead);
    const label = input['label'] ?? null;
    const labelJson = label === null ? null : jsonText(label as string | number | boolean);
    const id = (input['id'] as string | null | undefined) ?? newId();
    const values = [input['request_id'] as string, row, labelJson, reward, click] as readonly Value[];
    return { id, type: feedbackType, timeMs, receivedMs, values };
  };
}

function invalid(path: string, message: string): EventRejected {
  return new EventRejected('INVALID_REQUEST', path, message);
}

function checkNames(input: JsonRecord): EventRejected | undefined {
  const unknown = Object.keys(input).find((name) => !known.has(name));
  if (unknown !== undefined) {
    const shown = shortName(unknown);
    return invalid(shown, `"${shown}" is unknown; ${suggestName(unknown, known, 'names here')}`);
  }
  const says = ['label', 'reward', 'click'].some((name) => (input[name] ?? null) !== null);
  return says ? undefined : invalid('', 'says nothing: give a label, a reward or a click');
}

function checkIds({ request_id: requestId, id }: JsonRecord): EventRejected | undefined {
  if (requestId === undefined || requestId === null) return invalid('request_id', 'is missing');
  const isText = typeof requestId === 'string' && requestId !== '' && requestId.isWellFormed();
  if (!isText || requestId.length > REQUEST_ID_LENGTH_MAX)
    return invalid('request_id', 'must be the request_id of an answer');
  const refused = id === undefined || id === null ? undefined : refuseId(id);
  return refused === undefined ? undefined : invalid('id', refused);
}

function checkLabel(label: unknown): EventRejected | undefined {
  if (typeof label === 'string') {
    if (!label.isWellFormed())
      return invalid('label', 'holds half of a surrogate pair, which is not valid Unicode');
    return label.length <= LABEL_LENGTH_MAX
      ? undefined
      : invalid('label', `is longer than ${LABEL_LENGTH_MAX} characters`);
  }
  const isPlain = label === undefined || label === null || typeof label === 'boolean';
  if (typeof label === 'bigint')
    return invalid('label', 'is beyond 2^53, where numbers lose digits: send it as text');
  if (isPlain || (typeof label === 'number' && Number.isFinite(label))) return undefined;
  return invalid('label', 'must be a number, a text, true or false');
}

function scalarOf(input: JsonRecord, name: string, type: ScalarName): Value | EventRejected {
  const value = input[name] ?? null;
  if (value === null) return null;
  const decoded = decodeScalar(type, value);
  return decoded instanceof Refusal ? invalid(name, decoded.reason) : decoded;
}
