/** Whether health is told over gRPC while a server is busy, or a model has nothing to run it. */
import { copyFile, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { status } from '@grpc/grpc-js';
import { afterEach, expect, it } from 'vitest';
import { heavyProject } from '../../../bench/heavy-project.ts';
import { createServer } from '../../../src/server/server.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { call, predict } from '../../e2e/demo-server.ts';
import { projectOfModel } from '../project-of-model.ts';
import { protocolClient } from './protocol.ts';

const log = createLog('silent');
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

it('health is told while as many requests wait as may, and other calls are refused', async () => {
  const made = await projectOfModel({
    model: 'identity_float32',
    request: { a: 'float64' },
    inputs: { x: ['request.a', '1'] },
    batching: { delay_ms_max: 1000 },
    limits: { inFlightMax: 2, timeoutMs: 20_000 },
  });
  cleanups.push(() => made.remove());
  const server = await createServer(made.project, {
    dataDir: join(made.dir, 'data'),
    port: 0,
    log,
    grpc: { port: 0 },
  });
  cleanups.push(() => server.close());
  const client = protocolClient(made.dir, server.grpcPort ?? 0);
  cleanups.push(() => client.close());

  // Requests that are still arriving take no place of those that wait for their answer.
  const arriving = [0, 1].map(() => connect(Number(new URL(server.url).port), '127.0.0.1'));
  for (const socket of arriving)
    socket.write('POST /v1/endpoints/m/predict HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{');
  await inFlight(3);
  expect(await client.call('ModelReady', { name: 'm' })).toEqual({ ready: true });
  for (const socket of arriving) socket.destroy();
  await inFlight(1);

  const rows = [{ id: 'x', a: 1 }];
  const waiting = [predict(server, 'm', { rows }), predict(server, 'm', { rows })];
  await inFlight(3);
  expect(await client.call('ServerLive')).toEqual({ live: true });
  expect(await client.call('ServerReady')).toEqual({ ready: true });
  await expect(client.call('ModelReady', { name: 'm' })).rejects.toMatchObject({
    code: status.RESOURCE_EXHAUSTED,
  });
  expect((await Promise.all(waiting)).map((answer) => answer.status)).toEqual([200, 200]);

  /** The call that asks counts as well. */
  async function inFlight(count: number): Promise<void> {
    const line = `millrace_in_flight_requests ${count}\n`;
    while (!(await call(server, '/metrics')).text.includes(line)) continue;
  }
});

it('a model whose threads have all ended is not ready, over HTTP and gRPC alike, and nor is the server', async () => {
  const made = await heavyProject(
    { inputs: { x: ['request.x', '1'] }, execution: 'worker', workers: 1 },
    { model: 'identity_float32' },
  );
  cleanups.push(() => made.remove());
  const workers: Worker[] = [];
  const note = (worker: Worker): void => void workers.push(worker);
  process.on('worker', note);
  const options = { dataDir: join(made.dir, 'served'), port: 0, log, grpc: { port: 0 } };
  const server = await createServer(made.project, options);
  process.off('worker', note);
  cleanups.push(() => server.close());
  const client = protocolClient(made.dir, server.grpcPort ?? 0);
  cleanups.push(() => client.close());
  const told = async (): Promise<readonly unknown[]> => [
    (await client.call('ModelReady', { name: 'heavy' }))['ready'] ?? false,
    (await client.call('ServerReady'))['ready'] ?? false,
    (await call(server, '/v2/models/heavy/ready')).json['ready'],
  ];
  expect(await told()).toEqual([true, true, true]);

  const file = join(made.dir, 'heavy', '1', 'model.onnx');
  await copyFile(file, `${file}.kept`);
  await rm(file);
  // What the thread cannot understand is a fault of it, and ends it.
  for (const worker of workers) worker.postMessage(null, []);
  await expect.poll(told, { timeout: 20_000 }).toEqual([false, false, false]);
  expect(await client.call('ModelReady', { name: 'fast' })).toEqual({ ready: true });
  await copyFile(`${file}.kept`, file);
  await expect.poll(told, { timeout: 20_000 }).toEqual([true, true, true]);
});
