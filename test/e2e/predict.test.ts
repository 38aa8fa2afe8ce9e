import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call, goodFlight, predict, startDemoServer } from './demo-server.ts';
import type { DemoServer, Reply } from './demo-server.ts';

let demo: DemoServer;

beforeAll(async () => {
  demo = await startDemoServer();
});

afterAll(async () => {
  await demo.stop();
});

interface Answer {
  readonly predictions: readonly { readonly delayed: number }[];
  readonly trace: {
    readonly as_of: string;
    readonly rows: readonly {
      readonly features: Record<string, TracedRow>;
      readonly inputs: Record<string, readonly (number | null)[]>;
    }[];
    readonly timings_ms: Record<string, number>;
  };
}

interface TracedRow {
  readonly key: string | null;
  readonly status: string;
  readonly age_ms: number | null;
  readonly event_time: string | null;
  readonly values: Record<string, { readonly value: unknown; readonly status: string }>;
}

function answerOf(reply: Reply): Answer {
  expect(reply.status, reply.text).toBe(200);
  return reply.json as unknown as Answer;
}

async function push(iata: string, latitude: number, time: string): Promise<void> {
  const columns = { name: ['Somewhere'], city: [null], state: [null], latitude: [latitude], longitude: [1] };
  const body = JSON.stringify({
    push_source_name: 'airport_profile',
    df: { iata: [iata], ...columns, event_timestamp: [time] },
    to: 'online',
  });
  const reply = await call(demo.server, '/push', { body });
  expect([reply.status, reply.text]).toEqual([200, '']);
}

async function traced(row: object, asOf?: string): Promise<Answer['trace']['rows'][number]> {
  const answer = answerOf(
    await predict(demo.server, 'flight-delay', { rows: [row], as_of: asOf, trace: true }),
  );
  return answer.trace.rows[0] as Answer['trace']['rows'][number];
}

describe('predict', () => {
  it('names what answered, with a request id of its own for every call', async () => {
    const [first, second] = await Promise.all([
      predict(demo.server, 'flight-delay', { rows: [goodFlight] }),
      predict(demo.server, 'flight-delay', { rows: [goodFlight] }),
    ]);
    expect(first.json).toMatchObject({
      endpoint: 'flight-delay',
      model: 'flight-delay',
      version: '2',
      variant: 'gbm',
    });
    expect(first.json).not.toHaveProperty('trace');
    expect(first.json['request_id']).not.toBe(second.json['request_id']);
  });

  it('shares the fields of the context among all rows', async () => {
    const { origin, scheduled, ...rest } = goodFlight;
    const destinations = ['LAX', 'SFO', 'ORD'];
    const shared = answerOf(
      await predict(demo.server, 'flight-delay', {
        context: { origin, scheduled },
        rows: destinations.map((destination) => ({ ...rest, destination })),
      }),
    );
    const whole = answerOf(
      await predict(demo.server, 'flight-delay', {
        rows: destinations.map((destination) => ({ ...goodFlight, destination })),
      }),
    );
    expect(shared.predictions).toEqual(whole.predictions);
    expect(new Set(shared.predictions.map(({ delayed }) => delayed)).size).toBe(3);
  });

  it('answers no rows with no predictions', async () => {
    expect(answerOf(await predict(demo.server, 'flight-delay', { rows: [] })).predictions).toEqual([]);
  });

  it('uses a pushed row in the very next prediction', async () => {
    const row = { ...goodFlight, origin: 'XX1' };
    const before = await traced(row);
    expect(before.features['origin.airport_profile']?.status).toBe('NOT_FOUND');
    await push('XX1', 42.5, '2001-03-09T12:00:00Z');
    const after = await traced(row);
    expect(after.features['origin.airport_profile']).toMatchObject({
      key: 'XX1',
      status: 'PRESENT',
      event_time: '2001-03-09T12:00:00.000Z',
      values: { latitude: { value: 42.5, status: 'PRESENT' } },
    });
    expect(after.inputs['features']).toContain(42.5);
  });

  it('does not see rows from after an explicit as_of', async () => {
    await push('XX2', 10, '2001-03-09T12:00:00Z');
    const row = { ...goodFlight, origin: 'XX2' };
    const before = await traced(row, '2001-03-09T11:59:59Z');
    expect(before.features['origin.airport_profile']).toMatchObject({ status: 'NOT_FOUND' });
    const after = await traced(row, '2001-03-09T13:00:00Z');
    expect(after.features['origin.airport_profile']).toMatchObject({ status: 'PRESENT', age_ms: 3_600_000 });
  });

  it('keeps the newer row when an older one is pushed', async () => {
    await push('XX3', 20, '2001-03-09T12:00:00Z');
    await push('XX3', 10, '2001-03-08T12:00:00Z');
    const { features } = await traced({ ...goodFlight, origin: 'XX3' });
    expect(features['origin.airport_profile']?.values['latitude']?.value).toBe(20);
  });

  it('gives each of many concurrent callers its own rows, over both endpoints', async () => {
    const airports = ['JFK', 'LAX', 'ORD', 'ATL', 'DFW', 'SFO', 'MCO', 'BOS'];
    const flight = (i: number): object => ({
      ...goodFlight,
      flight_id: `f${i}`,
      origin: airports[i % airports.length],
      destination: airports[(i * 3 + 1) % airports.length],
      distance: 100 + i,
      scheduled: 984_000_000_000 + i * 600_000,
    });
    const endpoints = ['flight-delay', 'flight-delay-baseline'] as const;
    const all = Array.from({ length: 300 }, (_, i) => flight(i));
    const alone = await Promise.all(
      endpoints.map(
        async (endpoint) => answerOf(await predict(demo.server, endpoint, { rows: all })).predictions,
      ),
    );
    const slices = Array.from({ length: 120 }, (_, s) => ({
      from: (s * 37) % 290,
      count: 1 + (s % 10),
      which: s % 2,
    }));
    const replies = await Promise.all(
      slices.map(async ({ from, count, which }) =>
        predict(demo.server, endpoints[which] as string, { rows: all.slice(from, from + count) }),
      ),
    );
    replies.forEach((reply, s) => {
      const { from, count, which } = slices[s] as (typeof slices)[number];
      const expected = (alone[which] ?? []).slice(from, from + count);
      answerOf(reply).predictions.forEach(({ delayed }, i) => {
        expect(delayed).toBeCloseTo(expected[i]?.delayed as number, 6);
      });
    });
  });
});

describe('operations', () => {
  it('says that it lives and is ready', async () => {
    expect((await call(demo.server, '/v2/health/live')).json).toEqual({ live: true });
    expect((await call(demo.server, '/v2/health/ready')).json).toEqual({ ready: true });
  });

  it('counts requests, rows, batches, feature statuses and the delay of the event loop', async () => {
    await predict(demo.server, 'flight-delay', { rows: [goodFlight, goodFlight] });
    await predict(demo.server, 'flight-delay', { rows: [1] });
    const { text, headers } = await call(demo.server, '/metrics');
    expect(headers['content-type']).toContain('text/plain');
    for (const pattern of [
      /^millrace_requests_total\{route="predict",endpoint="flight-delay",status="200"\} [1-9]/m,
      /^millrace_requests_total\{route="predict",endpoint="flight-delay",status="400"\} [1-9]/m,
      /^millrace_request_duration_seconds_bucket\{route="predict",endpoint="flight-delay",le="0.1"\} [1-9]/m,
      /^millrace_rows_total\{endpoint="flight-delay",model="flight-delay",version="2",variant="gbm"\} [1-9]/m,
      /^millrace_batch_rows_count\{model="flight-delay",version="2"\} [1-9]/m,
      /^millrace_run_duration_seconds_sum\{model="flight-delay",version="2"\} 0\.\d/m,
      /^millrace_feature_rows_total\{view="airport_profile",status="PRESENT"\} [1-9]/m,
      /^millrace_feature_rows_total\{view="airport_profile",status="NOT_FOUND"\} [1-9]/m,
      /^millrace_event_loop_delay_seconds\{quantile="0.99"\} \d/m,
      /^millrace_in_flight_requests 1$/m,
      /^process_cpu_seconds_total \d/m,
    ]) {
      expect(text).toMatch(pattern);
    }
  });

  it('answers get-online-features in the shape of Feast', async () => {
    const reply = await call(demo.server, '/get-online-features', {
      body: JSON.stringify({
        features: ['airport_profile:city', 'airport_profile:latitude'],
        entities: { iata: ['JFK', 'nowhere'] },
      }),
    });
    expect(reply.json['metadata']).toEqual({ feature_names: ['iata', 'city', 'latitude'] });
    const results = reply.json['results'] as {
      values: unknown[];
      statuses: string[];
      event_timestamps: string[];
    }[];
    expect(results.map(({ statuses }) => statuses)).toEqual([
      ['PRESENT', 'PRESENT'],
      ['PRESENT', 'NOT_FOUND'],
      ['PRESENT', 'NOT_FOUND'],
    ]);
    expect(results[1]?.values).toEqual(['New York', null]);
    expect(results[1]?.event_timestamps).toEqual(['2001-01-01T00:00:00Z', '1970-01-01T00:00:00Z']);
  });
});
