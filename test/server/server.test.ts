import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { createServer } from '../../src/server/server.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { call, predict } from '../e2e/demo-server.ts';
import { projectOfModel } from './project-of-model.ts';
import type { ModelProject } from './project-of-model.ts';

const log = createLog('silent');
const projects: ModelProject[] = [];

afterEach(async () => {
  for (const made of projects.splice(0)) await made.remove();
});

async function wideProject(): Promise<ModelProject> {
  const made = await projectOfModel({
    model: 'identity_float32',
    request: { a: 'float64' },
    inputs: { x: ['request.a', 'u.facts.score ?? -1'] },
  });
  projects.push(made);
  return made;
}

it('may stand twice in one process, each with its own data, and close more than once', async () => {
  const [first, second] = [await wideProject(), await wideProject()];
  const servers = await Promise.all(
    [first, second].map(async ({ project, dir }) =>
      createServer(project, { dataDir: join(dir, 'data'), port: 0, log }),
    ),
  );
  const [one, two] = servers as [(typeof servers)[0], (typeof servers)[0]];
  await call(one, '/push', {
    body: JSON.stringify({ push_source_name: 'facts', df: { id: ['x'], score: [7] } }),
  });
  const body = { rows: [{ id: 'x', a: 1 }] };
  expect((await predict(one, 'm', body)).json['predictions']).toEqual([{ y: [1, 7] }]);
  expect((await predict(two, 'm', body)).json['predictions']).toEqual([{ y: [1, -1] }]);
  expect((await call(two, '/metrics')).text).toContain('process_cpu_seconds_total');
  expect(await Promise.all([one.close(), one.close()])).toEqual([true, true]);
  expect((await predict(two, 'm', body)).status).toBe(200);
  expect(await two.close()).toBe(true);
});

it('leaves its port free when it fails to start', async () => {
  const { project, dir } = await wideProject();
  const first = await createServer(project, { dataDir: join(dir, 'data'), port: 0, log });
  await first.close();
  const failing = createServer(project, { dataDir: '/dev/null/data', port: first.port, log });
  await expect(failing).rejects.toMatchObject({ code: 'STORE_FAILED' });
  const again = await createServer(project, { dataDir: join(dir, 'data'), port: first.port, log });
  expect((await call(again, '/v2/health/ready')).status).toBe(200);
  await again.close();
});

it.each([
  [{ dataDir: '' }, 'options.dataDir'],
  [{ dataDir: 'd', port: 70_000 }, 'options.port'],
  [{ dataDir: 'd', port: Number.NaN }, 'options.port'],
  [{ dataDir: 'd', host: '' }, 'options.host'],
])('refuses the options %j by name', async (options, name) => {
  const { project } = await wideProject();
  await expect(createServer(project, { ...options, log })).rejects.toThrow(name);
});

it('hands over an answer that is read slowly before it closes', async () => {
  const { project, dir } = await wideProject();
  const server = await createServer(project, { dataDir: join(dir, 'data'), port: 0, log });
  const rows = Array.from({ length: 1000 }, (_, i) => ({ id: `user-${i}`, a: i }));
  const body = JSON.stringify({ rows, trace: true });
  const whole = (await call(server, '/v1/endpoints/m/predict', { body })).text.length;
  const socket = connect(server.port, server.host);
  await once(socket, 'connect');
  socket.write(
    `POST /v1/endpoints/m/predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
  const [head] = (await once(socket, 'data')) as [Buffer];
  socket.pause();
  let received = head.length;
  const closing = server.close();
  socket.on('data', (chunk: Buffer) => (received += chunk.length));
  setTimeout(() => socket.resume(), 200);
  await once(socket, 'close');
  expect(await closing).toBe(true);
  expect(received).toBeGreaterThan(whole);
});
