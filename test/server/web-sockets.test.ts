import { once } from 'node:events';
import { connect } from 'node:net';
import { pack } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { Server } from '../../src/server/server.ts';
import { call, predict } from '../e2e/demo-server.ts';
import { modelServers } from './model-servers.ts';
import { codes, countOf, openSocket, socketUrl } from './socket-client.ts';
import type { SocketClient, SocketReply } from './socket-client.ts';

const serverOf = modelServers({
  model: 'identity_float32',
  request: { a: 'float64' },
  inputs: { x: ['request.a', 'u.facts.score ?? 0.1'] },
});

const rows = [{ id: 'x', a: 1 }];
const text = (message: unknown): string => JSON.stringify(message);

describe('answers', () => {
  const bodies: readonly Record<string, unknown>[] = [
    { rows },
    { rows: [] },
    { context: { a: 0.1 }, rows: [{ id: 'x' }, { id: 'ÿ' }] },
    { rows, as_of: '2001-03-09T17:00:00Z', trace: true },
    { rows: [{ id: 'x', a: 1e300 }] },
    { rows: [{ id: 'x', a: 'far', b: 1 }, { id: 5 }] },
    { rows: 'none', trace: 1 },
    { rows: [{ id: 'x'.repeat(2000), a: 1 }] },
    { rows: Array.from({ length: 1001 }, () => rows[0]) },
    { contxt: {}, rows },
  ];

  it.each(bodies)('are those of HTTP, in either encoding: %j', async (body) => {
    const server = await serverOf();
    const client = await openSocket(server);
    const { request_id: _id, trace: _trace, ...expected } = (await predict(server, 'm', body)).json;
    client.send(text({ id: 7, endpoint: 'm', ...body }), pack({ id: 'ü', endpoint: 'm', ...body }));
    const replies = await client.received(2);
    expect(client.encodings).toEqual([false, true]);
    for (const reply of replies) {
      const { id: _own, request_id: requestId, ...answer } = reply as SocketReply & { trace?: object };
      expect(requestId).toMatch(/^[\w-]{8}-[0-9a-z]+$/);
      expect('trace' in answer).toBe(body['trace'] === true);
      delete answer.trace;
      expect(answer).toEqual(expected);
    }
    expect(replies.map(({ id }) => id)).toEqual([7, 'ü']);
  });

  it.each([
    ['float64', [0.1, -7, 3, 1e300]],
    ['int64', ['9007199254740993', -5, 70_000]],
    ['string', ['ü', '', 'x'.repeat(300)]],
    ['bool', [true, false]],
  ])('keep the values of a model of %s', async (type, values) => {
    const server = await serverOf({
      model: `identity_${type}`,
      request: { s: type },
      inputs: { x: ['request.s', 'request.s'] },
    });
    const client = await openSocket(server);
    const asDigits = (_: string, value: unknown): unknown =>
      typeof value === 'bigint' ? `${value}n` : value;
    for (const [i, s] of values.entries()) {
      const body = { rows: [{ id: 'x', s }] };
      const json = (await predict(server, 'm', body)).text;
      client.send(pack({ id: i, endpoint: 'm', ...body }));
      const reply = (await client.received(i + 1))[i];
      const predictions = JSON.stringify(reply?.predictions, asDigits).replaceAll(/"(\d+)n"/g, '$1');
      expect(`"predictions":${predictions}}`).toBe(json.slice(json.indexOf('"predictions"')));
    }
  });

  it('belong to their id, however many requests are on their way, and in whatever order they end', async () => {
    const server = await serverOf({ batching: { rows_max: 8 }, limits: { timeoutMs: 30_000 } });
    const clients = await Promise.all([1, 2, 3].map(async () => openSocket(server)));
    const ids = Array.from({ length: 300 }, (_, i) => i);
    const messageOf = (c: number, i: number): object => ({
      id: `${c}/${i}`,
      endpoint: 'm',
      rows: Array.from({ length: i % 20 }, (_, r) => ({ id: 'x', a: c * 1000 + i + r / 100 })),
    });
    clients.forEach((client, c) => {
      for (const i of ids) client.send(i % 3 === 0 ? text(messageOf(c, i)) : pack(messageOf(c, i)));
    });
    for (const [c, client] of clients.entries()) {
      const replies = new Map((await client.received(ids.length)).map((reply) => [reply.id, reply]));
      for (const i of ids) {
        const expected = Array.from({ length: i % 20 }, (_, r) => ({
          y: [Math.fround(c * 1000 + i + r / 100), Math.fround(0.1)],
        }));
        expect(replies.get(`${c}/${i}`)?.predictions).toEqual(expected);
      }
    }
  });

  it('come one for each request of an array', async () => {
    const server = await serverOf();
    const client = await openSocket(server);
    const requests = [
      { id: 1, endpoint: 'm', rows },
      { id: 2, endpoint: 'n', rows },
      5,
      { id: 3, endpoint: 'm' },
    ];
    client.send(text(requests), pack(requests), '[]');
    const replies = await client.received(8);
    const expected = [
      [1, undefined],
      [2, 'UNKNOWN_ENDPOINT'],
      [3, 'INVALID_REQUEST'],
      [null, 'INVALID_REQUEST'],
    ];
    for (const isBinary of [false, true]) {
      const own = replies.filter((_, i) => client.encodings[i] === isBinary);
      expect(codes(own)).toEqual(expect.arrayContaining(expected));
    }
  });
});

describe('a message that is no request', () => {
  const long = 'x'.repeat(129);
  it.each([
    ['{"id":1', 'MALFORMED_JSON', null],
    ['', 'EMPTY_BODY', null],
    ['7', 'INVALID_REQUEST', null],
    ['{"id":1,"id":1}', 'DUPLICATE_FIELD', null],
    [`{"a":${'['.repeat(40)}${']'.repeat(40)}}`, 'NESTED_TOO_DEEP', null],
    [text({ endpoint: 'm', rows }), 'INVALID_REQUEST', null],
    [text({ id: 1.5, endpoint: 'm', rows }), 'INVALID_REQUEST', null],
    [text({ id: 2 ** 53, endpoint: 'm', rows }), 'INVALID_REQUEST', null],
    [text({ id: long, endpoint: 'm', rows }), 'INVALID_REQUEST', null],
    [text({ id: 1, rows }), 'INVALID_REQUEST', 1],
    [text({ id: 1, endpoint: 'nobody', rows }), 'UNKNOWN_ENDPOINT', 1],
    [Buffer.alloc(0), 'EMPTY_BODY', null],
    [Buffer.from([0x81]), 'MALFORMED_MESSAGE_PACK', null],
    [Buffer.concat([pack({ id: 1, endpoint: 'm', rows }), Buffer.of(0)]), 'MALFORMED_MESSAGE_PACK', null],
    [pack({ id: 1, endpoint: 'm', rows, when: new Date(0) }), 'MALFORMED_MESSAGE_PACK', null],
    [pack({ id: 1, endpoint: 'm', rows: [{ id: 'x', a: Number.NaN }] }), 'INVALID_REQUEST', 1],
    [pack({ id: 1, endpoint: 'm', rows: [{ id: 'x', a: Infinity }] }), 'INVALID_REQUEST', 1],
    [pack({ id: 2n ** 60n, endpoint: 'm', rows }), 'INVALID_REQUEST', null],
  ])('is told so, and the socket stays open: %s', async (message, code, id) => {
    const server = await serverOf();
    const client = await openSocket(server);
    client.send(message, text({ id: 'after', endpoint: 'm', rows }));
    expect(codes(await client.received(2))).toEqual([
      [id, code],
      ['after', undefined],
    ]);
  });

  it('is refused when it is too large, and far beyond that cut off', async () => {
    const server = await serverOf({ limits: { bodyBytesMax: 1000 } });
    const client = await openSocket(server);
    client.send(`"${'x'.repeat(1000)}"`);
    expect(codes(await client.received(1))).toEqual([[null, 'BODY_TOO_LARGE']]);
    client.send(`"${'x'.repeat(2000)}"`);
    expect((await client.closed)[0]).toBe(1006);
    expect(await countOf(server, 'millrace_ws_closes_total{reason="too_large"}')).toBe(1);
  });

  it('is cut off when it is text and not UTF-8', async () => {
    const server = await serverOf();
    const client = await openSocket(server);
    client.socket.send(Buffer.of(0xff), { binary: false });
    expect((await client.closed)[0]).toBe(1006);
    expect(await countOf(server, 'millrace_ws_closes_total{reason="invalid_utf8"}')).toBe(1);
  });
});

describe('limits', () => {
  it('refuse more requests of one socket, or of one message, than may wait', async () => {
    const server = await serverOf({ batching: { delay_ms_max: 300 }, limits: { wsInFlightMax: 3 } });
    const [client, other] = [await openSocket(server), await openSocket(server)];
    const requests = [1, 2, 3, 4].map((id) => ({ id, endpoint: 'm', rows }));
    client.send(text(requests), ...requests.map((request) => pack(request)));
    other.send(text({ id: 'other', endpoint: 'm', rows }));
    const replies = await client.received(5);
    expect(codes(replies)).toEqual([
      [null, 'INVALID_REQUEST'],
      [4, 'OVERLOADED'],
      [1, undefined],
      [2, undefined],
      [3, undefined],
    ]);
    // A second look at the refused message would not help, another try at the refused request may.
    expect(replies.slice(0, 2).map((reply) => reply.retry_after_ms)).toEqual([undefined, 1000]);
    expect(codes(await other.received(1))).toEqual([['other', undefined]]);
  });

  it('count the requests of HTTP and of all sockets together', async () => {
    const server = await serverOf({ batching: { delay_ms_max: 500 }, limits: { inFlightMax: 2 } });
    const [client, other] = [await openSocket(server), await openSocket(server)];
    const waiting = predict(server, 'm', { rows });
    while (!((await countOf(server, 'millrace_in_flight_requests')) >= 2)) continue;
    client.send(text({ id: 1, endpoint: 'm', rows }));
    while (!((await countOf(server, 'millrace_in_flight_requests')) >= 3)) continue;
    other.send(text({ id: 2, endpoint: 'm', rows }));
    expect(codes(await other.received(1))).toEqual([[2, 'OVERLOADED']]);
    expect((await predict(server, 'm', { rows })).status).toBe(429);
    expect((await waiting).status).toBe(200);
    expect(codes(await client.received(1))).toEqual([[1, undefined]]);
  });

  it('end an answer that takes too long, once', async () => {
    const server = await serverOf({ batching: { delay_ms_max: 400 }, limits: { timeoutMs: 60 } });
    const client = await openSocket(server);
    client.send(text({ id: 1, endpoint: 'm', rows }), pack({ id: 2, endpoint: 'm', rows }));
    expect(codes(await client.received(2))).toEqual([
      [1, 'DEADLINE_EXCEEDED'],
      [2, 'DEADLINE_EXCEEDED'],
    ]);
    expect((await predict(server, 'm', { rows })).status).toBe(504);
    expect(client.replies.length).toBe(2);
  });

  it('refuse more sockets than may be open', async () => {
    const server = await serverOf({ limits: { wsSocketsMax: 1 } });
    const first = await openSocket(server);
    expect(await refusal(server)).toEqual([429, 'OVERLOADED']);
    first.socket.close();
    await first.closed;
    await expect(openSocket(server)).resolves.toBeDefined();
  });
});

/** Status and code with which the server refuses to open a socket. */
async function refusal(server: Server, headers: Record<string, string> = {}): Promise<readonly unknown[]> {
  const socket = new WebSocket(socketUrl(server), { headers });
  const [, response] = (await once(socket, 'unexpected-response')) as [
    unknown,
    { statusCode: number } & AsyncIterable<Buffer>,
  ];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  const { code } = JSON.parse(Buffer.concat(chunks).toString()) as { code: string };
  return [response.statusCode, code];
}

describe('opening', () => {
  it('is refused to pages of other hosts, which browsers do not hinder', async () => {
    const server = await serverOf();
    const host = new URL(server.url).host;
    expect(await refusal(server, { origin: 'https://elsewhere.example' })).toEqual([403, 'ORIGIN_REFUSED']);
    expect(await refusal(server, { origin: 'null' })).toEqual([403, 'ORIGIN_REFUSED']);
    expect(await refusal(server, { origin: `http://${host}1` })).toEqual([403, 'ORIGIN_REFUSED']);
    await expect(openSocket(server, { headers: { origin: `http://${host}` } })).resolves.toBeDefined();
  });

  it('needs a WebSocket handshake', async () => {
    const server = await serverOf();
    for (const options of [{}, { body: '{}' }]) {
      const reply = await call(server, '/v1/ws', options);
      expect([reply.status, reply.json['code'], reply.headers['upgrade']]).toEqual([
        426,
        'UPGRADE_REQUIRED',
        'websocket',
      ]);
    }
  });
});

describe('a caller that does not read', () => {
  const many = Array.from({ length: 1000 }, (_, i) => ({ id: `user-${i}`, a: i }));

  it('is closed when it is the answers to its pings that it does not read', async () => {
    const server = await serverOf({ limits: { wsBufferBytesMax: 100_000 } });
    const client = await openSocket(server);
    client.socket.pause();
    const closes = 'millrace_ws_closes_total{reason="slow_consumer"}';
    const bytes = Buffer.alloc(125);
    let isClosed = false;
    // Without the limit all of these would be kept: 500 MB.
    for (let sent = 0; sent < 4_000_000 && !isClosed; sent += 20_000) {
      for (let i = 0; i < 20_000; i++) client.socket.ping(bytes);
      isClosed = (await countOf(server, closes)) === 1;
    }
    client.socket.terminate();
    expect(isClosed).toBe(true);
  });
  const ask = (client: SocketClient, count: number): void => {
    for (let id = 0; id < count; id++) client.send(pack({ id, endpoint: 'm', rows: many, trace: true }));
  };

  it('is closed with a code once too much is waiting for it, and harms nobody', async () => {
    const server = await serverOf({ limits: { wsBufferBytesMax: 100_000, timeoutMs: 30_000 } });
    const [slow, other] = [await openSocket(server), await openSocket(server)];
    slow.socket.pause();
    ask(slow, 60);
    while (!((await countOf(server, 'millrace_ws_closes_total{reason="slow_consumer"}')) >= 1)) continue;
    other.send(text({ id: 1, endpoint: 'm', rows }));
    expect(codes(await other.received(1))).toEqual([[1, undefined]]);
    slow.socket.resume();
    expect(await slow.closed).toEqual([4008, 'SLOW_CONSUMER']);
    expect(slow.replies.length).toBeLessThan(60);
    expect(await countOf(server, 'millrace_in_flight_requests')).toBe(1);
  });

  it('may get one answer that is larger than its buffer', async () => {
    const server = await serverOf({ limits: { wsBufferBytesMax: 1000, timeoutMs: 10_000 } });
    const client = await openSocket(server);
    ask(client, 1);
    await client.received(1);
    ask(client, 1);
    expect((await client.received(2)).length).toBe(2);
  });

  it('is closed when it answers no ping, and one that does stays', async () => {
    const server = await serverOf({ limits: { wsIdleTimeoutMs: 8000 } });
    const live = await openSocket(server);
    const silent = connect(server.port, server.host);
    silent.write(
      'GET /v1/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    );
    silent.resume();
    await once(silent, 'close');
    expect(await countOf(server, 'millrace_ws_closes_total{reason="idle"}')).toBe(1);
    live.send(text({ id: 1, endpoint: 'm', rows }));
    expect(codes(await live.received(1))).toEqual([[1, undefined]]);
  });
});

it('forgets the requests of a socket that went away', async () => {
  const server = await serverOf({ batching: { delay_ms_max: 1000 } });
  const client = await openSocket(server);
  client.send(...[1, 2, 3].map((id) => pack({ id, endpoint: 'm', rows })));
  while (!((await countOf(server, 'millrace_in_flight_requests')) >= 4)) continue;
  client.socket.terminate();
  while (!((await countOf(server, 'millrace_in_flight_requests')) === 1)) continue;
  expect(await countOf(server, 'millrace_requests_total{route="ws",endpoint="m",status="aborted"}')).toBe(3);
  expect(await countOf(server, 'millrace_ws_sockets')).toBe(0);
});
