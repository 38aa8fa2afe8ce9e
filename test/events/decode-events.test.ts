import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { EventRejected, createEventDecoder } from '../../src/events/decode-event.ts';
import { decodeEvents, eventsFormatOf } from '../../src/events/decode-events.ts';
import type { EventsFormat } from '../../src/events/decode-events.ts';
import { click } from './sample-events.ts';

const decode = createEventDecoder(
  new Map([['click', click]]),
  { futureMsMax: 60_000, eventBytesMax: 1000 },
  () => 'made',
);

/** The page of each event that was accepted, and what is wrong with each other one. */
function pages(body: string | Buffer, format: EventsFormat): unknown[] {
  return decodeEvents(Buffer.from(body), format, decode, 1000, 5).map((event) =>
    event instanceof EventRejected ? `${event.rejection.code} ${event.rejection.path}` : event.values[0],
  );
}

const one = (page: string): string => JSON.stringify({ type: 'click', fields: { page } });

describe('the body of a call with events', () => {
  it('holds one event, an array of them, or one a line', () => {
    expect(pages(one('a'), 'json')).toEqual(['a']);
    expect(pages(`[${one('a')},${one('b')}]`, 'json')).toEqual(['a', 'b']);
    expect(pages(`${one('a')}\n\r\n${one('b')}\r\n${one('c')}`, 'ndjson')).toEqual(['a', 'b', 'c']);
    expect(pages('[]', 'json')).toEqual([]);
  });

  it('keeps good events apart from bad ones', () => {
    expect(pages(`[${one('a')},{},${one('b')}]`, 'json')).toEqual(['a', 'INVALID_REQUEST type', 'b']);
    const lines = [one('a'), '{"type":', 'é', '{"type":"click","type":"x"}', one('b')].join('\n');
    expect(pages(lines, 'ndjson')).toEqual([
      'a',
      'MALFORMED_JSON ',
      'MALFORMED_JSON ',
      'DUPLICATE_FIELD ',
      'b',
    ]);
    const latin1 = Buffer.concat([Buffer.from(`${one('a')}\n`), Buffer.from([0x22, 0xe9, 0x22])]);
    expect(pages(latin1, 'ndjson')).toEqual(['a', 'INVALID_ENCODING ']);
  });

  it('is refused as a whole if it is no JSON, empty, or has too many events', () => {
    expect(() => pages('{', 'json')).toThrow(expect.objectContaining({ code: 'MALFORMED_JSON' }));
    expect(() => pages('', 'json')).toThrow(expect.objectContaining({ code: 'EMPTY_BODY' }));
    expect(() => pages('\n\n', 'ndjson')).toThrow(expect.objectContaining({ code: 'EMPTY_BODY' }));
    const many = Array.from({ length: 6 }, () => one('a'));
    const tooMany = expect.objectContaining({ code: 'TOO_MANY_EVENTS' }) as Error;
    expect(() => pages(`[${many.join()}]`, 'json')).toThrow(tooMany);
    expect(() => pages(many.join('\n'), 'ndjson')).toThrow(tooMany);
  });

  it('is told what it is, if not what its headers say', () => {
    const lines = `${one('a')}\n${one('b')}`;
    expect(() => pages(lines, 'json')).toThrow(
      /^The body is more than one JSON value; .* application\/x-ndjson/,
    );
    expect(() => pages(`{\n${one('a')}`, 'json')).toThrow(/^The body is not valid JSON \(/);
    const zipped = expect.objectContaining({
      code: 'INVALID_ENCODING',
      message: 'The body is compressed with gzip; say so with Content-Encoding: gzip.',
    }) as Error;
    expect(() => pages(gzipSync(lines), 'ndjson')).toThrow(zipped);
    expect(() => pages(gzipSync(one('a')), 'json')).toThrow(zipped);
  });

  it('may have megabytes of empty lines', () => {
    const body = Buffer.from(`${'\n'.repeat(5e6)}${'\r\n'.repeat(2e6)}${one('a')}\n\r`);
    expect(pages(body, 'ndjson')).toEqual(['a']);
  });

  it('is what its content type says', () => {
    expect(eventsFormatOf(undefined)).toBe('json');
    expect(eventsFormatOf('application/json; charset=utf-8')).toBe('json');
    expect(eventsFormatOf('application/cloudevents-batch+json')).toBe('json');
    expect(eventsFormatOf('Application/X-NDJSON')).toBe('ndjson');
    expect(eventsFormatOf('text/plain')).toBeUndefined();
    expect(eventsFormatOf('toString')).toBeUndefined();
  });
});
