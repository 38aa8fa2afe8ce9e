import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventRejected, createEventDecoder } from '../../src/events/decode-event.ts';
import type { Rejection } from '../../src/events/decode-event.ts';
import type { AcceptedEvent } from '../../src/events/event.ts';
import { click, departure } from './sample-events.ts';

const NOW = Date.parse('2001-03-09T14:05:00Z');
const types = new Map([departure, click].map((type) => [type.name, type]));
const decode = createEventDecoder(types, { futureMsMax: 60_000, eventBytesMax: 200 }, () => 'made');

function accepted(input: unknown): AcceptedEvent {
  const event = decode(input, NOW);
  if (event instanceof EventRejected) throw new Error(JSON.stringify(event.rejection));
  return event;
}

function rejected(input: unknown): Rejection {
  const event = decode(input, NOW);
  if (!(event instanceof EventRejected)) throw new Error('it was accepted');
  return event.rejection;
}

const fields = { origin: 'JFK', delay: 12.5, seats: '9007199254740993', scheduled: '2001-03-09T14:00:00Z' };

describe('an event', () => {
  it('is taken with its id, and the values of its fields in the order of its type', () => {
    expect(accepted({ type: 'departure', id: 'a', fields })).toEqual({
      id: 'a',
      type: departure,
      timeMs: NOW - 300_000,
      receivedMs: NOW,
      values: ['JFK', 12.5, 9007199254740993n, NOW - 300_000],
    });
  });

  it('gets an id if it brings none, and nulls for optional fields that it leaves out', () => {
    expect(accepted({ type: 'click', fields: { page: 'home' } })).toMatchObject({
      id: 'made',
      values: ['home', null],
    });
    expect(accepted({ type: 'click', id: null, fields: { page: 'home', taste: null } }).id).toBe('made');
  });

  it('is refused with a time in seconds, which would be in the January of 1970', () => {
    const inSeconds = { type: 'click', time: 984_146_640, fields: { page: 'x' } };
    expect(rejected(inSeconds)).toEqual({
      code: 'INVALID_REQUEST',
      path: 'time',
      message:
        'is in milliseconds, and 984146640 looks like seconds: multiply by 1000, or write an ISO 8601 time',
    });
  });

  it('happened when its time field says, else when it says, else when it arrived', () => {
    expect(accepted({ type: 'departure', fields }).timeMs).toBe(NOW - 300_000);
    const page = { page: 'home' };
    expect(accepted({ type: 'click', time: '2001-03-09T14:04:00Z', fields: page }).timeMs).toBe(NOW - 60_000);
    expect(accepted({ type: 'click', time: -5, fields: page }).timeMs).toBe(-5);
    expect(accepted({ type: 'click', fields: page }).timeMs).toBe(NOW);
    expect(accepted({ type: 'click', time: 900_000_000_000, fields: page }).timeMs).toBe(9e11);
  });

  it('may lie ahead of the clock as far as the limit', () => {
    const ahead = (ms: number): unknown => ({ type: 'click', time: NOW + ms, fields: { page: 'x' } });
    expect(accepted(ahead(60_000)).timeMs).toBe(NOW + 60_000);
    expect(rejected(ahead(60_001))).toEqual({
      code: 'INVALID_REQUEST',
      path: 'time',
      message: "lies more than 1m ahead of the server's clock (streaming.future_max)",
    });
    const late = { ...fields, scheduled: NOW + 60_001 };
    expect(rejected({ type: 'departure', fields: late }).path).toBe('fields.scheduled');
  });

  it.each<[string, unknown, string, string, string]>([
    ['is no object', [1], 'INVALID_REQUEST', '', 'must be a JSON object'],
    ['is null', null, 'INVALID_REQUEST', '', 'must be a JSON object'],
    ['has no type', {}, 'INVALID_REQUEST', 'type', 'is missing'],
    [
      'is wrapped',
      { events: [] },
      'INVALID_REQUEST',
      'type',
      'is missing, and "events" is unknown; names here are id, type, time, fields',
    ],
    ['has a type that is no text', { type: 5 }, 'INVALID_REQUEST', 'type', 'must be a string'],
    [
      'has an unknown type',
      { type: 'departures' },
      'UNKNOWN_EVENT',
      'type',
      '"departures" is unknown; did you mean "departure"?',
    ],
    [
      'has its fields outside',
      { type: 'click', page: 'home' },
      'INVALID_REQUEST',
      'page',
      '"page" is unknown; a field of click stands inside of "fields"',
    ],
    [
      'has an unknown name',
      { type: 'click', tim: 1 },
      'INVALID_REQUEST',
      'tim',
      '"tim" is unknown; did you mean "time"?',
    ],
    [
      'has an unknown field',
      { type: 'click', fields: { page: 'x', tast: [1, 2] } },
      'INVALID_REQUEST',
      'fields.tast',
      '"tast" is unknown; did you mean "taste"?',
    ],
    [
      'has a field that every object inherits',
      { type: 'click', fields: { page: 'x', toString: 1 } },
      'INVALID_REQUEST',
      'fields.toString',
      '"toString" is unknown; fields of click are page, taste',
    ],
    ['lacks a field', { type: 'click' }, 'INVALID_REQUEST', 'fields.page', 'is missing'],
    [
      'misspells a field',
      { type: 'click', fields: { pge: 'x' } },
      'INVALID_REQUEST',
      'fields.page',
      'is missing, and "pge" is no field',
    ],
    [
      'has null where a value must be',
      { type: 'click', fields: { page: null } },
      'INVALID_REQUEST',
      'fields.page',
      'must not be null',
    ],
    [
      'has a value of another type',
      { type: 'click', fields: { page: 5 } },
      'INVALID_REQUEST',
      'fields.page',
      'must be a string, not a number',
    ],
    [
      'has a list of fields',
      { type: 'click', fields: [] },
      'INVALID_REQUEST',
      'fields',
      'must be an object of fields by name',
    ],
    ['has an id that is no text', { type: 'click', id: 5 }, 'INVALID_REQUEST', 'id', 'must be a string'],
    [
      'has an empty id',
      { type: 'click', id: '' },
      'INVALID_REQUEST',
      'id',
      'must not be empty: leave it out, and one is made',
    ],
    [
      'has a long id',
      { type: 'click', id: 'é'.repeat(257) },
      'INVALID_REQUEST',
      'id',
      'is longer than 512 bytes',
    ],
    [
      'says its time twice',
      { type: 'departure', time: NOW, fields },
      'INVALID_REQUEST',
      'time',
      'must be left out: fields.scheduled says when it happened',
    ],
    [
      'is too large',
      { type: 'click', id: 'a', fields: { page: 'é'.repeat(100) } },
      'EVENT_TOO_LARGE',
      '',
      'has 210 bytes; at most 200 are kept (streaming.event_bytes_max)',
    ],
  ])('that %s is rejected', (_, input, code, path, message) => {
    expect(rejected(input)).toEqual({ code, path, message });
  });

  it('is judged, whatever it is, without an exception', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (input, given) => {
        decode(input, NOW);
        decode({ type: 'click', fields: given }, NOW);
        decode({ specversion: '1.0', id: 'a', source: '/', type: 'click', data: given }, NOW);
      }),
    );
  });
});

describe('a CloudEvent', () => {
  const cloud = { specversion: '1.0', id: '7', source: '/airports/JFK', type: 'click', data: { page: 'x' } };

  it('is taken with its source before its id, and other attributes passed over', () => {
    const time = '2001-03-09T14:04:00Z';
    const more = { time, subject: 's', datacontenttype: 'application/json; charset=utf-8', traceparent: 'x' };
    expect(accepted({ ...cloud, ...more })).toEqual({
      id: '/airports/JFK 7',
      type: click,
      timeMs: NOW - 60_000,
      receivedMs: NOW,
      values: ['x', null],
    });
  });

  it('may say when it was sent beside a time field, which decides', () => {
    expect(accepted({ ...cloud, type: 'departure', time: NOW, data: fields }).timeMs).toBe(NOW - 300_000);
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['of another version', { specversion: '0.3' }, 'specversion'],
    ['without an id', { id: undefined }, 'id'],
    ['without a source', { source: undefined }, 'source'],
    ['with a space in its source', { source: 'a b' }, 'source'],
    ['with binary data', { data_base64: 'AAAA' }, 'data_base64'],
    ['with data that is not JSON', { datacontenttype: 'text/xml' }, 'datacontenttype'],
    ['with a bad field', { data: { page: 1 } }, 'data.page'],
    ['whose source and id are too long', { source: 'x'.repeat(600) }, 'id'],
  ])('%s is rejected', (_, changes, path) => {
    expect(rejected({ ...cloud, ...changes }).path).toBe(path);
  });

  it('is told what it lacks', () => {
    expect(rejected({ ...cloud, source: undefined }).message).toBe('is missing');
    expect(rejected({ ...cloud, type: undefined }).message).toBe('is missing');
  });
});
