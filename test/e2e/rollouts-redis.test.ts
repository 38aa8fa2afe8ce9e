/** Rollouts of servers that share a Redis: two machines, as far as the servers can tell. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadProject } from '../../src/project/read-project.ts';
import { createServer } from '../../src/server/server.ts';
import type { Server } from '../../src/server/server.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { startRedis } from '../redis/redis-server.ts';
import type { RedisServer } from '../redis/redis-server.ts';
import { writeRolloutProject } from '../rollouts/rollout-server.ts';
import { call } from './demo-server.ts';

const PATH = '/v1/endpoints/m/rollout';
let redis: RedisServer;
let dir: string;
const servers: Server[] = [];

async function open(name: string): Promise<Server> {
  const options = { dataDir: join(dir, name), port: 0, log: createLog('silent'), redis: { url: redis.url } };
  const server = await createServer(await loadProject(dir), options);
  servers.push(server);
  return server;
}

beforeAll(async () => {
  redis = await startRedis(['--appendonly', 'yes', '--appendfsync', 'always']);
  dir = await mkdtemp(join(tmpdir(), 'millrace-rollouts-redis-'));
  const rollout = { experiment: { weights: { plain: 90, plus: 10 }, sticky: '30d' } };
  await writeRolloutProject(dir, { variants: ['plain', 'plus'], rollout });
});

afterAll(async () => {
  await Promise.all(servers.map(async (server) => server.close()));
  await redis.stop();
  await rm(dir, { recursive: true, force: true });
});

async function variantOf(server: Server, user: string): Promise<unknown> {
  const body = JSON.stringify({ rows: [{ a: 1, user }] });
  return (await call(server, '/v1/endpoints/m/predict', { body })).json['variant'];
}

async function change(server: Server, method: string, path: string, body: object): Promise<number> {
  return (await call(server, `${PATH}${path}`, { method, body: JSON.stringify(body) })).status;
}

it('a change reaches the other server, sticky units keep what they were given, and both outlive Redis', async () => {
  const [one, two] = [await open('one'), await open('two')] as const;
  const users = Array.from({ length: 50 }, (_, i) => `u${i}`);
  const before = await Promise.all(users.map(async (user) => variantOf(one, user)));
  await expect.poll(async () => (await call(two, PATH)).json['version']).toBe(1);
  const experiment = { weights: { plain: 10, plus: 90 }, sticky: '30d' };
  expect(await change(one, 'PUT', '', { version: 1, rollout: { experiment } })).toBe(200);
  await expect.poll(async () => (await call(two, PATH)).json['version']).toBe(2);
  expect(await Promise.all(users.map(async (user) => variantOf(two, user)))).toEqual(before);

  expect(await change(two, 'POST', '/rollback', { reason: 'enough' })).toBe(200);
  await expect.poll(async () => variantOf(one, 'new')).toBe('plain');
  await redis.kill();
  expect(await change(two, 'PUT', '', { version: 3, rollout: { serve: 'plus' } })).toBe(503);
  expect(await variantOf(one, 'new')).toBe('plain');
  await redis.restart();
  await expect
    .poll(async () => change(two, 'PUT', '', { version: 3, rollout: { serve: 'plus' } }), { timeout: 20_000 })
    .toBe(200);
  await expect.poll(async () => variantOf(one, 'new'), { timeout: 20_000 }).toBe('plus');
}, 60_000);

it('a Redis that has lost all of it is given what a server knows, by its next change', async () => {
  const [one, two] = servers as [Server, Server];
  await redis.command('FLUSHALL');
  const version = (await call(one, PATH)).json['version'];
  expect(await change(one, 'PUT', '', { version, rollout: { serve: 'plain' } })).toBe(200);
  await expect.poll(async () => variantOf(two, 'new'), { timeout: 20_000 }).toBe('plain');
  const canary = { canary: { candidate: 'plus', steps: [50], guardrails: [{ metric: 'error_rate' }] } };
  const next = (await call(two, PATH)).json['version'];
  expect(await change(two, 'PUT', '', { version: next, rollout: canary })).toBe(200);
  expect(await change(two, 'POST', '/rollback', {})).toBe(200);
  await expect
    .poll(async () => (await call(one, PATH)).json['phase'], { timeout: 20_000 })
    .toBe('rolled_back');
}, 60_000);
