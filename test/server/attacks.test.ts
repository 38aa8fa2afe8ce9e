/**
 * Requests that are made to harm, on real sockets: each is refused or cut off, and in all cases the server answers others.
 */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { pack } from 'msgpackr';
import { afterEach, describe, expect, it } from 'vitest';
import type { Server } from '../../src/server/server.ts';
import { call, predict, rawCall } from '../e2e/demo-server.ts';
import { modelServers } from './model-servers.ts';
import { codes, openSocket } from './socket-client.ts';

const serverOf = modelServers({
  model: 'identity_float32',
  request: { a: 'float64' },
  inputs: { x: ['request.a', 'u.facts.score ?? 0'] },
});

const opened: Socket[] = [];
afterEach(() => {
  for (const socket of opened.splice(0)) socket.destroy();
});

const body = '{"rows":[{"id":"x","a":1}]}';
const post = 'POST /v1/endpoints/m/predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n';
const length = `content-length: ${body.length}\r\n`;
const upgrade =
  'GET /v1/ws HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n';
const chunked = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
const smuggled = 'GET /v2/health/live HTTP/1.1\r\nhost: localhost\r\n\r\n';

async function expectHealthy(server: Server): Promise<void> {
  expect((await predict(server, 'm', { rows: [{ id: 'x', a: 1 }] })).json['predictions']).toEqual([
    { y: [1, 0] },
  ]);
}

/** Resolves with all that comes back when the server ends the connection. */
async function untilClosed(server: Server, ...parts: readonly (string | Buffer)[]): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(server.port, server.host, () => parts.forEach((part) => socket.write(part)));
    opened.push(socket);
    socket.on('data', (data) => (text += data.toString('latin1')));
    // A reset is an end as well.
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(text));
  });
}

describe('a request that could be read in two ways', () => {
  it.each([
    ['two lengths', `${post}content-length: 0\r\n${length}\r\n`],
    ['two lengths, the larger first', `${post}${length}content-length: 0\r\n\r\n${body}`],
    ['two equal lengths', `${post}${length}${length}\r\n${body}`],
    [
      'two lengths of a call that is not there',
      `GET /x HTTP/1.1\r\nhost: localhost\r\n${length}${length}\r\n${body}`,
    ],
    ['two lengths of a WebSocket', `${upgrade}content-length: 0\r\n${length}\r\n`],
    ['a length without a value', `${post}content-length:\r\n\r\n`],
    ['another encoding than chunked', `${post}transfer-encoding: xchunked\r\n\r\n${chunked}`],
    ['two encodings in one', `${post}transfer-encoding: gzip, chunked\r\n\r\n${chunked}`],
    ['two encodings', `${post}transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n${chunked}`],
  ])('is cut off, with what stands behind it: %s', async (_what, request) => {
    const server = await serverOf();
    expect(await untilClosed(server, `${request}${smuggled}`)).toBe('');
    await expectHealthy(server);
  });

  it.each([
    ['a length and an encoding', `${post}${length}transfer-encoding: chunked\r\n\r\n${chunked}`],
    ['lengths in a list', `${post}content-length: 3, 3\r\n\r\nabc`],
    ['a length with a sign', `${post}content-length: +3\r\n\r\nabc`],
    ['a length in hexadecimal', `${post}content-length: 0x3\r\n\r\nabc`],
    ['a length beyond all numbers', `${post}content-length: 99999999999999999999\r\n\r\nabc`],
    ['a space before the colon', `${post}content-length : 27\r\n\r\n${body}`],
    ['a folded header', `${post}transfer-encoding:\r\n chunked\r\n${length}\r\n${body}`],
    ['lines that end in LF only', post.replaceAll('\r\n', '\n') + `\n${body}`],
    ['no host', `POST /push HTTP/1.1\r\n${length}\r\n${body}`],
    ['an address of another server', 'GET http://evil.example/metrics HTTP/1.1\r\nhost: localhost\r\n\r\n'],
    ['a chunk of an impossible size', `${post}transfer-encoding: chunked\r\n\r\nffffffffffffffff\r\nabc`],
  ])('is cut off by uWebSockets.js: %s', async (_what, request) => {
    const server = await serverOf();
    expect(await untilClosed(server, request)).not.toContain('200 OK');
    await expectHealthy(server);
  });

  it('of one length or chunked is answered', async () => {
    const server = await serverOf();
    for (const request of [
      `${post}${length}\r\n${body}`,
      `${post}Transfer-Encoding: Chunked\r\n\r\n${chunked}`,
    ])
      expect(await rawCall(server, request, 300)).toContain('{"y":[1,0]}');
  });
});

describe('a flood', () => {
  it('of headers is cut off', async () => {
    const server = await serverOf();
    const headers = Array.from({ length: 5000 }, (_, i) => `h${i}: v\r\n`).join('');
    expect(
      await untilClosed(server, `GET /v2/health/live HTTP/1.1\r\nhost: localhost\r\n${headers}\r\n`),
    ).not.toContain('200');
    await expectHealthy(server);
  });

  it('of one header that does not end is cut off', async () => {
    const server = await serverOf();
    const parts = Array.from({ length: 64 }, () => 'y'.repeat(65_536));
    const answer = await untilClosed(
      server,
      'GET /v2/health/live HTTP/1.1\r\nhost: localhost\r\nx: ',
      ...parts,
    );
    expect(answer).not.toContain('200 OK');
    await expectHealthy(server);
  });

  it('of connections that send their headers slowly holds up nobody', async () => {
    const server = await serverOf();
    for (let i = 0; i < 200; i++) {
      const socket = connect(server.port, server.host, () => socket.write('GET /metrics HTTP/1.1\r\nhost:'));
      socket.on('error', () => undefined);
      opened.push(socket);
    }
    await expectHealthy(server);
    expect((await call(server, '/v2/health/live')).status).toBe(200);
  });

  it('of bodies that come slowly is cut off at the time limit, and holds up no call without a body', async () => {
    const server = await serverOf({ limits: { bodyTimeoutMs: 200, inFlightMax: 20 } });
    const slow = Array.from({ length: 20 }, async () => untilClosed(server, `${post}${length}\r\n{`));
    expect((await call(server, '/v2/health/live')).status).toBe(200);
    for (const answer of await Promise.all(slow)) expect(answer).toMatch(/408|429/);
    await expectHealthy(server);
  });

  it('of wrong requests on one connection each leaves no trace in the next', async () => {
    const server = await serverOf();
    const wrong = [
      'GET / HTTP/1.1',
      '\0\0\0\0\r\n\r\n',
      '\x16\x03\x01\x02\x00\x01',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    ];
    await Promise.all(wrong.map(async (bytes) => rawCall(server, Buffer.from(bytes, 'latin1'), 50)));
    await expectHealthy(server);
  });
});

describe('a path', () => {
  it.each([
    '/../../etc/passwd',
    '/v2/models/..%2f..%2f..%2fetc/ready',
    '/v2/models/%2e%2e/versions/1',
    '/v1/endpoints/../../x/rollout',
    '/v1/endpoints/%00/rollout',
    '/v1/endpoints/__proto__/rollout',
    '/v1/endpoints/constructor/rollout/audit',
    '/v1/endpoints/%ff%fe/rollout',
    '/v1/endpoints/%/rollout',
  ])('%s leads nowhere', async (path) => {
    const server = await serverOf();
    const answer = await rawCall(server, `GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`, 100);
    expect(answer).toMatch(/^HTTP\/1\.1 40[045] /);
    expect(answer).not.toContain('root:');
    await expectHealthy(server);
  });

  it.each(['..%2f..%2fetc', '%2e%2e', '..', '__proto__', '%2fetc%2fpasswd', 'm%00'])(
    'to load the model %s leads nowhere',
    async (model) => {
      const server = await serverOf();
      const request = `POST /v2/repository/models/${model}/load HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}`;
      expect(await rawCall(server, request, 200)).toMatch(/^HTTP\/1\.1 404 /);
      await expectHealthy(server);
    },
  );
});

describe('names that reach prototypes', () => {
  const evil = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty'];

  it('in JSON are fields like any other, which do not exist', async () => {
    const server = await serverOf();
    for (const name of evil) {
      const rows = `{"rows":[{"id":"x","a":1,"${name}":{"polluted":true}}]}`;
      const inRow = await call(server, '/v1/endpoints/m/predict', { body: rows });
      expect([name, inRow.status, inRow.json['code']]).toEqual([name, 400, 'INVALID_REQUEST']);
      const top = await call(server, '/push', {
        body: `{"push_source_name":"${name}","df":{"${name}":[1]}}`,
      });
      expect([name, top.status]).toEqual([name, 404]);
      const asked = `{"features":["${name}:${name}"],"entities":{"${name}":["x"]}}`;
      expect((await call(server, '/get-online-features', { body: asked })).status).toBe(404);
      expect((await predict(server, name, { rows: [] })).status).toBe(404);
    }
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    await expectHealthy(server);
  });

  it('in messages of both encodings as well', async () => {
    const server = await serverOf();
    const client = await openSocket(server);
    for (const name of evil) {
      const row = JSON.parse(`{"id":"x","a":1,"${name}":{"polluted":true}}`) as object;
      const top = JSON.parse(`{"id":2,"endpoint":"${name}","${name}":{"polluted":true},"rows":[]}`) as object;
      client.send(JSON.stringify({ id: 1, endpoint: 'm', rows: [row] }), JSON.stringify(top));
      client.send(pack({ id: 3, endpoint: 'm', rows: [row] }), pack(top));
    }
    const replies = await client.received(4 * evil.length);
    expect(codes(replies).filter(([, code]) => code === undefined)).toEqual([]);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    client.socket.terminate();
    await expectHealthy(server);
  });
});
