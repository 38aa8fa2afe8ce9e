/** What a client does when the server, or the way to it, is in trouble. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { createClient } from '../../src/client/index.ts';
import type { Client, ClientOptions } from '../../src/client/index.ts';
import { isTransient } from '../../src/client/repeated-call.ts';
import { MillraceClientError } from '../../src/client/index.ts';
import { MillraceError, errorCatalogue } from '../../src/errors.ts';
import type { ErrorCode } from '../../src/errors.ts';
import { retryAfterMsOf } from '../../src/server/error-reply.ts';
import { startDemoServer } from '../e2e/demo-server.ts';
import type { DemoServer } from '../e2e/demo-server.ts';
import { startSlowProxy } from '../redis/slow-proxy.ts';
import { startSwitchProxy } from '../redis/switch-proxy.ts';
import { startReverseProxy } from './reverse-proxy.ts';
import type { ReverseProxy } from './reverse-proxy.ts';
import { startRestartable } from './restartable-server.ts';
import type { RestartableServer } from './restartable-server.ts';

const request = { rows: [{ user_id: 1, a: 2.5 }] };
const predictions = [{ y: [2.5, 0] }];
let shop: RestartableServer;

beforeAll(async () => {
  shop = await startRestartable({ limits: { body_bytes_max: '8kb' } });
});

afterAll(async () => shop.end());

function connect(options: ClientOptions): Client {
  const client = createClient({ WebSocket, ...options });
  onTestFinished(async () => {
    await client.close({ timeoutMs: 0 });
  });
  return client;
}

describe.each(['http', 'ws'] as const)('over %s', (transport) => {
  it('a prediction is answered by a server that is started again', async () => {
    const client = connect({ url: shop.url, transport, timeoutMs: 20_000, retries: 100 });
    expect(await client.predict('m', request)).toMatchObject({ predictions });
    await shop.stop();
    const asked = client.predict('m', request);
    await shop.start();
    expect(await asked).toMatchObject({ predictions });
  });

  it('one that nobody answers ends after its time', async () => {
    const proxy = await startSwitchProxy([]);
    onTestFinished(() => proxy.close());
    const client = connect({ url: proxy.url.replace('redis', 'http'), transport, timeoutMs: 50 });
    const asked = client.predict('m', request);
    await expect(asked).rejects.toMatchObject({ code: 'TIMEOUT', status: undefined });
    const longer = client.predict('m', request, { timeoutMs: 10_000 });
    proxy.targets = [shop.port];
    proxy.cut();
    expect(await longer).toMatchObject({ predictions });
  });

  it('one is sent again when the connection breaks before the answer', async () => {
    const proxy = await startSlowProxy(shop.port, 0);
    onTestFinished(() => proxy.close());
    const client = connect({ url: proxy.url.replace('redis', 'http'), transport });
    await client.predict('m', request);
    Object.assign(proxy, { delayMs: 300, delayMsMin: 300 });
    const asked = [1, 2, 3].map(async () => client.predict('m', request));
    await new Promise((resolve) => setImmediate(resolve));
    Object.assign(proxy, { delayMs: 0, delayMsMin: 0 });
    proxy.cut(1);
    const one = expect.objectContaining({ predictions }) as unknown;
    expect(await Promise.all(asked)).toEqual([one, one, one]);
  });

  it('one that is too large is refused, and others go on', async () => {
    const client = connect({ url: shop.url, transport });
    const rows = Array.from({ length: 500 }, () => ({ user_id: 1, a: 0.123456789 }));
    const [large, small] = await Promise.allSettled([
      client.predict('m', { rows }),
      client.predict('m', request),
    ]);
    expect(large).toMatchObject({ reason: { code: 'BODY_TOO_LARGE' } });
    expect(small).toMatchObject({ value: { predictions } });
  });
});

it('a WebSocket that leads nowhere is given up', async () => {
  const proxy = await startSlowProxy(shop.port, 0);
  onTestFinished(() => proxy.close());
  const client = connect({ url: proxy.url.replace('redis', 'http'), transport: 'ws', timeoutMs: 2200 });
  await client.predict('m', request);
  Object.assign(proxy, { delayMs: 30_000, delayMsMin: 30_000 });
  await expect(client.predict('m', request)).rejects.toMatchObject({ code: 'TIMEOUT' });
  Object.assign(proxy, { delayMs: 0, delayMsMin: 0 });
  expect(await client.predict('m', request)).toMatchObject({ predictions });
});

it.each(['hello', '7', Buffer.from([0xc1])])(
  'a WebSocket over which %j comes is given up',
  async (message) => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    onTestFinished(() => server.close());
    server.on('connection', (socket) => socket.on('message', () => socket.send(message)));
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const client = connect({ url: `http://127.0.0.1:${port}`, transport: 'ws', retries: 0 });
    await expect(client.predict('m', request)).rejects.toMatchObject({
      code: 'NETWORK',
      message: expect.stringContaining('no answer of Millrace') as unknown,
    });
  },
);

it('a WebSocket that cannot be opened is told of as the cause', async () => {
  const client = connect({ url: 'http://127.0.0.1:1', transport: 'ws', timeoutMs: 200 });
  const asked = client.predict('m', request);
  await expect(asked).rejects.toMatchObject({
    code: 'TIMEOUT',
    message: expect.stringContaining('ECONNREFUSED') as unknown,
    cause: expect.objectContaining({ code: 'NETWORK' }) as unknown,
  });
});

describe('over http', () => {
  let proxy: ReverseProxy;
  let client: Client;
  beforeEach(async () => {
    proxy = await startReverseProxy(shop.port);
    client = connect({ url: proxy.url });
    onTestFinished(async () => proxy.close());
  });

  /** Answers the first requests in place of the server. */
  function answerFirst(...answers: (readonly [status: number, headers?: Record<string, string>])[]): void {
    const left = [...answers];
    proxy.intercept = (req, res) => {
      const answer = left.shift();
      if (answer === undefined) return false;
      req.resume();
      res.writeHead(...answer).end('<html>');
      return true;
    };
  }

  it.each([502, 503, 504])('tries again after a proxy has answered %i', async (status) => {
    answerFirst([status], [status]);
    expect(await client.predict('m', request)).toMatchObject({ predictions });
    expect(proxy.seen).toHaveLength(3);
  });

  it('gives up after its tries, with what came last', async () => {
    answerFirst([503], [503], [502], [503]);
    await expect(client.predict('m', request)).rejects.toMatchObject({ code: 'BAD_ANSWER', status: 502 });
    expect(proxy.seen).toHaveLength(3);
  });

  it('does not try again what will be refused again', async () => {
    answerFirst([401]);
    await expect(client.predict('m', request)).rejects.toMatchObject({ status: 401 });
    await expect(client.predict('m', { rows: [{}] })).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
    expect(proxy.seen).toHaveLength(2);
  });

  it('does not wait in vain when it is told to wait for longer than its time', async () => {
    answerFirst([503, { 'retry-after': '60' }]);
    const asked = client.predict('m', request);
    await expect(asked).rejects.toMatchObject({ status: 503, retryAfterMs: 60_000 });
    expect(proxy.seen).toHaveLength(1);
  });

  it('tells that nobody listens, and why', async () => {
    await proxy.close();
    const asked = client.predict('m', request);
    await expect(asked).rejects.toMatchObject({ code: 'NETWORK', cause: expect.any(Error) as unknown });
  });
});

describe('a push', () => {
  let demo: DemoServer;
  let proxy: ReverseProxy;
  let client: Client;
  beforeAll(async () => {
    demo = await startDemoServer();
    proxy = await startReverseProxy(demo.server.port);
    client = createClient({ url: proxy.url });
  });
  afterAll(async () => {
    await client.close();
    await proxy.close();
    await demo.stop();
  });

  const row = { iata: 'XA', name: null, city: null, state: null, latitude: 1, longitude: 2 };
  const dated = [{ ...row, event_timestamp: '2001-01-01' }];

  /** Loses the answer of the first request. */
  function loseFirst(): void {
    proxy.seen.length = 0;
    proxy.intercept = (req) => {
      const isFirst = proxy.seen.length === 1;
      if (isFirst) req.socket.destroy();
      return isFirst;
    };
  }

  it('is not sent again when it is not known whether it was written', async () => {
    loseFirst();
    await expect(client.push('airport_profile', [row])).rejects.toMatchObject({ code: 'NETWORK' });
    expect(proxy.seen).toEqual(['POST /push']);
  });

  it('is sent again if its rows have their event times', async () => {
    loseFirst();
    await client.push('airport_profile', dated, { hasEventTimes: true });
    expect(proxy.seen).toEqual(['POST /push', 'POST /push']);
  });

  it('is sent again when the server says that it was too much', async () => {
    proxy.seen.length = 0;
    proxy.intercept = (req, res) => {
      if (proxy.seen.length > 1) return false;
      req.resume();
      res.writeHead(429, { 'retry-after': '0' }).end();
      return true;
    };
    await client.push('airport_profile', [row]);
    expect(proxy.seen).toEqual(['POST /push', 'POST /push']);
  });
});

it('takes for transient what the server says may be mended by a retry', () => {
  const transient = Object.entries(errorCatalogue).filter(([code, { status }]) => {
    // As over WebSocket, where there is no status.
    const retryAfterMs = retryAfterMsOf(new MillraceError(code as ErrorCode, ''));
    // With the status, as over HTTP, where there is one for all.
    const overHttp = isTransient(new MillraceClientError(code, '', { status, retryAfterMs }));
    expect(isTransient(new MillraceClientError(code, '', { retryAfterMs }))).toBe(overHttp);
    return overHttp;
  });
  const byStatus = Object.entries(errorCatalogue).filter(
    ([code, { status }]) => [429, 503, 504].includes(status) && code !== 'MODEL_UNAVAILABLE',
  );
  expect(transient).toEqual(byStatus);
});
