import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createEventDecoder } from '../../src/events/decode-event.ts';
import { createEventIds } from '../../src/events/event-ids.ts';
import { createEventIntake } from '../../src/events/intake.ts';
import type { EventIntake } from '../../src/events/intake.ts';
import type { EventLog } from '../../src/events/event-log.ts';
import { openLmdbEventLog } from '../../src/events/lmdb-event-log.ts';
import { partitionOf } from '../../src/events/partition.ts';
import { encodeEntityKey } from '../../src/features/entity-key.ts';
import { openLmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';
import type { LmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';
import { entityOf } from '../features/sample-project.ts';
import { click, departure } from './sample-events.ts';

const NOW = Date.parse('2001-03-09T14:05:00Z');
const types = new Map([click, departure].map((type) => [type.name, type]));
const settings = { eventsMax: 10, eventBytesMax: 1000, futureMsMax: 60_000 };
const clock = { nowMs: () => NOW };

let path: string;
let environment: LmdbEnvironment;
let log: EventLog;
let intake: EventIntake;
beforeEach(async () => {
  path = mkdtempSync(join(tmpdir(), 'millrace-intake-'));
  environment = await openLmdbEnvironment({ path });
  log = await openLmdbEventLog({ environment, types, partitionCount: 2, clock });
  const partitionsOf = (event: { readonly id: string }): number[] => [partitionOf([event.id], 2)];
  const decode = createEventDecoder(types, settings, createEventIds(clock));
  intake = createEventIntake({ decode, eventsMax: settings.eventsMax, log, partitionsOf, clock });
});
afterEach(async () => {
  await log.close();
  await environment.close();
  rmSync(path, { recursive: true });
});

const take = async (body: unknown): Promise<unknown> =>
  intake.take(Buffer.from(JSON.stringify(body)), 'json');

it('says of each event, in order, whether it is accepted, a duplicate or rejected', async () => {
  const one = { id: 'a', type: 'click', fields: { page: 'home' } };
  const cloud = { specversion: '1.0', id: '1', source: '/x', type: 'click', data: { page: 'home' } };
  expect(await take([one, { ...one, fields: {} }, one, cloud])).toEqual([
    { status: 'accepted', id: 'a' },
    { status: 'rejected', code: 'INVALID_REQUEST', path: 'fields.page', message: 'is missing' },
    { status: 'duplicate', id: 'a' },
    { status: 'accepted', id: '/x 1' },
  ]);
  expect(await take([one, cloud])).toEqual([
    { status: 'duplicate', id: 'a' },
    { status: 'duplicate', id: '/x 1' },
  ]);
});

it('rejects an event alone whose entity key is too long to be kept', async () => {
  const airport = entityOf('airport', { iata: 'string' });
  const keyed = createEventIntake({
    decode: createEventDecoder(types, { ...settings, eventBytesMax: 65_536 }, createEventIds(clock)),
    eventsMax: settings.eventsMax,
    log,
    partitionsOf: ({ values }) => [partitionOf([encodeEntityKey(airport, [values[0] as string])], 2)],
    clock,
  });
  const events = ['x', 'x'.repeat(2000), 'y'].map((page) => ({
    type: 'click',
    id: page.slice(0, 9),
    fields: { page },
  }));
  expect(await keyed.take(Buffer.from(JSON.stringify(events)), 'json')).toEqual([
    { status: 'accepted', id: 'x' },
    {
      status: 'rejected',
      code: 'KEY_TOO_LONG',
      path: 'fields',
      message: expect.stringContaining('2000 bytes'),
    },
    { status: 'accepted', id: 'y' },
  ]);
});

it('gives ids to events that bring none, and has them in the log', async () => {
  const [outcome] = (await take({ type: 'click', fields: { page: 'x' } })) as { id: string }[];
  const partition = partitionOf([outcome?.id ?? ''], 2);
  const { records } = await log.read(partition, 0, { recordsMax: 10, bytesMax: 1e6 });
  expect(records.map(({ event }) => event)).toEqual([
    { id: outcome?.id, type: click, timeMs: NOW, receivedMs: NOW, values: ['x', null] },
  ]);
});

it('appends nothing of a body that is refused as a whole', async () => {
  const many = Array.from({ length: 11 }, () => ({ type: 'click', fields: { page: 'x' } }));
  await expect(take(many)).rejects.toMatchObject({ code: 'TOO_MANY_EVENTS' });
  expect((await log.sizes()).map(({ nextOffset }) => nextOffset)).toEqual([0, 0]);
});
