import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ServiceError } from '@grpc/grpc-js';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { protocolClient } from '../../server/grpc/protocol.ts';
import type { ProtocolClient } from '../../server/grpc/protocol.ts';
import { start } from '../process.ts';
import type { Running } from '../process.ts';
import { isRunning, until, workerGroups } from './worker-group.ts';

vi.setConfig({ testTimeout: 90_000 });

const groups = workerGroups();
const scratch = mkdtempSync(join(tmpdir(), 'millrace-grpc-'));
const clients: ProtocolClient[] = [];
const started: Running[] = [];
afterAll(() => {
  // One whose test has failed.
  for (const { child } of started) child.kill('SIGKILL');
  for (const client of clients) client.close();
  rmSync(scratch, { recursive: true, force: true });
});

async function clientOf(running: Running): Promise<() => ProtocolClient> {
  const [, port] = await running.printed(/"port":(\d+),"msg":"listening for gRPC"/);
  return () => {
    const client = protocolClient(scratch, Number(port));
    clients.push(client);
    return client;
  };
}

/** The process that answers a connection: the ids of its requests begin with a prefix of its own. */
async function processOf(client: ProtocolClient): Promise<string> {
  const failure = await client
    .call('ModelReady', { name: 'none' })
    .catch((error: unknown) => error as ServiceError);
  const { metadata } = failure as ServiceError;
  return String(metadata.get('millrace-request-id')[0]).slice(0, 8);
}

describe('serve --grpc-port', () => {
  it('serves gRPC beside HTTP, and ends with 0 on SIGTERM while a client is connected', async () => {
    const args = ['--project', await groups.project(), '--port', '0', '--grpc-port', '0'];
    const running = start(['serve', ...args]);
    started.push(running);
    const client = (await clientOf(running))();
    await until(async () => (await client.call('ServerReady').catch(() => undefined)) !== undefined);
    await running.printed(/"msg":"ready"/);
    expect(await client.call('ServerReady')).toEqual({ ready: true });
    running.child.kill('SIGTERM');
    const { code, stderr } = await running.finished;
    expect([code, stderr]).toEqual([0, '']);
  });

  it('with several workers gives connections to one after the other, also when one has been replaced', async () => {
    const { running, pids } = await groups.serve(undefined, ['--grpc-port', '0']);
    const connect = await clientOf(running);
    const before = await Promise.all([connect(), connect(), connect(), connect()].map(processOf));
    expect(new Set(before).size).toBe(2);
    const [first] = (await pids()) as [number];
    process.kill(first, 'SIGKILL');
    await running.printed(/"msg":"a worker ended; it is started again"/);
    expect(isRunning(first)).toBe(false);
    // Connections go to the worker that is left until the other is back.
    const others = new Set<string>();
    await until(async () => {
      others.add(await processOf(connect()));
      return others.size > 1;
    });
    expect([...others].filter((name) => before.includes(name))).toHaveLength(1);
  });
});
