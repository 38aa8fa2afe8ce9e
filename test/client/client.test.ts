/** The calls of the client against a real server, over both transports. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { createClient } from '../../src/client/index.ts';
import type { Client, ClientOptions } from '../../src/client/index.ts';
import { goodFlight, startDemoServer } from '../e2e/demo-server.ts';
import type { DemoServer } from '../e2e/demo-server.ts';

const transports = ['http', 'ws'] as const;
let demo: DemoServer;
const clients: Client[] = [];

beforeAll(async () => {
  demo = await startDemoServer();
});

afterAll(async () => {
  await Promise.all(clients.map(async (client) => client.close()));
  await demo.stop();
});

function connect(options: Omit<ClientOptions, 'url'>): Client {
  const client = createClient({ url: demo.server.url, WebSocket, ...options });
  clients.push(client);
  return client;
}

describe.each(transports)('a client over %s', (transport) => {
  let client: Client;
  beforeAll(() => {
    client = connect({ transport });
  });

  it('gets one prediction per row, and what has answered', async () => {
    const { flight_id, origin, scheduled, ...row } = goodFlight;
    const answer = await client.predict('flight-delay', {
      context: { flight_id, origin, scheduled: new Date(scheduled) },
      rows: [row, { ...row, destination: 'ORD' }],
    });
    const { predictions, ...named } = answer;
    const delayed = expect.closeTo(0.5, 0) as number;
    expect(predictions).toEqual([{ delayed }, { delayed }]);
    expect(named).toEqual({
      request_id: expect.any(String),
      endpoint: 'flight-delay',
      model: 'flight-delay',
      version: '2',
      variant: 'gbm',
    });
  });

  it('gets a trace when it asks for one', async () => {
    const request = { rows: [goodFlight], as_of: new Date('2001-03-09T17:00:00Z'), trace: true };
    const { trace } = await client.predict('flight-delay', request);
    expect(trace).toMatchObject({ rows: [expect.anything()] });
  });

  it('rejects with the code and the places that the server names', async () => {
    const refused = client.predict('flight-delay', { rows: [{ ...goodFlight, distance: 'far' }] });
    await expect(refused).rejects.toMatchObject({
      name: 'MillraceClientError',
      code: 'INVALID_REQUEST',
      status: transport === 'http' ? 400 : undefined,
      requestId: expect.any(String),
      details: [{ path: 'rows[0].distance', message: 'must be a number, not a string' }],
    });
    const unknown = client.predict('flight-dealy', { rows: [] });
    await expect(unknown).rejects.toMatchObject({ code: 'UNKNOWN_ENDPOINT' });
  });

  it('refuses by itself what JSON would turn into something else', async () => {
    const refused = client.predict('flight-delay', { rows: [goodFlight, { ...goodFlight, distance: NaN }] });
    await expect(refused).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
      details: [{ path: 'rows[1].distance', message: 'must be finite, not NaN' }],
    });
    const date = client.predict('flight-delay', {
      rows: [{ ...goodFlight, scheduled: new Date('no day') }],
    });
    await expect(date).rejects.toMatchObject({ details: [{ path: 'rows[0].scheduled' }] });
  });

  it('leaves out fields that are undefined', async () => {
    const { predictions } = await client.predict('flight-delay', {
      rows: [{ ...goodFlight, nothing: undefined }],
    });
    expect(predictions).toHaveLength(1);
  });

  it('lets a field have any name', async () => {
    const row = JSON.parse('{ "__proto__": 1 }') as Record<string, number>;
    const refused = client.predict('flight-delay', { rows: [{ ...goodFlight, ...row }] });
    await expect(refused).rejects.toMatchObject({ details: [{ path: 'rows[0].__proto__' }] });
  });

  it('sends feedback once, however often it is sent', async () => {
    const { request_id: requestId } = await client.predict('flight-delay', { rows: [goodFlight] });
    const id = `arrival by ${transport}`;
    const outcome = await client.feedback(requestId, { row: 0, label: true, id, time: new Date() });
    expect(outcome).toEqual({ status: 'accepted', id });
    const again = await client.feedback(requestId, { row: 0, label: true, id });
    expect(again).toEqual({ status: 'duplicate', id });
    const silent = client.feedback(requestId, {});
    await expect(silent).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
      details: [{ path: 'feedback[0]', message: 'says nothing: give a label, a reward or a click' }],
    });
  });

  it('reads features, and what it has pushed', async () => {
    const iata = transport === 'http' ? 'XA' : 'XB';
    const time = { event_timestamp: new Date('2001-01-01') };
    const row = { iata, name: 'New', city: 'Nowhere', state: 'NW', latitude: 1.5, ...time };
    await client.push('airport_profile', [
      { ...row, longitude: 2 },
      { ...row, iata: 'XC' },
    ]);
    const { results } = await client.features({
      features: ['airport_profile:city', 'airport_profile:longitude'],
      entities: { iata: [iata, 'XC', 'QQQ'] },
    });
    expect(results.map(({ values }) => values)).toEqual([
      [iata, 'XC', 'QQQ'],
      ['Nowhere', 'Nowhere', null],
      [2, null, null],
    ]);
    await client.push('airport_profile', []);
  });

  it('rejects with the reason of its signal when it is given up', async () => {
    const reason = new Error('the page was left');
    const gone = client.predict(
      'flight-delay',
      { rows: [goodFlight] },
      { signal: AbortSignal.abort(reason) },
    );
    await expect(gone).rejects.toBe(reason);
    const abort = new AbortController();
    const given = client.predict('flight-delay', { rows: [goodFlight] }, { signal: abort.signal });
    abort.abort(reason);
    await expect(given).rejects.toBe(reason);
    expect((await client.predict('flight-delay', { rows: [goodFlight] })).predictions).toHaveLength(1);
  });

  it('rejects calls after it was closed, and those that are in flight', async () => {
    const closing = connect({ transport });
    await closing.predict('flight-delay', { rows: [] });
    expect(await closing.close()).toEqual({ eventsLeft: 0 });
    await expect(closing.predict('flight-delay', { rows: [] })).rejects.toMatchObject({ code: 'CLOSED' });
    await expect(closing.events.send({ type: 'departure', fields: {} })).rejects.toMatchObject({
      code: 'CLOSED',
    });
  });
});

describe('a client', () => {
  it('sends what it is told to as headers', async () => {
    let sent: Record<string, string> = {};
    const client = connect({
      key: 'k-1',
      headers: { 'x-session-id': 's-1' },
      traceparent: () => '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
      fetch: async (url, init) => {
        sent = init.headers;
        return fetch(url, init);
      },
    });
    await client.predict('flight-delay', { rows: [goodFlight] });
    expect(sent).toEqual({
      authorization: 'Bearer k-1',
      'content-type': 'application/json',
      traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
      'x-session-id': 's-1',
    });
  });

  it('names what is wrong with its address', () => {
    expect(() => createClient({ url: '127.0.0.1:8080' })).toThrow('options.url must be the address');
  });

  it('refuses a key that no header holds, without repeating it', () => {
    const withKey = (): Client => createClient({ url: demo.server.url, key: 'secret\n' });
    expect(withKey).toThrow('options.key must be a key');
    expect(withKey).not.toThrow('secret');
  });

  it('says where to get a WebSocket from', ({ skip }) => {
    skip('WebSocket' in globalThis, 'this Node has a WebSocket of its own');
    const ws = { url: 'http://127.0.0.1:1', transport: 'ws' } as const;
    expect(() => createClient(ws)).toThrow('options.WebSocket');
    expect(() => createClient({ ...ws, WebSocket })).not.toThrow();
  });

  it('tells an answer that is none of Millrace', async () => {
    const client = createClient({ url: `${demo.server.url}/v2/health/live/` });
    const missing = client.predict('flight-delay', { rows: [] });
    await expect(missing).rejects.toMatchObject({ code: 'UNKNOWN_ROUTE', status: 404 });
  });
});
