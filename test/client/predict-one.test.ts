/** Rows that are asked for one by one, and share requests. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { createClient } from '../../src/client/index.ts';
import type { Client, MillraceClientError } from '../../src/client/index.ts';
import { goodFlight, startDemoServer } from '../e2e/demo-server.ts';
import type { DemoServer } from '../e2e/demo-server.ts';

const ENDPOINT = 'flight-delay';
const context = { origin: 'JFK', scheduled: '2001-03-09T17:00:00Z' };
let demo: DemoServer;
let client: Client;
/** Rows of each request that went out. */
let sent: number[];

beforeAll(async () => {
  demo = await startDemoServer({ rowsMax: 20 });
  client = createClient({
    url: demo.server.url,
    batchRowsMax: 50,
    fetch: async (url, init) => {
      sent.push((JSON.parse(init.body) as { rows: unknown[] }).rows.length);
      return fetch(url, init);
    },
  });
});

afterAll(async () => {
  await client.close();
  await demo.stop();
});

function flight(i: number): { flight_id: string; destination: string; distance: number } {
  return { flight_id: `AA-${i}`, destination: i % 2 === 0 ? 'LAX' : 'ORD', distance: 500 + 100 * i };
}

describe('predictOne', () => {
  it('joins the rows of one turn, and gives each caller its own prediction', async () => {
    sent = [];
    const rows = [0, 1, 2, 3, 4].map(flight);
    const one = await Promise.all(rows.map(async (row) => client.predictOne(ENDPOINT, row, { context })));
    expect(sent).toEqual([5]);
    const { predictions } = await client.predict(ENDPOINT, { context, rows });
    expect(one.map(({ prediction }) => prediction)).toEqual(predictions);
    expect(one.map(({ row }) => row)).toEqual([0, 1, 2, 3, 4]);
    expect(new Set(one.map(({ request_id: requestId }) => requestId)).size).toBe(1);
  });

  it('joins rows of functions that waited for the same', async () => {
    sent = [];
    const ready = Promise.resolve();
    const ask = async (i: number): Promise<unknown> => {
      await ready;
      return client.predictOne(ENDPOINT, flight(i), { context });
    };
    await Promise.all([ask(0), ask(1), ask(2)]);
    expect(sent).toEqual([3]);
  });

  it('keeps apart what differs in endpoint, context, time or unit', async () => {
    sent = [];
    await Promise.all([
      client.predictOne(ENDPOINT, flight(1), { context }),
      client.predictOne('flight-delay-baseline', flight(1), { context }),
      client.predictOne(ENDPOINT, { ...flight(1), ...context }),
      client.predictOne(ENDPOINT, flight(1), { context, as_of: '2001-03-09T17:00:00Z' }),
      client.predictOne(ENDPOINT, flight(1), { context, unit: 'flight_id' }),
      client.predictOne(ENDPOINT, flight(2), { context, unit: 'flight_id' }),
      client.predictOne(ENDPOINT, { ...flight(2), distance: 1 }, { context, unit: 'flight_id' }),
    ]);
    expect(sent.toSorted((a, b) => a - b)).toEqual([1, 1, 1, 1, 1, 2]);
  });

  it('gives an error to the caller of a bad row alone, as if it had been sent alone', async () => {
    sent = [];
    const asked = [0, 1, 2, 3].map(async (i) => {
      const row = i === 2 ? { ...flight(i), distance: 'far', seats: 3 } : flight(i);
      return client.predictOne(ENDPOINT, row, { context });
    });
    const [first, second, bad, last] = await Promise.allSettled(asked);
    expect(sent).toEqual([4, 3]);
    expect([first?.status, second?.status, last?.status]).toEqual(['fulfilled', 'fulfilled', 'fulfilled']);
    const alone = client.predict(ENDPOINT, { context, rows: [{ ...flight(2), distance: 'far', seats: 3 }] });
    const [{ reason }] = (await Promise.allSettled([alone])) as [PromiseRejectedResult];
    const { details } = reason as MillraceClientError;
    expect(details).toHaveLength(2);
    expect(bad).toMatchObject({ reason: { code: 'INVALID_REQUEST', details } });
    expect(String((bad as PromiseRejectedResult).reason)).toMatch(
      /^MillraceClientError: The request does not fit the endpoint "flight-delay": rows\[0\]\.distance must be a number/,
    );
  });

  it('gives every caller the error of what all share', async () => {
    sent = [];
    const wrong = { ...context, origin: 7 };
    const asked = [0, 1].map(async (i) => client.predictOne(ENDPOINT, flight(i), { context: wrong }));
    const outcomes = await Promise.allSettled(asked);
    expect(sent).toEqual([2]);
    const reason = { code: 'INVALID_REQUEST', details: [{ path: 'context.origin' }] };
    expect(outcomes).toMatchObject([{ reason }, { reason }]);
  });

  it('divides a request that is too large for the server', async () => {
    sent = [];
    const asked = Array.from({ length: 60 }, async (_, i) =>
      client.predictOne(ENDPOINT, flight(i), { context }),
    );
    const answers = await Promise.all(asked);
    expect(answers).toHaveLength(60);
    // 50 is what the client joins at most, 20 what the server takes.
    expect(sent.toSorted((a, b) => b - a)).toEqual([50, 25, 25, 13, 13, 12, 12, 10]);
    const { predictions } = await client.predict(ENDPOINT, { context, rows: [flight(37)] });
    expect(answers[37]?.prediction).toEqual(predictions[0]);
  });

  it('finds all good rows among more bad ones than an error names', async () => {
    const isBad = (i: number): boolean => i % 4 !== 0;
    const asked = Array.from({ length: 45 }, async (_, i) =>
      client.predictOne(ENDPOINT, isBad(i) ? { ...flight(i), distance: null } : flight(i), { context }),
    );
    const outcomes = await Promise.allSettled(asked);
    const good = outcomes.filter(({ status }) => status === 'fulfilled');
    expect(outcomes.map(({ status }) => status === 'rejected')).toEqual(outcomes.map((_, i) => isBad(i)));
    for (const outcome of outcomes.filter(({ status }) => status === 'rejected'))
      expect(outcome).toMatchObject({ reason: { details: [{ path: 'rows[0].distance' }] } });
    const rows = outcomes
      .map((_, i) => i)
      .filter((i) => !isBad(i))
      .map(flight);
    const { predictions } = await client.predict(ENDPOINT, { context, rows });
    expect(good).toMatchObject(predictions.map((prediction) => ({ value: { prediction } })));
  });

  it('finds the one row whose key no store keeps', async () => {
    sent = [];
    const rows = [0, 1, 2, 3].map((i) => ({ ...goodFlight, flight_id: `${i}` }));
    const long = 'x'.repeat(2000);
    const asked = rows.map(async (row, i) =>
      client.predictOne(ENDPOINT, i === 1 ? { ...row, origin: long } : row),
    );
    const outcomes = await Promise.allSettled(asked);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
    expect(outcomes[1]).toMatchObject({ reason: { code: 'KEY_TOO_LONG' } });
  });

  it('lets one caller give up without the others', async () => {
    const abort = new AbortController();
    const given = client.predictOne(ENDPOINT, flight(0), { context, signal: abort.signal });
    const kept = client.predictOne(ENDPOINT, flight(1), { context });
    abort.abort(new Error('not needed'));
    await expect(given).rejects.toThrow('not needed');
    expect((await kept).prediction).toHaveProperty('delayed');
  });

  it('joins rows over a WebSocket as well', async () => {
    const socketClient = createClient({ url: demo.server.url, transport: 'ws', WebSocket });
    const asked = [0, 1, 2].map(async (i) => {
      const row = i === 1 ? { ...flight(i), distance: 'far' } : flight(i);
      return socketClient.predictOne(ENDPOINT, row, { context });
    });
    const [first, bad, last] = await Promise.allSettled(asked);
    expect(bad).toMatchObject({ reason: { details: [{ path: 'rows[0].distance' }] } });
    const { predictions } = await client.predict(ENDPOINT, { context, rows: [flight(0), flight(2)] });
    expect([first, last]).toMatchObject([
      { value: { row: 0, prediction: { delayed: expect.closeTo(Number(predictions[0]?.['delayed']), 6) } } },
      { value: { row: 1, prediction: { delayed: expect.closeTo(Number(predictions[1]?.['delayed']), 6) } } },
    ]);
    await socketClient.close();
  });
});
