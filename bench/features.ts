/**
 * `npm run bench:features`: reads of features at the shape of Feast's own benchmark: 25 views of 10 features, 10,000
 * entities. Starts a redis-server of its own. Takes about two minutes.
 *
 * 1. The store in this process, against bare ioredis that sends the same HMGETs in one pipeline and does nothing with
 *    what comes back, or unpacks it with msgpackr. Medians of interleaved rounds.
 * 2. POST /get-online-features at a server process, with rows in its memory and without.
 * 3. The time from an acknowledged write until another process serves it.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { unpack } from 'msgpackr';
import { markdownTable } from '../loadtest/peers/markdown-table.ts';
import { startPeer } from '../loadtest/peers/peer-process.ts';
import { millracePeer } from '../loadtest/peers/peers.ts';
import { openStore } from '../src/features/open-store.ts';
import type { OnlineStore } from '../src/features/online-store.ts';
import { resolveAddress } from '../src/loadtest/address.ts';
import type { CallerEvents } from '../src/loadtest/caller.ts';
import { runClosedLoop } from '../src/loadtest/closed-loop.ts';
import { formatMs } from '../src/loadtest/figures.ts';
import { openCaller } from '../src/loadtest/open-caller.ts';
import type { FeatureView, Project } from '../src/project/project.ts';
import { loadProject } from '../src/project/read-project.ts';
import { createLog } from '../src/telemetry/log.ts';
import { createMetrics } from '../src/telemetry/metrics.ts';
import { coherenceView } from '../test/features/redis/coherence-view.ts';
import { startRedis } from '../test/redis/redis-server.ts';
import { openStore as openSampleStore } from '../test/features/redis/store-of.ts';
import { writeToVisibleMs } from '../test/features/redis/write-to-visible.ts';
import { median } from './median.ts';
import { scriptOptions } from './script-options.ts';

const ENTITIES = 10_000;
const VIEWS = 25;
const FEATURES_PER_VIEW = 10;
const shapes = [1, 50, 100].flatMap((rows) => [50, 250].map((features) => ({ rows, features })));
const IN_FLIGHT = 8;
const ROUNDS = 7;
const ROUND_MS = 300;
const STEP = 7919;

const usage = 'npm run bench:features [-- --quick]';
const { quick = false } = scriptOptions(usage, { quick: { type: 'boolean' } });
const rounds = quick ? 3 : ROUNDS;

async function writeProject(dir: string, entriesMax: number): Promise<Project> {
  const features = Object.fromEntries(
    Array.from({ length: FEATURES_PER_VIEW }, (_, i) => [`f${i}`, 'float64']),
  );
  const views = Array.from({ length: VIEWS }, (_, v) => [`v${v}`, { entity: 'driver', features }]);
  const project = {
    project: 'bench',
    entities: { driver: { keys: { driver_id: 'int64' } } },
    feature_views: Object.fromEntries(views) as unknown,
    endpoints: {},
    limits: { memory_bytes_max: '1gb' },
    cache: { entries_max: entriesMax, read_timeout: '10s' },
  };
  await writeFile(join(dir, 'millrace.json'), JSON.stringify(project));
  return loadProject(dir);
}

async function open(dir: string, url: string, entriesMax: number): Promise<[OnlineStore, FeatureView[]]> {
  const project = await writeProject(dir, entriesMax);
  const parts = { metrics: createMetrics(), log: createLog('silent') };
  const store = await openStore(project, { dataDir: dir, redis: { url } }, parts);
  return [store, [...project.featureViews.values()]];
}

async function fill(store: OnlineStore, views: readonly FeatureView[]): Promise<void> {
  for (let from = 0; from < ENTITIES; from += 100) {
    const ids = Array.from({ length: 100 }, (_, i) => from + i);
    await store.write(
      ids.flatMap((id) =>
        views.map((view, v) => ({
          view,
          key: String(id),
          row: [1e12, ...view.features.map(({ index }) => Math.sin(id + v * 31 + index))] as const,
        })),
      ),
    );
  }
}

/** Entities per second, of calls for `rows` of them each. */
async function rate(rows: number, call: (ids: readonly number[]) => unknown): Promise<number> {
  const startedMs = performance.now();
  let count = 0;
  const caller = async (): Promise<void> => {
    while (performance.now() - startedMs < ROUND_MS) {
      const ids = Array.from({ length: rows }, () => (count++ * STEP) % ENTITIES);
      await call(ids);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, caller));
  return (count / (performance.now() - startedMs)) * 1000;
}

function medianText(values: readonly number[]): string {
  return Math.round(median(values)).toLocaleString('en');
}

async function benchStores(dir: string, url: string): Promise<string[][]> {
  const [cold, coldViews] = await open(dir, url, 0);
  const [warm, warmViews] = await open(dir, url, ENTITIES * 2);
  const bare = new Redis(url, { protocol: 2 });
  for (let id = 0; id < ENTITIES; id += 100)
    await warm.read(
      Array.from({ length: 100 }, (_, i) => id + i).flatMap((n) =>
        warmViews.map((view) => ({ view, key: String(n) })),
      ),
    );
  const lines: string[][] = [];
  for (const { rows, features } of shapes) {
    const viewCount = features / FEATURES_PER_VIEW;
    const fields = coldViews.slice(0, viewCount).map(({ name }) => name);
    // What to ask for is made before the clock starts, on either side.
    const asked = Array.from({ length: ENTITIES }, (_, id) =>
      coldViews.slice(0, viewCount).map((view) => ({ view, key: String(id) })),
    );
    const hashes = asked.map((_, id) => `mr:bench/driver/${id}`);
    const warmOnes = warmViews.slice(0, viewCount);
    const contenders = {
      bare: async (ids: readonly number[]): Promise<unknown> => {
        const pipeline = bare.pipeline();
        for (const id of ids) pipeline.hmgetBuffer(hashes[id] as string, ...fields);
        return pipeline.exec();
      },
      decoded: async (ids: readonly number[]): Promise<unknown> => {
        const pipeline = bare.pipeline();
        for (const id of ids) pipeline.hmgetBuffer(hashes[id] as string, ...fields);
        const replies = (await pipeline.exec()) as [null, Buffer[]][];
        return replies.map(([, values]) => values.map((bytes) => unpack(bytes) as unknown));
      },
      cold: async (ids: readonly number[]): Promise<unknown> =>
        cold.read(ids.flatMap((id) => asked[id] ?? [])),
      cached: async (ids: readonly number[]): Promise<unknown> =>
        ids.map((id) => warmOnes.map((view) => warm.get(view, String(id)) as unknown)),
    };
    const rates = {
      bare: [] as number[],
      decoded: [] as number[],
      cold: [] as number[],
      cached: [] as number[],
    };
    for (let round = 0; round < rounds; round++)
      for (const name of ['bare', 'decoded', 'cold', 'cached'] as const)
        rates[name].push(await rate(rows, contenders[name]));
    const ratio = (name: 'cold' | 'cached', to: 'bare' | 'decoded' = 'bare'): string =>
      median(rates[name].map((value, i) => value / (rates[to][i] as number))).toFixed(2);
    lines.push([
      `${rows} x ${features}`,
      medianText(rates.bare),
      medianText(rates.cold),
      ratio('cold'),
      ratio('cold', 'decoded'),
      medianText(rates.cached),
      ratio('cached'),
    ]);
    process.stderr.write(`${rows} rows x ${features} features …\n`);
  }
  bare.disconnect();
  await cold.close();
  await warm.close();
  return lines;
}

async function benchServer(dir: string, url: string, entriesMax: number): Promise<string[][]> {
  await writeProject(dir, entriesMax);
  const server = await startPeer(millracePeer(dir, ['--redis', url, '--log-level', 'info']));
  const address = await resolveAddress(`http://127.0.0.1:${server.port}`);
  const lines: string[][] = [];
  for (const { rows, features } of shapes) {
    const names = Array.from({ length: features }, (_, f) => `v${Math.floor(f / 10)}:f${f % 10}`);
    const requests = Array.from({ length: 500 }, (_, r) => {
      const ids = Array.from({ length: rows }, (_each, i) => ((r * rows + i) * STEP) % ENTITIES);
      const body = { features: names, entities: { driver_id: ids }, full_feature_names: true };
      return { endpoint: '', path: '/get-online-features', body };
    });
    const caller = async (events: CallerEvents) =>
      openCaller({ address, protocol: 'http', connections: IN_FLIGHT, requests }, events);
    const times = { warmUpMs: 1000, durationMs: quick ? 1000 : 3000, timeoutMs: 5000 };
    const { goodputPerSecond, latency } = await runClosedLoop(caller, { ...times, inFlight: IN_FLIGHT });
    lines.push([
      `${rows} x ${features}, ${entriesMax > 0 ? 'in memory' : 'from Redis'}`,
      Math.round(goodputPerSecond * rows).toLocaleString('en'),
      formatMs(latency.p50Us),
      formatMs(latency.p99Us),
    ]);
    process.stderr.write(`${lines.at(-1)?.[0]} …\n`);
  }
  await server.stop();
  return lines;
}

/** Milliseconds, ascending. */
async function benchVisible(url: string): Promise<number[]> {
  const reader = fork('test/features/redis/coherence-peer.ts', [url, '1'], { execArgv: ['--import', 'tsx'] });
  await once(reader, 'message');
  const writer = await openSampleStore(url, [coherenceView]);
  const keys = Array.from({ length: 100 }, (_, i) => `k${i}`);
  const delaysMs = await writeToVisibleMs(writer, reader, keys, quick ? 500 : 5000);
  await writer.close();
  reader.kill();
  return delaysMs;
}

const dir = await mkdtemp(join(tmpdir(), 'millrace-bench-'));
const redis = await startRedis();
try {
  const [store, views] = await open(dir, redis.url, 0);
  await fill(store, views);
  await store.close();
  const stores = await benchStores(dir, redis.url);
  const server = [
    ...(await benchServer(dir, redis.url, 2 * ENTITIES)),
    ...(await benchServer(dir, redis.url, 0)),
  ];
  const visibleMs = await benchVisible(redis.url);
  const date = new Date().toISOString().slice(0, 10);
  console.log(`${date}, ${cpus().length} x ${cpus()[0]?.model ?? 'CPU'}, Node ${process.version}\n`);
  const storeHead = [
    'rows x features',
    'bare HMGET',
    'from Redis',
    'to bare (>= 0.8)',
    'to bare, decoded',
    'in memory',
    'to bare (>= 5)',
  ];
  console.log('Entities a second in one process, 8 calls in flight; ratios to bare ioredis.\n');
  console.log(markdownTable(storeHead, stores, 6));
  console.log('\nPOST /get-online-features, 8 connections.\n');
  console.log(markdownTable(['rows x features', 'rows/s', 'p50 ms', 'p99 ms'], server, 3));
  const [p50, p99, max] = [0.5, 0.99, 1].map((part) =>
    (visibleMs[Math.ceil(part * visibleMs.length) - 1] as number).toFixed(2),
  );
  console.log(`\nFrom an acknowledged write until another process serves it, ${visibleMs.length} writes.\n`);
  console.log(markdownTable(['p50 ms', 'p99 ms', 'max ms'], [[`${p50}`, `${p99}`, `${max}`]], 3));
} finally {
  await redis.stop();
  await rm(dir, { recursive: true, force: true });
}
process.exit(0);
