/**
 * Mutated requests, at least 20,000: bytes flipped, cut, doubled and swapped in bodies; JSON values replaced; paths,
 * methods and headers changed; raw bytes that are hardly HTTP. None may be answered with a 5xx, none may go
 * unanswered, and the server must serve on.
 */
import { Agent, request } from 'node:http';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { call, goodFlight, predict, rawCall, startDemoServer } from './demo-server.ts';
import type { DemoServer } from './demo-server.ts';

const BODY_RUNS = 10_000;
const ENVELOPE_RUNS = 1500;
const RAW_RUNS = 300;
const CONCURRENCY = 32;

const seed = Math.floor(Math.random() * 2 ** 31);
let demo: DemoServer;

beforeAll(async () => {
  demo = await startDemoServer();
});

afterAll(async () => {
  await demo.stop();
});

interface Fuzzed {
  readonly method: string;
  readonly path: string;
  readonly contentType: string;
  readonly body: Buffer;
}

const oddValue = fc.oneof(
  fc.constantFrom(
    null,
    true,
    '',
    0,
    -0,
    -1,
    1e308,
    2 ** 53,
    '2001-13-45',
    '\0',
    '𝒳',
    [],
    {},
    [[]],
    'x'.repeat(5000),
  ),
  fc.jsonValue({ maxDepth: 3 }),
);

const oddFlight = fc.record(
  Object.fromEntries(
    Object.entries(goodFlight).map(([name, value]) => [
      name,
      fc.oneof({ weight: 4, arbitrary: fc.constant(value as unknown) }, { weight: 1, arbitrary: oddValue }),
    ]),
  ),
  { requiredKeys: [] },
);

const flight = fc.oneof(
  { weight: 3, arbitrary: fc.constant(goodFlight) },
  { weight: 2, arbitrary: oddFlight },
);

const goodBody = fc.record({
  rows: fc.array(fc.constant(goodFlight), { maxLength: 40 }),
  trace: fc.boolean(),
});

const oddBody = fc.record(
  {
    context: fc.oneof(flight, oddValue),
    rows: fc.oneof(fc.array(flight, { maxLength: 5 }), fc.array(oddValue, { maxLength: 3 }), oddValue),
    as_of: fc.oneof(fc.constant('2001-03-09T17:00:00Z'), oddValue),
    trace: fc.oneof(fc.boolean(), oddValue),
    [`__proto__`]: oddValue,
  },
  { requiredKeys: ['rows'] },
);

const predictBody = fc.oneof(goodBody, oddBody);

const goodPush = fc.record({
  push_source_name: fc.constant('airport_profile'),
  df: fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' }).map((iata) => ({
    iata: [iata, 'FZZ'],
    name: ['x', null],
    city: ['', 'y'],
    state: [null, null],
    latitude: [1.5, -90],
    longitude: [0, 1e300],
  })),
});

const oddPush = fc.record(
  {
    push_source_name: fc.oneof(fc.constantFrom('airport_profile', 'outbound'), oddValue),
    feature_view_name: fc.oneof(fc.constantFrom('airport_profile', 'outbound'), oddValue),
    df: fc.oneof(fc.dictionary(fc.constantFrom('iata', 'state', 'city', 'x'), fc.array(oddValue)), oddValue),
    to: fc.oneof(fc.constantFrom('online', 'offline'), oddValue),
  },
  { requiredKeys: ['df'] },
);

const pushBody = fc.oneof({ weight: 1, arbitrary: goodPush }, { weight: 3, arbitrary: oddPush });

const goodQuery = fc.record({
  features: fc.constant(['airport_profile:state', 'outbound:flights_3h']),
  entities: fc.record({ iata: fc.array(fc.string({ maxLength: 4 }), { maxLength: 9 }) }),
});

const oddQuery = fc.record(
  {
    features: fc.oneof(fc.array(fc.oneof(fc.constant('airport_profile:state'), oddValue)), oddValue),
    entities: fc.oneof(fc.dictionary(fc.constantFrom('iata', 'x'), fc.array(oddValue)), oddValue),
    feature_service: fc.oneof(fc.constant(null), oddValue),
    full_feature_names: oddValue,
  },
  { requiredKeys: ['features', 'entities'] },
);

const featuresBody = fc.oneof({ weight: 1, arbitrary: goodQuery }, { weight: 3, arbitrary: oddQuery });

const mutation = fc.record({
  kind: fc.constantFrom('none', 'flip', 'cut', 'double', 'insert', 'drop'),
  at: fc.nat(),
  byte: fc.integer({ min: 0, max: 255 }),
});

function mutate(body: Buffer, { kind, at, byte }: { kind: string; at: number; byte: number }): Buffer {
  const where = at % (body.length + 1);
  const [head, tail] = [body.subarray(0, where), body.subarray(where)];
  if (kind === 'flip' && tail.length > 0) return Buffer.concat([head, Buffer.of(byte), tail.subarray(1)]);
  if (kind === 'cut') return head;
  if (kind === 'double') return Buffer.concat([body, tail]);
  if (kind === 'insert') return Buffer.concat([head, Buffer.of(byte), tail]);
  if (kind === 'drop') return Buffer.concat([head, tail.subarray(1 + (byte % 16))]);
  return body;
}

const targets = [
  ['/v1/endpoints/flight-delay/predict', predictBody],
  ['/v1/endpoints/flight-delay-baseline/predict', predictBody],
  ['/push', pushBody],
  ['/write-to-online-store', pushBody],
  ['/get-online-features', featuresBody],
] as const;

const fuzzedBody: fc.Arbitrary<Fuzzed> = fc.oneof(
  ...targets.map(([path, body]) =>
    fc.tuple(body, fc.array(mutation, { maxLength: 3 })).map(([value, mutations]) => ({
      method: 'POST',
      path,
      contentType: 'application/json',
      body: mutations.reduce(mutate, Buffer.from(JSON.stringify(value))),
    })),
  ),
);

const fuzzedEnvelope: fc.Arbitrary<Fuzzed> = fc.record({
  method: fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'),
  path: fc
    .tuple(
      fc.constantFrom(...targets.map(([path]) => path), '/metrics', '/v2/health/ready', '/'),
      fc.webPath(),
    )
    .map(([path, rest]) => path + rest),
  contentType: fc.constantFrom(
    'application/json',
    'application/json;charset=utf-8',
    'text/html',
    'a/b;;;',
    '',
  ),
  body: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
});

async function send(agent: Agent, fuzzed: Fuzzed): Promise<number> {
  const { host, port } = demo.server;
  const { method, path, contentType } = fuzzed;
  const body = ['GET', 'HEAD', 'OPTIONS'].includes(method) ? Buffer.alloc(0) : fuzzed.body;
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': contentType, 'content-length': body.length };
    const sent = request({ host, port, method, path, headers, agent }, (res) => {
      res.resume();
      res.on('end', () => resolve(res.statusCode ?? 0));
      res.on('error', reject);
    });
    sent.on('error', (cause) =>
      reject(new Error(`${method} ${path} ${body.length} bytes, seed ${seed}`, { cause })),
    );
    sent.end(body);
  });
}

/** How often each `status path` was answered. */
async function sendAll(fuzzed: readonly Fuzzed[]): Promise<Map<string, number>> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONCURRENCY });
  const statuses = new Map<string, number>();
  let next = 0;
  const worker = async (): Promise<void> => {
    for (;;) {
      const one = fuzzed[next++];
      if (one === undefined) return;
      const status = await send(agent, one);
      const seen = `${status} ${one.path}`;
      statuses.set(seen, (statuses.get(seen) ?? 0) + 1);
      const shown = `${one.method} ${one.path} ${one.body.toString('latin1').slice(0, 500)}`;
      if (status >= 500) throw new Error(`status ${status} with seed ${seed} for ${shown}`);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  agent.destroy();
  return statuses;
}

it(`answers ${BODY_RUNS + ENVELOPE_RUNS} mutated requests without a 5xx (seed ${seed})`, async () => {
  const bodies = await sendAll(fc.sample(fuzzedBody, { numRuns: BODY_RUNS, seed }));
  // The mutations must reach past the parser, not only bounce off it.
  for (const [path] of targets.filter(([target]) => target !== '/write-to-online-store')) {
    expect(bodies.get(`200 ${path}`), path).toBeGreaterThan(BODY_RUNS / 1000);
    expect(bodies.get(`400 ${path}`), path).toBeGreaterThan(BODY_RUNS / 100);
  }
  const envelopes = await sendAll(fc.sample(fuzzedEnvelope, { numRuns: ENVELOPE_RUNS, seed }));
  expect([...envelopes.keys()].filter((seen) => seen.startsWith('404')).length).toBeGreaterThan(0);
  expect((await predict(demo.server, 'flight-delay', { rows: [goodFlight] })).status).toBe(200);
}, 120_000);

it(`survives ${RAW_RUNS} byte streams that are hardly HTTP (seed ${seed})`, async () => {
  const good = Buffer.from(
    `POST /v1/endpoints/flight-delay/predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{"rows":[]}`,
  );
  const streams = fc.sample(
    fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      fc.array(mutation, { minLength: 1, maxLength: 5 }).map((mutations) => mutations.reduce(mutate, good)),
    ),
    { numRuns: RAW_RUNS, seed },
  );
  for (let i = 0; i < streams.length; i += CONCURRENCY) {
    const replies = await Promise.all(
      streams
        .slice(i, i + CONCURRENCY)
        .map(async (bytes) => (bytes.length === 0 ? '' : rawCall(demo.server, bytes, 100))),
    );
    for (const reply of replies) expect(reply).not.toMatch(/^HTTP\/1\.1 50[0-4]/m);
  }
  expect((await call(demo.server, '/v2/health/ready')).status).toBe(200);
}, 120_000);
