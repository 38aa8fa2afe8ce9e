/** The access log of a server, as a file. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { createServer } from '../../src/server/server.ts';
import type { Server } from '../../src/server/server.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { call, predict } from '../e2e/demo-server.ts';
import { projectOfModel } from './project-of-model.ts';
import { countOf, openSocket } from './socket-client.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

interface Logged {
  readonly server: Server;
  /** Closes the server; then all lines are there. */
  readonly lines: () => Promise<Record<string, unknown>[]>;
  readonly text: () => Promise<string>;
}

async function logged(share: number | undefined, limits: object = {}): Promise<Logged> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-access-'));
  cleanups.push(() => rm(dir, { recursive: true }));
  const inputs = { x: ['request.a', 'u.facts.score ?? 0'] };
  const made = await projectOfModel({ model: 'identity_float32', request: { a: 'float64' }, inputs });
  cleanups.push(() => made.remove());
  const path = join(dir, 'access.ndjson');
  const project = { ...made.project, limits: { ...made.project.limits, ...limits } };
  const server = await createServer(project, {
    dataDir: join(made.dir, 'data'),
    port: 0,
    log: createLog('silent'),
    accessLog: share === undefined ? undefined : { share, path },
  });
  cleanups.push(() => server.close());
  const text = async (): Promise<string> => {
    await server.close();
    return readFile(path, 'utf8');
  };
  const lines = async (): Promise<Record<string, unknown>[]> =>
    (await text())
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { server, lines, text };
}

const rows = [{ id: 'secret-user', a: 42.125 }];

it('has a line for each request, over HTTP and WebSocket, that tells who asked what, how long it took and what came of it', async () => {
  const { server, lines } = await logged(1);
  const body = JSON.stringify({ rows });
  await call(server, '/v1/endpoints/m/predict', { body, headers: { 'user-agent': 'caller/1' } });
  await predict(server, 'missing', { rows });
  const client = await openSocket(server, { headers: { 'user-agent': 'socket/1' } });
  client.send(JSON.stringify({ id: 7, endpoint: 'm', rows }));
  await client.received(1);
  client.send(JSON.stringify({ id: 8, endpoint: 'missing' }));
  await client.received(2);
  client.socket.close();
  await client.closed;
  const found = await lines();
  const time: unknown = expect.any(Number);
  const each = { msg: 'request', level: 'info', name: 'millrace', duration_ms: time };
  expect(found).toMatchObject([
    { ...each, method: 'POST', route: 'predict', endpoint: 'm', status: 200, user_agent: 'caller/1' },
    { ...each, method: 'POST', route: 'predict', status: 404, error: 'UNKNOWN_ENDPOINT' },
    { ...each, method: 'WS', route: 'ws', endpoint: 'm', status: 200, user_agent: 'socket/1' },
    { ...each, method: 'WS', route: 'ws', status: 404, error: 'UNKNOWN_ENDPOINT' },
  ]);
  expect(found[0]).toMatchObject({ bytes_in: body.length });
  expect(found[0]?.['bytes_out']).toBeGreaterThan(50);
  expect(new Set(found.map((line) => line['request_id'])).size).toBe(4);
});

it('holds nothing of bodies, queries and credentials', async () => {
  const { server, lines, text } = await logged(1);
  const headers = { authorization: 'Bearer secret-token', 'x-api-key': 'secret-key' };
  const body = JSON.stringify({ rows });
  await call(server, '/v1/endpoints/m/predict?api_key=secret-query', { body, headers });
  await call(server, '/v1/secret-path?key=secret-query');
  expect(await lines()).toHaveLength(2);
  expect(await text()).not.toMatch(/secret|42\.125/);
});

it('logs what was refused whatever the share, up to a limit for each second, and says how much it left out', async () => {
  const { server, lines } = await logged(0, { inFlightMax: 0 });
  const count = 250;
  await call(server, '/v2/health/ready');
  for (let sent = 0; sent < count; sent += 50)
    await Promise.all(Array.from({ length: 50 }, async () => predict(server, 'm', { rows })));
  const told = async (to: string): Promise<number> =>
    countOf(server, `millrace_access_log_lines_total{to="${to}"}`);
  const [written, suppressed] = [await told('written'), await told('suppressed')];
  expect(written + suppressed).toBe(count);
  expect(suppressed).toBeGreaterThan(0);
  const found = await lines();
  expect(found.filter(({ msg }) => msg === 'request')).toHaveLength(written);
  expect(found.every((line) => line['msg'] !== 'request' || line['error'] === 'OVERLOADED')).toBe(true);
  const left = found.flatMap((line) => (typeof line['suppressed'] === 'number' ? [line['suppressed']] : []));
  expect(left.reduce((sum, each) => sum + each, 0)).toBe(suppressed);
});

it('is not there unless it is asked for', async () => {
  const { server } = await logged(undefined);
  await predict(server, 'm', { rows });
  expect((await call(server, '/metrics')).text).not.toContain('millrace_access_log');
});
