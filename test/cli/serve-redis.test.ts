/** The commands as processes, with features in Redis. */
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { demoDir, goodFlight } from '../e2e/demo-server.ts';
import { startRedis } from '../redis/redis-server.ts';
import type { RedisServer } from '../redis/redis-server.ts';
import { writeOneModelProject } from './one-model-project.ts';
import { run, start } from './process.ts';
import type { Running } from './process.ts';

const password = 's3cret-word';
let redis: RedisServer;
let scratch: string;
let env: NodeJS.ProcessEnv;
let project: string;
const started: Running[] = [];

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'millrace-serve-redis-'));
  project = join(scratch, 'project');
  await writeOneModelProject(project);
  redis = await startRedis();
  await redis.command('ACL', 'SETUSER', 'app', 'on', `>${password}`, '~mr:*', '&*', '+@all');
  const url = `redis://app:${password}@127.0.0.1:${redis.port}`;
  env = { MILLRACE_REDIS_URL: url };
  const load = await run(
    ['load', '--project', project, '--view', 'airport_profile', `${demoDir}/data/airports.csv`],
    { env },
  );
  if (load.code !== 0) throw new Error(load.stderr);
});
afterAll(async () => {
  for (const { child } of started) child.kill('SIGTERM');
  await Promise.all(started.map(async ({ finished }) => finished));
  await redis.stop();
  await rm(scratch, { recursive: true, force: true });
});

async function serve(...options: string[]): Promise<{ running: Running; url: string }> {
  const data = join(scratch, String(started.length));
  const running = start(['serve', '--project', project, '--data', data, '--port', '0', ...options], { env });
  started.push(running);
  const port = (await running.printed(/"port":(\d+),"msg":"listening"/))[1] as string;
  await running.printed(/"msg":"ready"/);
  return { running, url: `http://127.0.0.1:${port}` };
}

async function post(url: string, body: unknown): Promise<Response> {
  const headers = { 'content-type': 'application/json', connection: 'close' };
  return fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
}

async function latitudeOf(url: string): Promise<number> {
  const features = ['airport_profile:latitude'];
  const answer = await post(`${url}/get-online-features`, { features, entities: { iata: ['JFK'] } });
  const { results } = (await answer.json()) as { results: { values: number[] }[] };
  return results[1]?.values[0] as number;
}

it('two servers share what is pushed to one, over several workers, and nobody reads the password', async () => {
  const [one, many] = [await serve(), await serve('--workers', '2')];
  for (const { url } of [one, many])
    expect((await post(`${url}/v1/endpoints/flight-delay/predict`, { rows: [goodFlight] })).status).toBe(200);
  const facts = { name: ['Kennedy'], city: ['New York'], state: ['NY'], longitude: [-73.8] };
  const df = { iata: ['JFK'], ...facts, latitude: [77] };
  expect((await post(`${one.url}/push`, { push_source_name: 'airport_profile', df })).status).toBe(200);
  while ((await latitudeOf(many.url)) !== 77) await new Promise(setImmediate);
  // Every new connection may lead to the other worker.
  for (let i = 0; i < 10; i++) expect(await latitudeOf(many.url)).toBe(77);
  const commandLines: string[] = [];
  for (const pid of await readdir('/proc'))
    if (/^\d+$/.test(pid)) commandLines.push(await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''));
  expect(commandLines.some((text) => text.includes('worker'))).toBe(true);
  expect(commandLines.filter((text) => text.includes(password))).toEqual([]);
  const { running } = one;
  running.child.kill('SIGTERM');
  const { stdout, code } = await running.finished;
  expect(code).toBe(0);
  expect(stdout).toContain('Set appendonly yes');
  expect(stdout).not.toContain(password);
});

it('millrace cache warm has a running server read what another one was asked for', async () => {
  const first = await serve();
  await latitudeOf(first.url);
  const second = await serve();
  first.running.child.kill('SIGTERM');
  await first.running.finished;
  const warm = await run(['cache', 'warm', '--project', project, '--url', second.url], { env });
  expect(warm).toMatchObject({ code: 0, stderr: '' });
  expect(warm.stdout).toMatch(/^\d+ entit(y is|ies are) in memory\n$/);
  const metrics = await (await fetch(`${second.url}/metrics`)).text();
  expect(Number(/^millrace_cache_entries\{rows="some"\} (\d+)$/m.exec(metrics)?.[1])).toBeGreaterThan(0);
  const lost = await run(['cache', 'warm', '--project', project, '--url', 'http://127.0.0.1:1'], { env });
  expect(lost).toMatchObject({ code: 1, stdout: '' });
  expect(lost.stderr).toMatch(/^millrace: The server at http:\/\/127.0.0.1:1 cannot be asked: /);
});

it('a Redis that is not there stops the start with one line', async () => {
  const { code, stderr } = await run([
    'serve',
    '--project',
    project,
    '--port',
    '0',
    '--redis',
    'redis://u:p4ss@127.0.0.1:1',
  ]);
  expect(code).toBe(1);
  expect(stderr).toBe(
    'millrace: Redis at redis://127.0.0.1:1: nothing listens there (connect ECONNREFUSED 127.0.0.1:1).\n',
  );
});
