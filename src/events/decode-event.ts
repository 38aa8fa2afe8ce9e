/**
 * One event as JSON into an accepted event, or the reason why it is none. Two forms, of which `specversion` tells the
 * second:
 *
 *   {"id"?, "type", "time"?, "fields"?}                           Millrace's own
 *   {"specversion": "1.0", "id", "source", "type", "time"?, "data"?, …}   CloudEvents 1.0, structured
 *
 * Fields stand in an object of their own, so that an event type may have a field `id`, and so that what is added to the
 * outside one day meets no field's name. An id is any text; that of a CloudEvent is `<source> <id>`, for its id is
 * unique within its source only, and a source holds no spaces.
 *
 * Cost: about 1 us for 6 fields (Node 20, 2-core machine).
 */
import type { ErrorCode } from '../errors.ts';
import { isRecord } from '../project/json-record.ts';
import type { JsonRecord } from '../project/json-record.ts';
import { formatDuration } from '../project/duration.ts';
import { shortName } from '../project/problem-list.ts';
import type { EventField, EventType, StreamingSettings } from '../project/project.ts';
import { suggestName } from '../project/suggestion.ts';
import type { Value } from '../project/value.ts';
import { Refusal, decodeScalar, decodeValue } from '../project/value.ts';
import type { AcceptedEvent } from './event.ts';
import { EVENT_ID_BYTES_MAX } from './event.ts';

/** Why an event was not accepted: the first thing that is wrong with it. */
export interface Rejection {
  readonly code: ErrorCode;
  /** Inside the event: `fields.delay`; empty for all of it. */
  readonly path: string;
  /** The rest of a sentence that begins with the path. */
  readonly message: string;
}

export type EventDecoder = (input: unknown, receivedMs: number) => AcceptedEvent | EventRejected;

/** A class, so that one check tells it from an event. */
export class EventRejected {
  readonly rejection: Rejection;
  constructor(code: ErrorCode, path: string, message: string) {
    this.rejection = { code, path, message };
  }
}

export type DecoderSettings = Pick<StreamingSettings, 'futureMsMax' | 'eventBytesMax'>;

interface KnownType {
  readonly type: EventType;
  readonly fields: ReadonlyMap<string, EventField>;
}

/** What both forms say, by the names that each gives it. */
interface Envelope {
  readonly id: string | undefined;
  readonly type: unknown;
  readonly time: unknown;
  readonly fields: unknown;
  readonly fieldsName: 'fields' | 'data';
}

const ownKeys: ReadonlySet<string> = new Set(['id', 'type', 'time', 'fields']);
const NUMBER_BYTES = 9;

/** @param newId ids for events that bring none */
export function createEventDecoder(
  types: ReadonlyMap<string, EventType>,
  settings: DecoderSettings,
  newId: () => string,
): EventDecoder {
  const known = new Map(
    [...types].map(([name, type]): [string, KnownType] => [
      name,
      { type, fields: new Map(type.fields.map((field) => [field.name, field])) },
    ]),
  );

  return (input, receivedMs) => {
    if (!isRecord(input)) return new EventRejected('INVALID_REQUEST', '', 'must be a JSON object');
    const envelope = 'specversion' in input ? cloudEnvelope(input) : ownEnvelope(input);
    if (envelope instanceof EventRejected) return envelope;
    const found = findType(known, envelope.type);
    if (found instanceof EventRejected)
      return envelope.type === undefined ? withoutType(input, found) : found;
    if (envelope.fieldsName === 'fields') {
      const stray = checkOwnKeys(input, found);
      if (stray !== undefined) return stray;
    }
    const values = decodeFields(found, envelope);
    if (values instanceof EventRejected) return values;
    const timeMs = timeOf(found.type, envelope, values, receivedMs, settings.futureMsMax);
    if (timeMs instanceof EventRejected) return timeMs;
    const id = envelope.id ?? newId();
    const bytes = eventBytes(id, values);
    if (bytes > settings.eventBytesMax) {
      const message = `has ${bytes} bytes; at most ${settings.eventBytesMax} are kept (streaming.event_bytes_max)`;
      return new EventRejected('EVENT_TOO_LARGE', '', message);
    }
    return { id, type: found.type, timeMs, receivedMs, values };
  };
}

function ownEnvelope(input: JsonRecord): Envelope | EventRejected {
  const id = input['id'] ?? undefined;
  const refused = id === undefined ? undefined : refuseId(id);
  if (refused !== undefined) return new EventRejected('INVALID_REQUEST', 'id', refused);
  const { type, time, fields } = input;
  return { id: id as string | undefined, type, time, fields, fieldsName: 'fields' };
}

function cloudEnvelope(input: JsonRecord): Envelope | EventRejected {
  const { specversion, id, source, type, time, data, datacontenttype: content } = input;
  const invalid = (path: string, message: string): EventRejected =>
    new EventRejected('INVALID_REQUEST', path, message);
  if (specversion !== '1.0') return invalid('specversion', 'must be "1.0"');
  if (source === undefined) return invalid('source', 'is missing');
  if (typeof source !== 'string' || source === '' || /\s/.test(source))
    return invalid('source', 'must be a URI reference, as CloudEvents asks for');
  if (typeof id !== 'string' || id === '') return invalid('id', 'must be a string that is not empty');
  const whole = `${source} ${id}`;
  const refused = refuseId(whole);
  if (refused !== undefined) return invalid('id', `with the source ${refused}`);
  if (input['data_base64'] !== undefined) return invalid('data_base64', 'is not taken: send JSON in data');
  if (content !== undefined && !(typeof content === 'string' && /^[^;]*[/+]json\b/i.test(content)))
    return invalid('datacontenttype', 'must be JSON, such as application/json');
  return { id: whole, type, time, fields: data, fieldsName: 'data' };
}

/** The rest of a sentence that begins with "id". */
export function refuseId(id: unknown): string | undefined {
  if (typeof id !== 'string') return 'must be a string';
  if (id === '') return 'must not be empty: leave it out, and one is made';
  if (!id.isWellFormed()) return 'holds half of a surrogate pair, which is not valid Unicode';
  if (id.length * 3 <= EVENT_ID_BYTES_MAX || Buffer.byteLength(id) <= EVENT_ID_BYTES_MAX) return undefined;
  return `is longer than ${EVENT_ID_BYTES_MAX} bytes`;
}

function findType(known: ReadonlyMap<string, KnownType>, name: unknown): KnownType | EventRejected {
  if (typeof name !== 'string')
    return new EventRejected(
      'INVALID_REQUEST',
      'type',
      name === undefined ? 'is missing' : 'must be a string',
    );
  const found = known.get(name);
  if (found !== undefined) return found;
  const suggestion = suggestName(name, known.keys(), 'event types');
  return new EventRejected('UNKNOWN_EVENT', 'type', `"${shortName(name)}" is unknown; ${suggestion}`);
}

/** What stands in the place of an event without a type tells more than that it has none. */
function withoutType(input: JsonRecord, refused: EventRejected): EventRejected {
  if ('specversion' in input) return refused;
  const unknown = Object.keys(input).find((name) => !ownKeys.has(name));
  if (unknown === undefined) return refused;
  const { code, path, message } = refused.rejection;
  const names = [...ownKeys].join(', ');
  return new EventRejected(
    code,
    path,
    `${message}, and "${shortName(unknown)}" is unknown; names here are ${names}`,
  );
}

function checkOwnKeys(input: JsonRecord, { type, fields }: KnownType): EventRejected | undefined {
  for (const name in input) {
    if (ownKeys.has(name)) continue;
    const suggestion = fields.has(name)
      ? `a field of ${type.name} stands inside of "fields"`
      : suggestName(name, ownKeys, 'names here');
    const message = `"${shortName(name)}" is unknown; ${suggestion}`;
    return new EventRejected('INVALID_REQUEST', shortName(name), message);
  }
  return undefined;
}

function decodeFields(
  { type, fields }: KnownType,
  { fields: input, fieldsName }: Envelope,
): Value[] | EventRejected {
  const invalid = (name: string, message: string): EventRejected =>
    new EventRejected('INVALID_REQUEST', `${fieldsName}.${shortName(name)}`, message);
  const given = input ?? {};
  if (!isRecord(given))
    return new EventRejected('INVALID_REQUEST', fieldsName, 'must be an object of fields by name');
  const values: Value[] = [];
  let taken = 0;
  for (const field of type.fields) {
    const value = Object.hasOwn(given, field.name) ? given[field.name] : undefined;
    if (value !== undefined) taken++;
    if (value === undefined || value === null) {
      if (!field.optional)
        return invalid(field.name, value === null ? 'must not be null' : missing(given, fields));
      values.push(null);
      continue;
    }
    const decoded = decodeValue(field.type, value);
    if (decoded instanceof Refusal) return invalid(field.name, decoded.reason);
    values.push(decoded);
  }
  const names = Object.keys(given);
  if (names.length === taken) return values;
  const unknown = names.find((name) => !fields.has(name)) ?? '';
  const suggestion = suggestName(unknown, fields.keys(), `fields of ${type.name}`);
  return invalid(unknown, `"${shortName(unknown)}" is unknown; ${suggestion}`);
}

/** A misspelt field is missing and unknown at once, and the second is what helps. */
function missing(given: JsonRecord, fields: ReadonlyMap<string, EventField>): string {
  const unknown = Object.keys(given).find((name) => !fields.has(name));
  return unknown === undefined ? 'is missing' : `is missing, and "${shortName(unknown)}" is no field`;
}

function timeOf(
  type: EventType,
  { time, fieldsName }: Envelope,
  values: readonly Value[],
  receivedMs: number,
  futureMsMax: number,
): number | EventRejected {
  const { timeField } = type;
  const isGiven = time !== undefined && time !== null;
  let path = 'time';
  let timeMs = receivedMs;
  if (timeField !== undefined) {
    path = `${fieldsName}.${timeField.name}`;
    // The time of a CloudEvent is part of its form; it may be that of sending.
    if (isGiven && fieldsName === 'fields')
      return new EventRejected('INVALID_REQUEST', 'time', `must be left out: ${path} says when it happened`);
    timeMs = values[timeField.index] as number;
  } else if (isGiven) {
    if (isInSeconds(time)) return new EventRejected('INVALID_REQUEST', path, inSeconds(time));
    const decoded = decodeScalar('timestamp', time);
    if (decoded instanceof Refusal) return new EventRejected('INVALID_REQUEST', path, decoded.reason);
    timeMs = decoded as number;
  }
  const ahead = aheadOf(timeMs, receivedMs, futureMsMax);
  return ahead === undefined ? timeMs : new EventRejected('INVALID_REQUEST', path, ahead);
}

/** As milliseconds, these are days of 1970; as seconds, the years from 1973 to 2100. */
const SECONDS_MIN = 1e8;
const SECONDS_MAX = 4.1e9;

function isInSeconds(time: unknown): time is number {
  return typeof time === 'number' && time >= SECONDS_MIN && time <= SECONDS_MAX;
}

function inSeconds(time: number): string {
  return `is in milliseconds, and ${time} looks like seconds: multiply by 1000, or write an ISO 8601 time`;
}

/** What is wrong with a time that lies too far ahead. */
export function aheadOf(timeMs: number, receivedMs: number, futureMsMax: number): string | undefined {
  if (timeMs <= receivedMs + futureMsMax) return undefined;
  return `lies more than ${formatDuration(futureMsMax)} ahead of the server's clock (streaming.future_max)`;
}

/** About what the event takes in the log. */
function eventBytes(id: string, values: readonly Value[]): number {
  let bytes = id.length;
  for (const value of values) {
    if (typeof value === 'string') bytes += Buffer.byteLength(value);
    else bytes += typeof value === 'object' && value !== null ? NUMBER_BYTES * value.length : NUMBER_BYTES;
  }
  return bytes;
}
