/**
 * The body of a call that sends events: one event or an array of them as JSON, or one a line (NDJSON). Each event is
 * judged by itself; only a body that cannot be taken apart is refused as a whole. A line of NDJSON that is not JSON is
 * one rejected event.
 */
import { MillraceError } from '../errors.ts';
import { parseStrictJson } from '../project/strict-json.ts';
import type { EventDecoder } from './decode-event.ts';
import { EventRejected } from './decode-event.ts';
import type { AcceptedEvent } from './event.ts';

export type EventsFormat = 'json' | 'ndjson';

/** In the order of the body. */
export type DecodedEvents = readonly (AcceptedEvent | EventRejected)[];

const formats: Readonly<Record<string, EventsFormat>> = {
  'application/json': 'json',
  'application/cloudevents+json': 'json',
  'application/cloudevents-batch+json': 'json',
  'application/x-ndjson': 'ndjson',
  'application/ndjson': 'ndjson',
  'application/jsonl': 'ndjson',
};

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
/** How what gzip has compressed begins. */
const GZIP = [0x1f, 0x8b] as const;

/** The format of a content type, parameters or not; undefined = none that is taken. No content type is JSON. */
export function eventsFormatOf(contentType: string | undefined): EventsFormat | undefined {
  if (contentType === undefined || contentType === '') return 'json';
  const [mediaType = ''] = contentType.split(';', 1);
  return formats[mediaType.trim().toLowerCase()];
}

/**
 * @param body decompressed
 * @param eventsMax most events of one body
 * @throws MillraceError TOO_MANY_EVENTS, INVALID_ENCODING, and what parseStrictJson throws for a body that is JSON
 */
export function decodeEvents(
  body: Buffer,
  format: EventsFormat,
  decode: EventDecoder,
  receivedMs: number,
  eventsMax: number,
): DecodedEvents {
  if (isGzip(body))
    throw new MillraceError(
      'INVALID_ENCODING',
      'The body is compressed with gzip; say so with Content-Encoding: gzip.',
    );
  if (format === 'ndjson') return decodeLines(body, decode, receivedMs, eventsMax);
  return decodeEventValues(parseJson(body), decode, receivedMs, eventsMax);
}

/**
 * @param input one event or an array of them, out of JSON or of what says the same
 * @throws MillraceError TOO_MANY_EVENTS
 */
export function decodeEventValues(
  input: unknown,
  decode: EventDecoder,
  receivedMs: number,
  eventsMax: number,
): DecodedEvents {
  const inputs: readonly unknown[] = Array.isArray(input) ? input : [input];
  if (inputs.length > eventsMax) throw tooManyEvents(eventsMax);
  return inputs.map((each) => decode(each, receivedMs));
}

function isGzip(body: Buffer): boolean {
  return body[0] === GZIP[0] && body[1] === GZIP[1];
}

function parseJson(body: Buffer): unknown {
  try {
    return parseStrictJson(body);
  } catch (error) {
    if (!(error instanceof MillraceError) || error.code !== 'MALFORMED_JSON' || !isLines(body)) throw error;
    const sentence =
      'The body is more than one JSON value; send an event a line as application/x-ndjson, or an array.';
    throw new MillraceError('MALFORMED_JSON', sentence, { cause: error });
  }
}

/** Whether the first line of several is JSON by itself. */
function isLines(body: Buffer): boolean {
  const newline = body.indexOf(NEWLINE);
  if (newline < 1) return false;
  try {
    JSON.parse(body.toString('utf8', 0, newline));
    return true;
  } catch {
    return false;
  }
}

function decodeLines(
  body: Buffer,
  decode: EventDecoder,
  receivedMs: number,
  eventsMax: number,
): DecodedEvents {
  const decoded: (AcceptedEvent | EventRejected)[] = [];
  for (let from = lineFrom(body, 0); from < body.length; from = lineFrom(body, from)) {
    const newline = body.indexOf(NEWLINE, from);
    const to = newline === -1 ? body.length : newline;
    const line = body.subarray(from, body[to - 1] === CARRIAGE_RETURN ? to - 1 : to);
    from = to + 1;
    if (decoded.length === eventsMax) throw tooManyEvents(eventsMax);
    decoded.push(decodeLine(line, decode, receivedMs));
  }
  if (decoded.length === 0) throw new MillraceError('EMPTY_BODY', 'The body is empty; send an event a line.');
  return decoded;
}

/** Behind the empty lines: a megabyte of them, which comes as a kilobyte of gzip, is to cost next to nothing. */
function lineFrom(body: Buffer, from: number): number {
  for (let at = from; ;) {
    if (body[at] === NEWLINE) at += 1;
    else if (body[at] === CARRIAGE_RETURN && (body[at + 1] ?? NEWLINE) === NEWLINE) at += 2;
    else return at;
  }
}

function decodeLine(line: Buffer, decode: EventDecoder, receivedMs: number): AcceptedEvent | EventRejected {
  try {
    return decode(parseStrictJson(line), receivedMs);
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    return new EventRejected(
      error.code,
      '',
      error.message.replace(/^The body/, 'the line').replace(/\.$/, ''),
    );
  }
}

function tooManyEvents(eventsMax: number): MillraceError {
  const sentence = `The call has more than ${eventsMax} events (streaming.events_max). Split it into several.`;
  return new MillraceError('TOO_MANY_EVENTS', sentence);
}
