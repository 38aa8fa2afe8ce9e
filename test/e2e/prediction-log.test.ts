/** Predictions and their feedback over HTTP, and what the prediction log then has. */
import { afterEach, describe, expect, it } from 'vitest';
import type { PredictionLogSettings } from '../../src/project/project.ts';
import { predictionsOf, readJoinedIn } from '../events/read-joined.ts';
import { openSocket } from '../server/socket-client.ts';
import { call, goodFlight, predict, startDemoServer } from './demo-server.ts';
import type { DemoServer, Reply } from './demo-server.ts';

let demo: DemoServer;
afterEach(() => demo.stop());

async function start(log: Partial<PredictionLogSettings>): Promise<void> {
  demo = await startDemoServer({}, log);
}

async function feedback(body: unknown): Promise<Reply> {
  return call(demo.server, '/v1/feedback', { body: JSON.stringify(body) });
}

async function predictOne(fields: object = {}): Promise<string> {
  const { json } = await predict(demo.server, 'flight-delay', { rows: [{ ...goodFlight, ...fields }] });
  return json['request_id'] as string;
}

async function metric(name: string): Promise<string[]> {
  const { text } = await call(demo.server, '/metrics');
  return text.split('\n').filter((line) => line.startsWith(name));
}

describe('a prediction over HTTP', () => {
  it('is in the log with its fields, keys, features, outputs and the feedback that came', async () => {
    await start({ sample: 1, featuresSample: 1 });
    const rows = [goodFlight, { ...goodFlight, flight_id: 'AA-2', destination: 'XXX' }];
    const asOf = '2001-03-09T12:00:00Z';
    const answered = await predict(demo.server, 'flight-delay', { rows, as_of: asOf });
    const { request_id: id, predictions } = answered.json;
    const sent = [
      { request_id: id, row: 1, label: true, id: 'outcome 1' },
      { request_id: id, reward: 0.5, time: '2001-03-09T20:00:00Z' },
      { request_id: 'nobody-1', click: false },
      { request_id: id, row: -1, click: true },
    ];
    const { status, json } = await feedback(sent);
    expect(status).toBe(202);
    expect(json['feedback']).toMatchObject([
      { status: 'accepted', id: 'outcome 1' },
      { status: 'accepted' },
      { status: 'accepted' },
      { status: 'rejected', code: 'INVALID_REQUEST', path: 'row' },
    ]);
    expect((await feedback(sent[0])).json['feedback']).toEqual([{ status: 'duplicate', id: 'outcome 1' }]);
    await demo.server.close();

    const records = await readJoinedIn(demo.dataDir);
    expect(records.filter(({ kind }) => kind !== 'prediction')).toMatchObject([
      { kind: 'unmatched', reason: 'no_prediction', feedback: { requestId: 'nobody-1', click: false } },
    ]);
    const [logged, ...others] = predictionsOf(records);
    expect(others).toEqual([]);
    expect(logged).toMatchObject({
      requestId: id,
      endpoint: 'flight-delay',
      variant: 'gbm',
      model: 'flight-delay',
      version: '2',
      propensity: 1,
      asOfMs: Date.parse(asOf),
    });
    expect(logged?.latencyMs).toBeGreaterThan(0);
    expect(logged?.rows.map(({ outputs }) => outputs)).toEqual(predictions);
    expect(logged?.rows.map(({ fields }) => fields)).toEqual(
      rows.map((row) => ({ ...row, scheduled: Date.parse(row.scheduled) })),
    );
    expect(logged?.rows[1]?.keys).toEqual({ origin: ['JFK'], destination: ['XXX'], everywhere: [] });
    const [toLax, toNowhere] = logged?.rows ?? [];
    const label = { row: 1, label: true };
    const reward = { row: undefined, reward: 0.5, timeMs: Date.parse('2001-03-09T20:00:00Z') };
    expect(toLax?.feedback).toMatchObject([reward]);
    expect(toNowhere?.feedback).toMatchObject([label, reward]);
  });

  it('has the values and ages that the trace shows, where it is in the sample of those', async () => {
    await start({ sample: 1, featuresSample: 1 });
    const { json } = await predict(demo.server, 'flight-delay', { rows: [goodFlight], trace: true });
    await demo.server.close();
    const [logged] = predictionsOf(await readJoinedIn(demo.dataDir));
    const { rows } = json['trace'] as { rows: { features: Record<string, TracedView> }[] };
    const features = logged?.rows[0]?.features ?? [];
    expect(features.length).toBe(Object.keys(rows[0]?.features ?? {}).length);
    for (const { binding, view, ageMs, values } of features) {
      const traced = rows[0]?.features[`${binding}.${view}`];
      // A row that is not there has none.
      expect(ageMs ?? null).toBe(traced?.age_ms);
      const tracedValues = Object.entries(traced?.values ?? {}).map(([name, { value }]) => [name, value]);
      expect(values).toEqual(Object.fromEntries(tracedValues));
    }
  });

  it('does not show protected fields, nor keys of what is left out', async () => {
    await start({ sample: 1, featuresSample: 0, hash: ['origin', 'flight_id'], leaveOut: ['destination'] });
    await predictOne();
    await predictOne({ flight_id: 'JFK', origin: 'LAX' });
    await demo.server.close();
    const logged = predictionsOf(await readJoinedIn(demo.dataDir));
    const rows = logged.map(({ rows: [row] }) => row);
    expect(JSON.stringify(logged)).not.toMatch(/JFK|LAX|AA-1/);
    const jfk = rows
      .map((row) => row?.fields['origin'])
      .find((hash) => rows.some((row) => row?.fields['flight_id'] === hash));
    expect(jfk).toMatch(/^[\w-]{22}$/);
    expect(rows.map((row) => Object.keys(row?.keys ?? {}))).toEqual([
      ['origin', 'everywhere'],
      ['origin', 'everywhere'],
    ]);
    for (const row of rows) {
      expect(row?.keys['origin']).toEqual([row?.fields['origin']]);
      expect(Object.keys(row?.fields ?? {})).toEqual(['flight_id', 'origin', 'distance', 'scheduled']);
      expect(row?.features).toBeUndefined();
    }
  });

  it('is logged over WebSocket, too, and only where it was answered', async () => {
    await start({ sample: 1 });
    const socket = await openSocket(demo.server);
    socket.send(JSON.stringify({ id: 7, endpoint: 'flight-delay-baseline', rows: [goodFlight] }));
    const [answer] = await socket.received(1);
    await predict(demo.server, 'flight-delay', { rows: [{}] });
    await demo.server.close();
    const logged = predictionsOf(await readJoinedIn(demo.dataDir));
    expect(logged.map(({ requestId, endpoint }) => [requestId, endpoint])).toEqual([
      [answer?.request_id, 'flight-delay-baseline'],
    ]);
  });
});

interface TracedView {
  readonly age_ms: number | null;
  readonly values: Readonly<Record<string, { readonly value: unknown }>>;
}

describe('the prediction log', () => {
  it('is off where no endpoint asks for it', async () => {
    await start({ sample: 0 });
    const { status, json } = await feedback({ request_id: 'a', click: true });
    expect([status, json['code']]).toEqual([404, 'UNKNOWN_ROUTE']);
    expect(json['error']).toContain('No endpoint of the project logs its predictions');
  });

  it('tells in the metrics what was written', async () => {
    await start({ sample: 1 });
    await predictOne();
    const written = 'millrace_prediction_log_written_total{endpoint="flight-delay"}';
    await expect.poll(() => metric(written)).toEqual([`${written} 1`]);
    expect(
      await metric('millrace_prediction_log_dropped_total{endpoint="flight-delay",reason="full"}'),
    ).toEqual(['millrace_prediction_log_dropped_total{endpoint="flight-delay",reason="full"} 0']);
  });

  it('refuses a call whose feedback says nothing', async () => {
    await start({ sample: 1 });
    const { status, json } = await feedback([{ request_id: 'a' }]);
    expect([status, json['code'], json['details']]).toEqual([
      400,
      'INVALID_REQUEST',
      [{ path: 'feedback[0]', message: 'says nothing: give a label, a reward or a click' }],
    ]);
  });
});
