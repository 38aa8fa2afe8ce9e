import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { Agent, request } from 'node:https';
import { connect } from 'node:tls';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { loadProject } from '../../src/project/read-project.ts';
import { createServer } from '../../src/server/server.ts';
import type { Server } from '../../src/server/server.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createAuthority, hasOpenssl } from '../redis/certificates.ts';
import type { Authority } from '../redis/certificates.ts';
import { writeShopProject } from './shop-project.ts';

describe('a server with a certificate', () => {
  let dir: string;
  let authority: Authority;
  let server: Server;
  let ca: string;

  beforeEach(({ skip }) => {
    skip(!hasOpenssl, 'no openssl on this machine');
  });

  beforeAll(async () => {
    if (!hasOpenssl) return;
    dir = await mkdtemp(join(tmpdir(), 'millrace-tls-'));
    authority = await createAuthority();
    ca = await readFile(authority.ca, 'utf8');
    await putCertificate('first');
    await writeShopProject(dir);
    server = await createServer(await loadProject(dir), {
      dataDir: join(dir, '.data'),
      port: 0,
      log: createLog('silent'),
      tls: { certFile: join(dir, 'cert.pem'), keyFile: join(dir, 'key.pem') },
    });
  });

  afterAll(async () => {
    if (!hasOpenssl) return;
    await server.close();
    await authority.remove();
    await rm(dir, { recursive: true });
  });

  async function putCertificate(name: string): Promise<void> {
    const { cert, key } = await authority.issue(name);
    await copyFile(cert, join(dir, 'cert.pem'));
    await copyFile(key, join(dir, 'key.pem'));
  }

  /** To whom a new connection is told that it speaks. */
  async function nameOfServer(): Promise<string> {
    const socket = connect({ host: '127.0.0.1', port: server.port, ca });
    await once(socket, 'secureConnect');
    const { subject } = socket.getPeerCertificate();
    socket.destroy();
    return subject.CN as string;
  }

  async function health(agent?: Agent): Promise<string> {
    const asked = request(`${server.url}/v2/health/ready`, { ca, agent });
    asked.end();
    const [response] = (await once(asked, 'response')) as [NodeJS.ReadableStream];
    let text = '';
    for await (const chunk of response) text += String(chunk);
    return text;
  }

  it('answers over https and wss, and not in clear', async () => {
    expect(server.url).toBe(`https://127.0.0.1:${server.port}`);
    expect(await health()).toBe('{"ready":true}');
    await expect(fetch(server.url.replace('https', 'http'))).rejects.toThrow('fetch failed');
    const socket = new WebSocket(`${server.url.replace('https', 'wss')}/v1/ws`, { ca });
    await once(socket, 'open');
    socket.send('{"id":1,"endpoint":"m","rows":[{"user_id":1,"a":2}]}');
    const [answer] = (await once(socket, 'message')) as [Buffer];
    expect(JSON.parse(answer.toString())).toMatchObject({ id: 1, endpoint: 'm' });
    socket.close();
  });

  it('refuses a caller that speaks an old version of TLS', async () => {
    const socket = connect({
      host: '127.0.0.1',
      port: server.port,
      ca,
      maxVersion: 'TLSv1.1',
      minVersion: 'TLSv1.1',
    });
    const [error] = (await once(socket, 'error')) as [Error];
    expect(error.message).toMatch(/protocol|version|ssl/i);
  });

  it('takes a new certificate for new connections, while open ones go on', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    expect(await health(agent)).toBe('{"ready":true}');
    expect(await nameOfServer()).toBe('first');
    await putCertificate('second');
    await vi.waitFor(async () => expect(await nameOfServer()).toBe('second'), { timeout: 10_000 });
    expect(await health(agent)).toBe('{"ready":true}');
    agent.destroy();
  });

  it('keeps the last one where the files hold none that can be used', async () => {
    await writeFile(join(dir, 'cert.pem'), 'no certificate');
    await server.reload();
    const served = await nameOfServer();
    expect(served).toBe('second');
    await putCertificate('third');
    await server.reload();
    expect(await nameOfServer()).toBe('third');
  });

  it('is not started with files that do not belong together', async () => {
    const [one, other] = [await authority.issue('one'), await authority.issue('other')];
    const start = createServer(await loadProject(dir), {
      dataDir: join(dir, '.data2'),
      port: 0,
      log: createLog('silent'),
      tls: { certFile: one.cert, keyFile: other.key },
    });
    await expect(start).rejects.toThrow(/cannot be used for TLS .*belong together/);
  });
});
