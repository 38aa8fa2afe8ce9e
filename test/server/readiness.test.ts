/** Whether a server says that it is ready when it is, and only then. */
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { heavyProject } from '../../bench/heavy-project.ts';
import { openLmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';
import { openLmdbStore } from '../../src/features/lmdb-store.ts';
import { loadProject } from '../../src/project/read-project.ts';
import { createReadiness } from '../../src/server/readiness.ts';
import { ServerState } from '../../src/server/server-state.ts';
import { createServer } from '../../src/server/server.ts';
import type { Server } from '../../src/server/server.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { call, predict } from '../e2e/demo-server.ts';
import { entityOf, viewOf } from '../features/sample-project.ts';
import { startRedis } from '../redis/redis-server.ts';
import type { RedisServer } from '../redis/redis-server.ts';
import { countOf } from './socket-client.ts';

const log = createLog('silent');
const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function told(server: Server): Promise<readonly [number, unknown]> {
  const { status, json } = await call(server, '/v2/health/ready');
  return [status, json];
}

const eventually = { timeout: 20_000 };
const ready = [200, { ready: true }];
const identity = { inputs: { x: ['request.x', '1'] } };

describe('a server whose models have threads', () => {
  it('is not ready while a model has none that lives, and is again when one is back', async () => {
    const made = await heavyProject(
      { ...identity, execution: 'worker', workers: 1 },
      { model: 'identity_float32' },
    );
    cleanups.push(() => made.remove());
    const workers: Worker[] = [];
    const note = (worker: Worker): void => void workers.push(worker);
    process.on('worker', note);
    const server = await createServer(made.project, { dataDir: join(made.dir, 'served'), port: 0, log });
    process.off('worker', note);
    cleanups.push(() => server.close());
    expect(await told(server)).toEqual(ready);
    expect(await countOf(server, 'millrace_ready')).toBe(1);

    const file = join(made.dir, 'heavy', '1', 'model.onnx');
    await copyFile(file, `${file}.kept`);
    await rm(file);
    // What the thread cannot understand is a fault of it, and ends it.
    for (const worker of workers) worker.postMessage(null, []);
    const reasons = ['No worker thread of the model heavy@1 is alive.'];
    await expect.poll(async () => told(server), eventually).toEqual([503, { ready: false, reasons }]);
    expect((await call(server, '/health')).status).toBe(503);
    expect(await countOf(server, 'millrace_ready')).toBe(0);
    expect((await predict(server, 'fast', { rows: [{ x: 1 }] })).status).toBe(200);

    await copyFile(`${file}.kept`, file);
    await expect.poll(async () => told(server), eventually).toEqual(ready);
    expect((await predict(server, 'heavy', { rows: [{ x: 1 }] })).status).toBe(200);
  });

  it('tells how long rows wait for their run', async () => {
    const made = await heavyProject({ ...identity, execution: 'inline' }, { model: 'identity_float32' });
    cleanups.push(() => made.remove());
    const server = await createServer(made.project, { dataDir: join(made.dir, 'served'), port: 0, log });
    cleanups.push(() => server.close());
    const sample = 'millrace_queue_delay_seconds_count{model="fast",version="1"}';
    const before = await countOf(server, sample);
    await predict(server, 'fast', { rows: [{ x: 1 }] });
    expect((await countOf(server, sample)) - before).toBe(1);
    const waited = await countOf(server, 'millrace_queue_delay_seconds_sum{model="fast",version="1"}');
    expect(waited).toBeGreaterThan(0);
  });
});

describe('a server whose store is Redis', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(async () => redis.stop());

  /** Its model reads one view. */
  async function serverReading(onUnavailable: 'default' | 'error'): Promise<Server> {
    const dir = await mkdtemp(join(tmpdir(), 'millrace-ready-'));
    cleanups.push(() => rm(dir, { recursive: true }));
    const made = await heavyProject(identity, { model: 'identity_float32' });
    cleanups.push(() => made.remove());
    const description = JSON.parse(await readFile(join(made.dir, 'millrace.json'), 'utf8')) as object;
    const view = { entity: 'user', on_unavailable: onUnavailable, features: { score: 'float64' } };
    const project = {
      ...description,
      project: onUnavailable,
      entities: { user: { keys: { id: 'string' } } },
      feature_views: { facts: view },
      cache: { ttl: '400ms', stale_max: '400ms' },
      endpoints: {
        heavy: { request: { id: 'string' }, variants: { only: { model: 'heavy@1' } } },
      },
    };
    const model = {
      entities: { u: { entity: 'user', keys: { id: 'request.id' } } },
      inputs: { x: ['u.facts.score ?? 1', '1'] },
    };
    await writeFile(join(made.dir, 'millrace.json'), JSON.stringify(project));
    await writeFile(join(made.dir, 'heavy', 'model.json'), JSON.stringify(model));
    const server = await createServer(await loadProject(made.dir), {
      dataDir: join(dir, 'data'),
      redis: { url: redis.url },
      port: 0,
      log,
    });
    cleanups.push(() => server.close());
    return server;
  }

  it('is ready while memory answers for it; then only if its predictions do without; and when it is back', async () => {
    const [strict, mild] = [await serverReading('error'), await serverReading('default')];
    expect([await told(strict), await told(mild)]).toEqual([ready, ready]);
    await redis.kill();
    const stale = 'The online store does not answer; rows are those that are in memory.';
    await expect.poll(async () => told(mild), eventually).toEqual([200, { ready: true, degraded: [stale] }]);
    const sentence = 'The online store has not answered for longer than cache.stale_max (400ms)';
    const reasons = [`${sentence}, and a view asks for an error then.`];
    await expect.poll(async () => told(strict), eventually).toEqual([503, { ready: false, reasons }]);
    const degraded = [`${sentence}; predictions are made with defaults.`];
    await expect.poll(async () => told(mild), eventually).toEqual([200, { ready: true, degraded }]);
    expect((await predict(strict, 'heavy', { rows: [{ id: 'a' }] })).status).toBe(503);
    expect((await predict(mild, 'heavy', { rows: [{ id: 'a' }] })).status).toBe(200);
    await redis.restart();
    await expect.poll(async () => told(strict), eventually).toEqual(ready);
    await expect.poll(async () => told(mild), eventually).toEqual(ready);
  });
});

it('says of an embedded store whose reads throw that they fail', async () => {
  const path = await mkdtemp(join(tmpdir(), 'millrace-ready-'));
  cleanups.push(() => rm(path, { recursive: true }));
  const view = viewOf('facts', entityOf('user', { id: 'string' }), { score: 'float64' });
  const environment = await openLmdbEnvironment({ path });
  const store = await openLmdbStore({ environment, views: [view] });
  expect(store.get(view, 'a')).toBeNull();
  expect(store.state()).toBe('answers');
  await environment.close();
  expect(() => store.get(view, 'a')).toThrow('closed');
  expect(store.state()).toBe('failing');
});

it('is not ready before its models are loaded, and not when it is stopping', async () => {
  const made = await heavyProject({});
  cleanups.push(() => made.remove());
  const state = new ServerState(made.project.limits, log);
  const starting = createReadiness(state, () => undefined);
  expect(starting.now().reasons).toEqual(['The server is loading and warming up its models.']);
  const serving = await made.open();
  cleanups.push(() => serving.close());
  const readiness = createReadiness(state, () => serving);
  state.phase = 'ready';
  expect(readiness.now()).toEqual({ reasons: [], degraded: [] });
  state.drain();
  expect(readiness.now().reasons).toEqual(['The server is stopping.']);
  state.close();
});
