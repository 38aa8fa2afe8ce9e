/** Events over HTTP, and the features that they become. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { RedisOptions } from '../../src/features/redis/redis-options.ts';
import { loadProject } from '../../src/project/read-project.ts';
import { createServer } from '../../src/server/server.ts';
import type { Server } from '../../src/server/server.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { startRedis } from '../redis/redis-server.ts';
import type { RedisServer } from '../redis/redis-server.ts';

const project = `project: shop
entities:
  user: { keys: { user_id: int64 } }
  shop: { keys: {} }
events:
  purchase: { fields: { user_id: int64, item: string, price: float64 } }
feature_views:
  activity:
    entity: user
    stream: { event: purchase, keys: { user_id: user_id } }
    features:
      purchases_1h: { count: true, window: 1h }
      spent_24h: { sum: price, window: 24h }
      last_item: { last: item, window: 7d }
  totals:
    entity: shop
    stream: { event: purchase, keys: {} }
    features:
      purchases_24h: { count: true, window: 24h }
`;

/** Gauges are looked up once a second. */
const SOON = { timeout: 5000 };

let redisServer: RedisServer;
beforeAll(async () => {
  redisServer = await startRedis();
});
afterAll(async () => redisServer.stop());

let dir: string;
let server: Server;
let redis: RedisOptions | undefined;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-events-'));
  await writeFile(join(dir, 'millrace.yaml'), project);
  await redisServer.command('FLUSHALL');
});
afterEach(async () => {
  await server.close();
  await rm(dir, { recursive: true });
});

async function open(): Promise<Server> {
  const log = createLog('silent');
  return createServer(await loadProject(dir), { dataDir: join(dir, 'data'), redis, port: 0, log });
}

interface Reply {
  readonly status: number;
  readonly json: Readonly<Record<string, unknown>>;
}

async function post(
  body: string | Buffer,
  headers: Readonly<Record<string, string>> = {},
  to = server,
): Promise<Reply> {
  const type = { 'content-type': 'application/json', ...headers };
  const content = typeof body === 'string' ? body : new Uint8Array(body);
  const reply = await fetch(`${to.url}/v1/events`, { method: 'POST', headers: type, body: content });
  return { status: reply.status, json: (await reply.json()) as Reply['json'] };
}

const purchase = (id: string, user: number, price: number): object => ({
  type: 'purchase',
  id,
  fields: { user_id: user, item: `item ${id}`, price },
});

async function features(user: number, of = server): Promise<unknown[]> {
  const names = ['activity:purchases_1h', 'activity:spent_24h', 'activity:last_item', 'totals:purchases_24h'];
  const reply = await fetch(`${of.url}/get-online-features`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ features: names, entities: { user_id: [user] } }),
  });
  const { results } = (await reply.json()) as { results: { values: unknown[] }[] };
  return results.slice(1).map(({ values }) => values[0]);
}

const places: readonly [string, boolean][] = [
  ['LMDB', false],
  ['Redis', true],
];

describe.each(places)('POST /v1/events, with all of it in %s', (_store, isInRedis) => {
  beforeEach(async () => {
    redis = isInRedis ? { url: redisServer.url } : undefined;
    server = await open();
  });

  it('answers with an outcome for each event, and the next read has them', async () => {
    expect(await features(1)).toEqual([null, null, null, null]);
    const body = [
      purchase('a', 1, 2.5),
      purchase('b', 1, 4),
      purchase('a', 1, 2.5),
      { type: 'purchase', id: 'c', fields: { user_id: 1, item: 'x', price: 'much' } },
    ];
    const { status, json } = await post(JSON.stringify(body));
    expect(status).toBe(202);
    expect(json['events']).toMatchObject([
      { status: 'accepted', id: 'a' },
      { status: 'accepted', id: 'b' },
      { status: 'duplicate', id: 'a' },
      { status: 'rejected', code: 'INVALID_REQUEST', path: 'fields.price' },
    ]);
    await expect.poll(() => features(1)).toEqual([2, 6.5, 'item b', 2]);
    expect((await post(JSON.stringify(purchase('b', 1, 4)))).json['events']).toMatchObject([
      { status: 'duplicate' },
    ]);
    expect((await post(JSON.stringify(purchase('d', 2, 1)))).status).toBe(202);
    await expect.poll(() => features(2)).toEqual([1, 1, 'item d', 3]);
    expect(await features(1)).toEqual([2, 6.5, 'item b', 3]);
  });

  it('takes a line for each event, compressed or not, and keeps all of it over a new start', async () => {
    const lines = [purchase('a', 7, 1), purchase('b', 7, 2)].map((event) => JSON.stringify(event)).join('\n');
    const ndjson = { 'content-type': 'application/x-ndjson' };
    const gzip = { ...ndjson, 'content-encoding': 'gzip' };
    expect((await post(gzipSync(lines), gzip)).json['events']).toMatchObject([
      { status: 'accepted' },
      { status: 'accepted' },
    ]);
    expect((await post(lines, ndjson)).json['events']).toMatchObject([
      { status: 'duplicate' },
      { status: 'duplicate' },
    ]);
    await server.close();
    server = await open();
    await expect.poll(() => features(7)).toEqual([2, 3, 'item b', 2]);
  });

  it.each<[string, string | Buffer, Readonly<Record<string, string>>, number, string]>([
    ['no JSON', '{', {}, 400, 'MALFORMED_JSON'],
    ['another content type', 'a', { 'content-type': 'text/plain' }, 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['another encoding', 'a', { 'content-encoding': 'br' }, 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['no gzip', 'a', { 'content-encoding': 'gzip' }, 400, 'INVALID_ENCODING'],
    ['a bomb', gzipSync(Buffer.alloc(2_000_000, 32)), { 'content-encoding': 'gzip' }, 413, 'BODY_TOO_LARGE'],
    ['an unknown type', '{"type":"purchas","fields":{}}', {}, 404, 'UNKNOWN_EVENT'],
    ['too many', JSON.stringify(Array.from({ length: 20_000 }, () => 0)), {}, 400, 'TOO_MANY_EVENTS'],
  ])('refuses %s', async (_, body, headers, status, code) => {
    const reply = await post(body, headers);
    expect([reply.status, reply.json['code']]).toEqual([status, code]);
  });

  it('counts events by what became of them', async () => {
    await post(JSON.stringify([purchase('a', 1, 1), purchase('a', 1, 1), {}]));
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    for (const outcome of ['accepted', 'duplicate', 'rejected'])
      expect(metrics).toContain(`millrace_events_total{outcome="${outcome}"} 1`);
  });

  it('tells in the metrics how fresh the features are, and what is not in them', async () => {
    const nowMs = Date.now();
    const sent = [
      { ...purchase('now', 1, 1), time: nowMs },
      { ...purchase('too late', 1, 1), time: nowMs - 2 * 3_600_000 },
    ];
    for (const event of sent) expect((await post(JSON.stringify(event))).status).toBe(202);
    const page = async (): Promise<string> => (await fetch(`${server.url}/metrics`)).text();
    // The view of a user, and that of all, may be in two partitions: what counts is how often it was applied.
    const applied = /^millrace_applied_events_total\{outcome="applied"\} [12]$/m;
    await expect.poll(page, SOON).toMatch(applied);
    await expect.poll(page, SOON).toMatch(/^millrace_applied_events_total\{outcome="too_late"\} [12]$/m);
    await expect
      .poll(page, SOON)
      .toMatch(new RegExp(`^millrace_event_watermark_seconds\\{partition="\\d"\\} ${nowMs / 1000}$`, 'm'));
    for (const line of ['millrace_events_unapplied 0', 'millrace_apply_lag_seconds 0'])
      await expect.poll(async () => (await page()).split('\n'), SOON).toContain(line);
    const metrics = await page();
    expect(metrics).toContain('\nmillrace_applied_events_total{outcome="dead_letter"} 0\n');
    expect(metrics).toContain('\nmillrace_apply_failures_total 0\n');
    expect(metrics).toMatch(/^millrace_event_log_bytes [1-9]\d+$/m);
  });
});

it('is in the features of another server that shares the Redis', async () => {
  redis = { url: redisServer.url };
  server = await open();
  const other = await createServer(await loadProject(dir), {
    dataDir: join(dir, 'other'),
    redis,
    port: 0,
    log: createLog('silent'),
  });
  for (let count = 1; count <= 20; count++) {
    const to = count % 2 === 0 ? server : other;
    expect((await post(JSON.stringify(purchase(`${count}`, 1, 1)), {}, to)).status).toBe(202);
    const expected = [count, count, `item ${count}`, count];
    for (const each of [server, other]) await expect.poll(() => features(1, each)).toEqual(expected);
  }
  await other.close();
});

it('documents every metric of events', async () => {
  const page = await readFile('docs/operations.md', 'utf8');
  const sources = ['server/intake-call', 'streaming/applied-gauges', 'streaming/apply-report'].map(
    async (file) => readFile(`src/${file}.ts`, 'utf8'),
  );
  const names = (await Promise.all(sources)).flatMap((text) => text.match(/millrace_\w+/g) ?? []);
  expect(names.length).toBe(9);
  expect(names.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
});
