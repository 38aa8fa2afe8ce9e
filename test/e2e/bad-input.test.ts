import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call, goodFlight, predict, rawCall, startDemoServer } from './demo-server.ts';
import type { DemoServer, Reply } from './demo-server.ts';

const path = '/v1/endpoints/flight-delay/predict';
const goodBody = JSON.stringify({ rows: [goodFlight] });

let demo: DemoServer;

beforeAll(async () => {
  demo = await startDemoServer({ bodyTimeoutMs: 400 });
});

afterAll(async () => {
  await demo.stop();
});

async function post(body: string | Buffer, headers: Record<string, string> = {}): Promise<Reply> {
  return call(demo.server, path, { body, headers });
}

async function expectServing(): Promise<void> {
  const reply = await post(goodBody);
  expect(reply.status, reply.text).toBe(200);
}

function row(change: Record<string, unknown>): string {
  return JSON.stringify({ rows: [{ ...goodFlight, ...change }] });
}

describe('a body that is not a request', () => {
  it.each([
    ['malformed JSON', '{"rows": [', 400, 'MALFORMED_JSON'],
    ['an empty body', '', 400, 'EMPTY_BODY'],
    ['an array', '[]', 400, 'INVALID_REQUEST'],
    ['null', 'null', 400, 'INVALID_REQUEST'],
    ['no rows', '{}', 400, 'INVALID_REQUEST'],
    ['rows that are no array', '{"rows":{}}', 400, 'INVALID_REQUEST'],
    ['a row that is no object', '{"rows":[1]}', 400, 'INVALID_REQUEST'],
    [
      'a duplicate field',
      goodBody.replace('{"flight_id"', '{"origin":"LAX","flight_id"'),
      400,
      'DUPLICATE_FIELD',
    ],
    ['deep nesting', '['.repeat(100_000) + ']'.repeat(100_000), 400, 'NESTED_TOO_DEEP'],
    ['deep nesting without an end', '['.repeat(100_000), 400, 'MALFORMED_JSON'],
    ['a nested value', row({ origin: [[[['x']]]] }), 400, 'INVALID_REQUEST'],
    ['a body over the limit', `{"rows":[${' '.repeat(2_000_000)}]}`, 413, 'BODY_TOO_LARGE'],
    ['too many rows', JSON.stringify({ rows: Array(1001).fill({}) }), 400, 'TOO_MANY_ROWS'],
  ])('%s is answered with its code', async (_, body, status, code) => {
    const reply = await post(body);
    expect([reply.status, reply.json['code']]).toEqual([status, code]);
    expect(reply.json['error']).toMatch(/^[A-Z].*\.$/s);
    expect(reply.json['request_id']).toMatch(/^[\w-]+$/);
    await expectServing();
  });

  it('refuses invalid UTF-8', async () => {
    const reply = await post(Buffer.from(goodBody.replace('JFK', 'J\u00ffK'), 'latin1'));
    expect([reply.status, reply.json['code']]).toEqual([400, 'INVALID_ENCODING']);
  });

  it('refuses a content type other than JSON, and none', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonp', '']) {
      const reply = await post(goodBody, { 'content-type': type });
      expect([type, reply.status, reply.json['code']]).toEqual([type, 415, 'UNSUPPORTED_MEDIA_TYPE']);
    }
    const withCharset = await post(goodBody, { 'content-type': 'application/json; charset=utf-8' });
    expect(withCharset.status).toBe(200);
  });
});

describe('a request that does not fit its endpoint', () => {
  it.each([
    ['an unknown field', row({ orgin: 'JFK' }), 'rows[0].orgin', /did you mean "origin"/],
    ['a missing field', row({ distance: undefined }), 'rows[0].distance', /is missing/],
    ['a wrong type', row({ distance: '2475' }), 'rows[0].distance', /must be a number/],
    ['null', row({ origin: null }), 'rows[0].origin', /must be a string/],
    ['a non-finite number', goodBody.replace('2475', '1e999'), 'rows[0].distance', /must be finite/],
    [
      'a day that does not exist',
      row({ scheduled: '2001-02-30T10:00:00Z' }),
      'rows[0].scheduled',
      /ISO 8601/,
    ],
    ['half a surrogate pair', row({ origin: '\ud800' }), 'rows[0].origin', /surrogate/],
    ['a prototype field', goodBody.replace('"flight_id"', '"__proto__"'), 'rows[0].__proto__', /is unknown/],
    ['an unknown field of the body', '{"rows":[],"row":1}', 'row', /did you mean "rows"/],
    ['a bad as_of', JSON.stringify({ rows: [goodFlight], as_of: 'noon' }), 'as_of', /ISO 8601/],
    ['a bad trace', JSON.stringify({ rows: [goodFlight], trace: 1 }), 'trace', /true or false/],
    [
      'a field in context and in a row',
      JSON.stringify({ context: { origin: 'JFK' }, rows: [goodFlight] }),
      'rows[0].origin',
      /given by `context`/,
    ],
  ])('%s is named by its path', async (_, body, where, message) => {
    const reply = await post(body);
    expect([reply.status, reply.json['code']]).toEqual([400, 'INVALID_REQUEST']);
    const details = reply.json['details'] as { path: string; message: string }[];
    expect(details.find((detail) => detail.path === where)?.message).toMatch(message);
  });

  it('reports several mistakes at once, up to a limit', async () => {
    const rows = Array.from({ length: 500 }, () => ({ ...goodFlight, origin: 1, distance: 'far' }));
    const reply = await post(JSON.stringify({ rows }));
    expect((reply.json['details'] as unknown[]).length).toBe(20);
  });

  it('refuses a key that is too long, and one of a megabyte', async () => {
    const long = await post(row({ origin: 'x'.repeat(2000) }));
    expect([long.status, long.json['code']]).toEqual([400, 'KEY_TOO_LONG']);
    const huge = await post(row({ origin: 'x'.repeat(1_000_000) }));
    expect([huge.status, huge.json['code']]).toEqual([400, 'INVALID_REQUEST']);
    expect(huge.json['error']).toContain('longer than 65536 characters');
    await expectServing();
  });

  it('names the endpoint that was meant', async () => {
    const reply = await predict(demo.server, 'flight-dela', { rows: [goodFlight] });
    expect([reply.status, reply.json['code']]).toEqual([404, 'UNKNOWN_ENDPOINT']);
    expect(reply.json['error']).toContain('did you mean "flight-delay"?');
  });
});

describe('a call that does not exist', () => {
  it('answers a wrong method with 405 and the right one', async () => {
    const reply = await call(demo.server, path, { method: 'GET' });
    expect([reply.status, reply.json['code'], reply.headers['allow']]).toEqual([
      405,
      'METHOD_NOT_ALLOWED',
      'POST',
    ]);
    const posted = await call(demo.server, '/metrics', { method: 'DELETE' });
    expect([posted.status, posted.headers['allow']]).toEqual([405, 'GET']);
  });

  it('answers HEAD like GET, without the body', async () => {
    const reply = await rawCall(
      demo.server,
      'HEAD /v2/health/ready HTTP/1.1\r\nhost: localhost\r\n\r\n',
      300,
    );
    expect(reply).toMatch(/^HTTP\/1\.1 200 OK/);
    expect(reply).not.toContain('{');
    const wrong = await rawCall(demo.server, `HEAD ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`, 300);
    expect(wrong).toMatch(/^HTTP\/1\.1 405/);
    expect(wrong).not.toContain('{');
  });

  it('answers an unknown path with 404', async () => {
    for (const unknown of ['/', '/v1', '/v1/endpoints/flight-delay', `/${'x'.repeat(3000)}`, '/%00%ff']) {
      const reply = await call(demo.server, unknown);
      expect([unknown, reply.status, reply.json['code']]).toEqual([unknown, 404, 'UNKNOWN_ROUTE']);
    }
  });
});

describe('a connection that misbehaves', () => {
  it('survives bytes that are not HTTP', async () => {
    for (const bytes of ['\0\0\0\0', 'GET\r\n\r\n', 'POST / HTTP/9.9\r\n\r\n', '\x16\x03\x01\x02\x00\x01']) {
      await rawCall(demo.server, bytes);
    }
    await expectServing();
  });

  it('survives a client that hangs up in the middle of a body', async () => {
    for (let i = 0; i < 50; i++) {
      await new Promise<void>((resolve) => {
        const socket = connect(demo.server.port, demo.server.host, () => {
          socket.write(
            `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{"rows"`,
          );
          setImmediate(() => socket.destroy());
        });
        socket.on('close', () => resolve());
      });
    }
    await expectServing();
  });

  it('survives a client that hangs up before its answer', async () => {
    const sockets = Array.from({ length: 50 }, () => {
      const socket = connect(demo.server.port, demo.server.host);
      socket.on('error', () => {});
      socket.write(
        `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${goodBody.length}\r\n\r\n${goodBody}`,
        () => socket.destroy(),
      );
      return new Promise((resolve) => socket.on('close', resolve));
    });
    await Promise.all(sockets);
    await expectServing();
  });

  it('answers 408 when a body does not arrive, and closes the connection', async () => {
    const head = `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{`;
    const reply = await rawCall(demo.server, head, 5000);
    expect(reply).toContain('408 Request Timeout');
    expect(reply).toContain('REQUEST_TIMEOUT');
    await expectServing();
  });

  it('answers 413 to a body without a declared length once it is over the limit', async () => {
    const chunk = 'x'.repeat(65_536);
    const chunks = `${chunk.length.toString(16)}\r\n${chunk}\r\n`.repeat(20);
    const head = `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n`;
    const reply = await rawCall(demo.server, head + chunks, 2000);
    expect(reply).toContain('413 Content Too Large');
    await expectServing();
  });

  it('joins a body that comes in pieces, cut inside a character', async () => {
    const body = Buffer.from(row({ flight_id: 'zürich-✈' }));
    const cut = body.indexOf(0xc3) + 1;
    const socket = connect(demo.server.port, demo.server.host);
    const reply = new Promise<string>((resolve) => socket.once('data', (data) => resolve(data.toString())));
    socket.write(
      `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`,
    );
    socket.write(body.subarray(0, cut), () => setImmediate(() => socket.write(body.subarray(cut))));
    expect(await reply).toContain('200 OK');
    socket.destroy();
  });

  it('closes a connection that sends requests ahead of their answers, and serves the others', async () => {
    const one = `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${goodBody.length}\r\n\r\n${goodBody}`;
    const reply = await rawCall(demo.server, one.repeat(20), 1000);
    expect(reply.split('200 OK').length - 1).toBeLessThan(20);
    await expectServing();
  });
});
