/** Events and feedback over WebSocket. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Packr } from 'msgpackr';
import { afterEach, describe, expect, it } from 'vitest';
import { loadProject } from '../../src/project/read-project.ts';
import { createServer } from '../../src/server/server.ts';
import type { Server } from '../../src/server/server.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { call } from '../e2e/demo-server.ts';
import { holdLock } from '../lmdb/hold-lock.ts';
import { modelServers } from './model-servers.ts';
import { purchase, writeShopProject } from './shop-project.ts';
import { codes, countOf, openSocket } from './socket-client.ts';
import type { SocketClient, SocketReply } from './socket-client.ts';

const packer = new Packr({ useRecords: false });
const encodings: Readonly<Record<string, (message: unknown) => string | Buffer>> = {
  JSON: (message) => JSON.stringify(message),
  MessagePack: (message) => packer.pack(message),
};
const text = (message: unknown): string => JSON.stringify(message);

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

interface Shop {
  readonly server: Server;
  readonly dataDir: string;
  readonly client: SocketClient;
}

async function openShop(sections: object = {}): Promise<Shop> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-shop-'));
  cleanups.push(async () => rm(dir, { recursive: true }));
  await writeShopProject(dir, sections);
  const dataDir = join(dir, 'data');
  const server = await createServer(await loadProject(dir), { dataDir, port: 0, log: createLog('silent') });
  cleanups.push(async () => server.close());
  return { server, dataDir, client: await openSocket(server) };
}

/** The answer to one message. */
async function ask(client: SocketClient, message: string | Buffer): Promise<SocketReply> {
  const count = client.replies.length + 1;
  client.send(message);
  return (await client.received(count))[count - 1] as SocketReply;
}

const count = (n: number): object[] => Array.from({ length: n }, (_, i) => purchase(`${i}`, 1, 1));

describe.each(Object.entries(encodings))('events in %s', (_, encode) => {
  it('have an outcome each, as over HTTP, and are in the next predictions', async () => {
    const { server, client } = await openShop();
    const predict = encode({ id: 1, endpoint: 'm', rows: [{ user_id: 7, a: 3 }] });
    expect((await ask(client, predict)).predictions).toEqual([{ y: [3, 0] }]);
    const bad = { type: 'purchase', id: 'c', fields: { user_id: 7, item: 'x', price: 'much' } };
    const events = [purchase('a', 7, 2.5), purchase('b', 7, 4), purchase('a', 7, 2.5), bad];
    const answer = await ask(client, encode({ id: 'e', events }));
    expect(answer).toEqual({
      id: 'e',
      events: [
        { status: 'accepted', id: 'a' },
        { status: 'accepted', id: 'b' },
        { status: 'duplicate', id: 'a' },
        {
          status: 'rejected',
          code: 'INVALID_REQUEST',
          path: 'fields.price',
          message: 'must be a number, not a string',
        },
      ],
    });
    await expect.poll(async () => (await ask(client, predict)).predictions).toEqual([{ y: [3, 2] }]);
    const { json } = await call(server, '/get-online-features', {
      body: text({ features: ['activity:spent_24h', 'activity:last_item'], entities: { user_id: [7] } }),
    });
    expect(json['results']).toMatchObject([{}, { values: [6.5] }, { values: ['item b'] }]);
    // What one way has taken, the other knows.
    const again = await call(server, '/v1/events', { body: text(events) });
    expect(again.json['events']).toMatchObject([
      { status: 'duplicate' },
      { status: 'duplicate' },
      { status: 'duplicate' },
      { status: 'rejected' },
    ]);
  });

  it('may be one, none, or several calls in a message', async () => {
    const { client } = await openShop();
    const one = await ask(client, encode({ id: 1, events: purchase('a', 1, 1) }));
    expect(one).toEqual({ id: 1, events: [{ status: 'accepted', id: 'a' }] });
    expect(await ask(client, encode({ id: 2, events: [] }))).toEqual({ id: 2, events: [] });
    client.send(
      encode([
        { id: 3, events: [purchase('b', 1, 1)] },
        { id: 4, endpoint: 'm', rows: [] },
        { id: 5, events: [purchase('b', 1, 1)] },
      ]),
    );
    const replies = (await client.received(5)).slice(2);
    expect(replies.toSorted((a, b) => Number(a.id) - Number(b.id))).toMatchObject([
      { id: 3, events: [{ status: 'accepted', id: 'b' }] },
      { id: 4, predictions: [] },
      { id: 5, events: [{ status: 'duplicate', id: 'b' }] },
    ]);
  });

  it('that are all rejected are an error with its details, as over HTTP', async () => {
    const { server, client } = await openShop();
    for (const events of [[{ type: 'purchas', fields: {} }], [{}, 5], { ...purchase('a', 1, 1), id: '' }]) {
      const { request_id: _own, ...expected } = (await call(server, '/v1/events', { body: text(events) }))
        .json;
      const { request_id: requestId, ...answer } = await ask(client, encode({ id: 1, events }));
      expect(requestId).toMatch(/^[\w-]{8}-[0-9a-z]+$/);
      expect(answer).toEqual({ id: 1, ...expected });
      expect(answer.details?.[0]?.path).toMatch(/^events\[0\]/);
    }
  });

  it('are refused with what does not belong to them, and the socket stays open', async () => {
    const { client } = await openShop();
    const events = [purchase('a', 1, 1)];
    const stray = await ask(client, encode({ id: 1, events, feedback: [], trace: true }));
    expect([stray.id, stray.code, stray.details?.map(({ path }) => path)]).toEqual([
      1,
      'INVALID_REQUEST',
      ['feedback', 'trace'],
    ]);
    expect((await ask(client, encode({ id: 2, endpoint: 'm', events }))).details).toEqual([
      { path: 'endpoint', message: 'does not stand beside `events`' },
    ]);
    const unnamed = await ask(client, encode({ id: 3, event: events }));
    expect(unnamed.error).toBe('A message must name an `endpoint`, or hold `events` or `feedback`.');
    expect(codes([await ask(client, encode({ id: 1.5, events }))])).toEqual([[null, 'INVALID_REQUEST']]);
    expect(await ask(client, encode({ id: 4, events }))).toEqual({
      id: 4,
      events: [{ status: 'accepted', id: 'a' }],
    });
  });

  it('are limited in number and in bytes', async () => {
    const { client } = await openShop({
      streaming: { events_max: 3, event_bytes_max: '1kb' },
      limits: { body_bytes_max: '4kb' },
    });
    expect(codes([await ask(client, encode({ id: 1, events: count(4) }))])).toEqual([[1, 'TOO_MANY_EVENTS']]);
    const large = (bytes: number): object => ({
      type: 'purchase',
      fields: { user_id: 1, item: 'x'.repeat(bytes), price: 1 },
    });
    const answer = await ask(client, encode({ id: 2, events: [large(1100), large(100)] }));
    expect(answer.events).toMatchObject([{ code: 'EVENT_TOO_LARGE' }, { status: 'accepted' }]);
    expect(codes([await ask(client, encode({ id: 3, events: [large(4096)] }))])).toEqual([
      [null, 'BODY_TOO_LARGE'],
    ]);
    expect((await ask(client, encode({ id: 4, events: count(3) }))).events).toHaveLength(3);
  });

  it('have feedback beside them', async () => {
    const { client } = await openShop();
    const [answer] = [await ask(client, encode({ id: 1, endpoint: 'm', rows: [{ user_id: 7, a: 3 }] }))];
    const right = { request_id: answer.request_id, label: true, id: 'outcome' };
    const feedback = [right, right, { request_id: 'x', row: -1, click: true }];
    expect(await ask(client, encode({ id: 2, feedback }))).toMatchObject({
      id: 2,
      feedback: [
        { status: 'accepted', id: 'outcome' },
        { status: 'duplicate', id: 'outcome' },
        { status: 'rejected', code: 'INVALID_REQUEST', path: 'row' },
      ],
    });
    const said = await ask(client, encode({ id: 3, feedback: { request_id: 'x' } }));
    expect([said.code, said.details]).toEqual([
      'INVALID_REQUEST',
      [{ path: 'feedback[0]', message: 'says nothing: give a label, a reward or a click' }],
    ]);
  });
});

const serverWithoutEvents = modelServers({
  model: 'identity_float32',
  request: { a: 'float64' },
  inputs: { x: ['request.a', '0'] },
});

it('says that there is no such call where the project has no events and logs no predictions', async () => {
  const client = await openSocket(await serverWithoutEvents());
  const events = await ask(client, text({ id: 1, events: [] }));
  const feedback = await ask(client, text({ id: 2, feedback: [] }));
  expect(codes([events, feedback])).toEqual([
    [1, 'UNKNOWN_ROUTE'],
    [2, 'UNKNOWN_ROUTE'],
  ]);
  expect([events.error, feedback.error]).toEqual([
    'The project has no event types: declare them under `events`.',
    'No endpoint of the project logs its predictions: give one a `log`.',
  ]);
});

describe('while the log cannot be written', () => {
  it('nothing is acknowledged, predictions are answered, and the answers come when it can', async () => {
    const { dataDir, client } = await openShop({ limits: { timeout: '20s' } });
    const release = await holdLock(dataDir);
    cleanups.push(release);
    const predict = text({ id: 2, endpoint: 'm', rows: [{ user_id: 7, a: 3 }] });
    client.send(text({ id: 1, events: count(2) }), predict, predict, predict);
    expect((await client.received(3)).map(({ id }) => id)).toEqual([2, 2, 2]);
    await release();
    expect((await client.received(4))[3]).toMatchObject({ id: 1, events: [{ id: '0' }, { id: '1' }] });
  });

  it('what would wait beyond the limits is refused, and what waits too long is given up', async () => {
    const { server, dataDir, client } = await openShop({
      limits: { timeout: '5s', ws_in_flight_max: 8, body_bytes_max: '4mb' },
      streaming: { events_max: 20_000 },
    });
    const release = await holdLock(dataDir);
    cleanups.push(release);
    // One call is being written, and 50,000 events may wait.
    for (let id = 0; id < 5; id++) client.send(text({ id, events: count(14_000) }));
    const [refused] = await client.received(1);
    expect(refused).toMatchObject({ code: 'OVERLOADED', retry_after_ms: 1000 });
    expect(refused?.error).toMatch(/^\d+ events wait to be written; send fewer at once\.$/);
    for (let id = 5; id < 13; id++) client.send(text({ id, feedback: { request_id: 'x', click: true } }));
    const replies = await client.received(13);
    expect(replies.find(({ id }) => id === 12)?.error).toMatch(/^Too many requests are waiting/);
    expect(replies.find(({ id }) => id === 0)?.code).toBe('DEADLINE_EXCEEDED');
    expect(new Set(replies.map(({ code }) => code))).toEqual(new Set(['OVERLOADED', 'DEADLINE_EXCEEDED']));
    await release();
    // What was given up may have been written all the same.
    const send = async (event: string): Promise<SocketReply> =>
      ask(client, text({ id: event, events: purchase(event, 1, 1) }));
    // It may take longer than the limit to write what has waited.
    while ((await send('behind them')).events === undefined) continue;
    expect((await send('0')).events).toEqual([{ status: 'duplicate', id: '0' }]);
    const expired = 'millrace_requests_total{route="ws-events",endpoint="",status="504"}';
    expect(await countOf(server, expired)).toBeGreaterThanOrEqual(3);
  });
});

it('counts calls by route and status, and events by what became of them, with those of HTTP', async () => {
  const { server, client } = await openShop();
  await ask(client, text({ id: 1, events: [purchase('a', 1, 1), {}] }));
  await ask(client, text({ id: 2, events: {} }));
  await ask(client, text({ id: 3, feedback: { request_id: 'x', click: true } }));
  await call(server, '/v1/events', { body: text(purchase('a', 1, 1)) });
  const counted = async (name: string, labels: string): Promise<number> =>
    countOf(server, `millrace_${name}{${labels}}`);
  expect(await counted('requests_total', 'route="ws-events",endpoint="",status="202"')).toBe(1);
  expect(await counted('requests_total', 'route="ws-events",endpoint="",status="400"')).toBe(1);
  expect(await counted('requests_total', 'route="ws-feedback",endpoint="",status="202"')).toBe(1);
  expect(await counted('request_duration_seconds_count', 'route="ws-events",endpoint=""')).toBe(2);
  expect(await counted('requests_total', 'route="events",endpoint="",status="202"')).toBe(1);
  expect(await counted('events_total', 'outcome="accepted"')).toBe(1);
  expect(await counted('events_total', 'outcome="duplicate"')).toBe(1);
  expect(await counted('events_total', 'outcome="rejected"')).toBe(2);
  expect(await counted('feedback_total', 'outcome="accepted"')).toBe(1);
});
