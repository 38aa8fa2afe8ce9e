/** Who may call over gRPC, what is written down of it, and how its port opens and closes. */
import { once } from 'node:events';
import { copyFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { status } from '@grpc/grpc-js';
import type { ServiceError } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Access, Principal } from '../../../src/access/access.ts';
import { MillraceError } from '../../../src/errors.ts';
import { createAuthority, hasOpenssl } from '../../redis/certificates.ts';
import { tensorServer } from '../open-inference/tensor-server.ts';
import type { TensorServer } from '../open-inference/tensor-server.ts';
import { protocolClient } from './protocol.ts';
import type { ProtocolClient } from './protocol.ts';

let served: TensorServer;
let client: ProtocolClient;
beforeAll(async () => {
  served = await tensorServer({ grpc: { port: 0 } });
  client = protocolClient(served.dir, served.server.grpcPort ?? 0);
});
afterAll(async () => {
  client.close();
  await served.close();
});

async function failureOf(promise: Promise<unknown>): Promise<ServiceError> {
  return promise.then(
    () => Promise.reject(new Error('it was answered')),
    (error: unknown) => error as ServiceError,
  );
}

describe('a server with keys', () => {
  it('asks for them over gRPC as well, and for their scope', async () => {
    const principal: Principal = {
      id: 'k',
      name: 'watcher',
      isRevoked: false,
      allows: (scope) => scope === 'metrics:read',
      take: () => undefined,
    };
    const access: Access = {
      isOpen: false,
      authenticate: (credential) => {
        if (credential === 'right') return principal;
        throw new MillraceError('UNAUTHENTICATED', 'The key is not known.');
      },
      close: () => undefined,
    };
    const guarded = await tensorServer({ grpc: { port: 0 }, access });
    const guardedClient = protocolClient(guarded.dir, guarded.server.grpcPort ?? 0);
    const call = async (method: string, authorization?: string): Promise<unknown> =>
      guardedClient
        .call(method, { name: 'float' }, { metadata: authorization === undefined ? {} : { authorization } })
        .then(
          () => status.OK,
          (error: unknown) => (error as ServiceError).code,
        );
    try {
      expect(await call('ServerLive')).toBe(status.OK);
      expect(await call('ModelMetadata')).toBe(status.UNAUTHENTICATED);
      expect(await call('ModelMetadata', 'Bearer wrong')).toBe(status.UNAUTHENTICATED);
      expect(await call('ModelMetadata', 'Bearer right')).toBe(status.OK);
      expect(await call('ModelInfer', 'Bearer right')).toBe(status.PERMISSION_DENIED);
      // Whoever shows no key leaves nothing in the audit log; whose key is known does.
      expect(await call('RepositoryModelUnload')).toBe(status.UNAUTHENTICATED);
      expect(await call('RepositoryModelUnload', 'Bearer wrong')).toBe(status.UNAUTHENTICATED);
      expect(await call('RepositoryModelUnload', 'Bearer right')).toBe(status.PERMISSION_DENIED);
      const audit = join(guarded.dir, 'data', 'audit.ndjson');
      await expect.poll(async () => readFile(audit, 'utf8').catch(() => '')).toContain('FORBIDDEN');
      expect((await readFile(audit, 'utf8')).trim().split('\n')).toHaveLength(1);
    } finally {
      guardedClient.close();
      await guarded.close();
    }
  });
});

describe('a change that is asked for over gRPC', () => {
  it('stands in the audit log, also when it is refused', async () => {
    const file = join(served.dir, 'data', 'audit.ndjson');
    await client.call('RepositoryModelUnload', { model_name: 'flags' });
    await failureOf(client.call('RepositoryModelLoad', { model_name: 'nobody' }));
    await expect.poll(async () => readFile(file, 'utf8')).toContain('nobody');
    const lines = (await readFile(file, 'utf8')).trim().split('\n');
    expect(lines.map((line) => JSON.parse(line) as object)).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ action: 'grpc-model-unload', target: 'flags', status: 200 }),
        expect.objectContaining({
          action: 'grpc-model-load',
          target: 'nobody',
          status: 404,
          code: 'UNKNOWN_MODEL',
        }),
      ]),
    );
  });
});

describe('a server with a certificate', () => {
  it('serves gRPC with it, and with the next one once that is there', async ({ skip }) => {
    skip(!hasOpenssl, 'no openssl on this machine');
    const authority = await createAuthority();
    const [certFile, keyFile] = [join(served.dir, 'cert.pem'), join(served.dir, 'key.pem')] as const;
    const put = async (name: string): Promise<void> => {
      const { cert, key } = await authority.issue(name);
      await copyFile(cert, certFile);
      await copyFile(key, keyFile);
    };
    await put('first');
    const secured = await tensorServer({ grpc: { port: 0 }, tls: { certFile, keyFile } });
    const port = secured.server.grpcPort ?? 0;
    const ca = await readFile(authority.ca);
    const nameOfServer = async (): Promise<unknown> => {
      const socket = connect({ host: '127.0.0.1', port, ca, ALPNProtocols: ['h2'] });
      await once(socket, 'secureConnect');
      const { subject } = socket.getPeerCertificate();
      socket.destroy();
      return subject.CN;
    };
    const inSecret = protocolClient(secured.dir, port, ca);
    const inClear = protocolClient(secured.dir, port);
    try {
      expect(await inSecret.call('ServerReady')).toEqual({ ready: true });
      expect((await failureOf(inClear.call('ServerReady', {}, { deadlineMs: 5000 }))).code).not.toBe(
        status.OK,
      );
      expect(await nameOfServer()).toBe('first');
      await put('second');
      await secured.server.reload();
      expect(await nameOfServer()).toBe('second');
      expect(await inSecret.call('ServerReady')).toEqual({ ready: true });
    } finally {
      inSecret.close();
      inClear.close();
      await secured.close();
      await authority.remove();
    }
  });
});

describe('the port of gRPC', () => {
  it('is not there unless it is asked for', async () => {
    const without = await tensorServer();
    expect(without.server.grpcPort).toBeUndefined();
    await without.close();
  });

  it('that is in use keeps the server from starting', async () => {
    const port = served.server.grpcPort;
    await expect(tensorServer({ grpc: { port } })).rejects.toMatchObject({
      code: 'STARTUP_FAILED',
      message: expect.stringContaining(`127.0.0.1:${port} for gRPC`),
    });
  });

  it('is closed once the calls under way are answered', async () => {
    const stopping = await tensorServer({ grpc: { port: 0 } });
    const stoppingClient = protocolClient(stopping.dir, stopping.server.grpcPort ?? 0);
    const input = { name: 'x', datatype: 'FP32', shape: [1, 1], contents: { fp32_contents: [1] } };
    await stoppingClient.call('ServerLive');
    const answers = Promise.all(
      Array.from({ length: 5 }, async () =>
        stoppingClient.call<{ model_name: string }>('ModelInfer', { model_name: 'slow', inputs: [input] }),
      ),
    );
    // All five have reached the server once it counts them.
    await expect.poll(async () => inFlight(stopping)).toBeGreaterThanOrEqual(1);
    const closed = stopping.close();
    expect((await answers).map(({ model_name }) => model_name)).toEqual(new Array(5).fill('slow'));
    await closed;
    const failure = await failureOf(stoppingClient.call('ServerLive', {}, { deadlineMs: 2000 }));
    expect(failure.code).not.toBe(status.OK);
    stoppingClient.close();
  });
});

async function inFlight({ server }: TensorServer): Promise<number> {
  const page = await (await fetch(`${server.url}/metrics`)).text();
  // The call for the metrics is one itself.
  return Number(/millrace_in_flight_requests (\d+)/.exec(page)?.[1] ?? 0) - 1;
}
