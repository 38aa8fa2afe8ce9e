/** The demo on Redis: two servers that share it, and a Redis that is killed and comes back under load. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadFile } from '../../src/features/load/load-file.ts';
import { openStore } from '../../src/features/open-store.ts';
import type { FeatureView } from '../../src/project/project.ts';
import { loadProject } from '../../src/project/read-project.ts';
import { createServer } from '../../src/server/server.ts';
import type { Server } from '../../src/server/server.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { startRedis } from '../redis/redis-server.ts';
import type { RedisServer } from '../redis/redis-server.ts';
import { call, demoDir, goodFlight } from './demo-server.ts';

const log = createLog('silent');
const durable = ['--appendonly', 'yes', '--appendfsync', 'always'];
let redis: RedisServer;
let servers: Server[] = [];
let dirs: string[] = [];

beforeEach(async () => {
  redis = await startRedis(durable);
  const project = await loadProject(demoDir);
  const metrics = createMetrics();
  const store = await openStore(project, await place(), { metrics, log });
  const view = project.featureViews.get('airport_profile') as FeatureView;
  await loadFile({ file: join(demoDir, 'data', 'airports.csv'), view, store });
  await store.close();
  metrics.close();
});

afterEach(async () => {
  await Promise.all(servers.map(async (server) => server.close()));
  servers = [];
  await redis.stop();
  await Promise.all(dirs.map(async (dir) => rm(dir, { recursive: true })));
  dirs = [];
});

/** Predictions are logged in a data folder of each server, with Redis too. */
async function place(): Promise<{ dataDir: string; redis: { url: string } }> {
  const dataDir = await mkdtemp(join(tmpdir(), 'millrace-redis-'));
  dirs.push(dataDir);
  return { dataDir, redis: { url: redis.url } };
}

async function serve(): Promise<Server> {
  const server = await createServer(await loadProject(demoDir), { ...(await place()), port: 0, log });
  servers.push(server);
  return server;
}

const predictPath = '/v1/endpoints/flight-delay/predict';
const traced = JSON.stringify({ trace: true, rows: [goodFlight] });

interface TracedFeatures {
  readonly stale_ms?: number;
  readonly values: { readonly latitude: { readonly value: number } };
}

async function originProfile(server: Server): Promise<TracedFeatures> {
  const { status, json } = await call(server, predictPath, { body: traced });
  expect(status).toBe(200);
  const { rows } = json['trace'] as { rows: { features: Record<string, TracedFeatures> }[] };
  return rows[0]?.features['origin.airport_profile'] as TracedFeatures;
}

async function push(server: Server, latitude: number): Promise<number> {
  const facts = { name: ['Kennedy'], city: ['New York'], state: ['NY'], longitude: [-73.8] };
  const df = { iata: [goodFlight.origin], ...facts, latitude: [latitude] };
  const body = JSON.stringify({ push_source_name: 'airport_profile', to: 'online', df });
  return (await call(server, '/push', { body })).status;
}

const latitudeOf = async (server: Server): Promise<number> =>
  (await originProfile(server)).values.latitude.value;

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await pause(5);
}

describe('two servers on one Redis', () => {
  it('both see what is pushed to one of them', async () => {
    const [writer, reader] = [await serve(), await serve()];
    await Promise.all([latitudeOf(writer), latitudeOf(reader)]);
    for (const mean of [101, 102, 103]) {
      expect(await push(writer, mean)).toBe(200);
      expect(await latitudeOf(writer)).toBe(mean);
      await until(async () => (await latitudeOf(reader)) === mean);
    }
  });

  it('a server that starts has in memory what was asked for before', async () => {
    const first = await serve();
    await latitudeOf(first);
    await first.close();
    const second = await serve();
    await redis.kill();
    await until(async () => (await originProfile(second)).stale_ms !== undefined);
    expect(await latitudeOf(second)).toBeGreaterThan(0);
  });
});

describe('a Redis that is killed and comes back under load', () => {
  it('fails no request for what is in memory, holds up none, and nothing needs a restart', async () => {
    const server = await serve();
    await latitudeOf(server);
    const origins = ['JFK', 'LAX', 'ORD', 'ATL', 'DFW', 'SEA', 'BOS', 'MIA', 'DEN', 'PHX'];
    const bodyOf = (origin: string): string => JSON.stringify({ rows: [{ ...goodFlight, origin }] });
    for (const origin of origins) await call(server, predictPath, { body: bodyOf(origin) });
    const statuses = new Map<number, number>();
    const waitsMs: number[] = [];
    let isOver = false;
    const ask = async (_: unknown, caller: number): Promise<void> => {
      for (let n = caller; !isOver; n++) {
        // One of them asks for what is in no memory, which counts as missing.
        const origin = caller === 0 ? `nowhere ${n}` : (origins[n % origins.length] as string);
        const askedMs = performance.now();
        const { status } = await call(server, predictPath, { body: bodyOf(origin) });
        waitsMs.push(performance.now() - askedMs);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
    };
    const callers = Array.from({ length: 8 }, ask);
    for (const disturbance of ['SIGKILL', 'SIGSTOP', 'SIGKILL'] as const) {
      await pause(200);
      if (disturbance === 'SIGSTOP') redis.signal('SIGSTOP');
      else await redis.kill();
      await until(async () => (await originProfile(server)).stale_ms !== undefined);
      await pause(300);
      if (disturbance === 'SIGSTOP') redis.signal('SIGCONT');
      else await redis.restart();
      await until(async () => (await originProfile(server)).stale_ms === undefined);
      const mean = 200 + waitsMs.length / 1e6;
      await until(async () => (await push(server, mean)) === 200);
      expect(await latitudeOf(server)).toBe(mean);
    }
    isOver = true;
    await Promise.all(callers);
    expect([...statuses.keys()]).toEqual([200]);
    waitsMs.sort((a, b) => a - b);
    // Whoever had to wait for the time limit of a read took 250 ms.
    expect(waitsMs[Math.floor(waitsMs.length * 0.99)]).toBeLessThan(250);
    expect(waitsMs.at(-1)).toBeLessThan(1000);
  }, 30_000);
});
