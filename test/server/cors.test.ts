import { mkdtemp, rm } from 'node:fs/promises';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { loadProject } from '../../src/project/read-project.ts';
import { createServer } from '../../src/server/server.ts';
import type { Server } from '../../src/server/server.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { call } from '../e2e/demo-server.ts';
import type { Call, Reply } from '../e2e/demo-server.ts';
import { writeShopProject } from './shop-project.ts';
import { socketUrl } from './socket-client.ts';

const SHOP = 'https://shop.example';
const ELSEWHERE = 'https://elsewhere.example';
const PATH = '/v1/endpoints/m/predict';
const BODY = '{"rows":[{"user_id":1,"a":2}]}';

let dir: string;
let closed: Server;
let open: Server;
let insecure: Server;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-cors-'));
  await writeShopProject(dir);
  const project = await loadProject(dir);
  const log = createLog('silent');
  closed = await createServer(project, { dataDir: join(dir, '.a'), port: 0, log });
  open = await createServer(project, { dataDir: join(dir, '.b'), port: 0, log, corsOrigins: [SHOP] });
  insecure = await createServer(project, { dataDir: join(dir, '.d'), port: 0, log, insecure: true });
});

afterAll(async () => {
  await Promise.all([closed.close(), open.close(), insecure.close()]);
  await rm(dir, { recursive: true });
});

const preflight = (origin: string): Record<string, string> => ({
  origin,
  'access-control-request-method': 'POST',
  'access-control-request-headers': 'content-type, authorization',
});

const codeOf = ({ status, json }: Reply): unknown => json['code'] ?? status;

/** What a page can send without asking first. */
const plain = (origin: string): Call => ({ headers: { origin, 'content-type': 'text/plain' }, body: '' });

describe('a server without keys', () => {
  const right = ['localhost', 'LOCALHOST:1', '127.0.0.1:8080', '127.9.8.7', '[::1]', '[::1]:8080'];
  const wrong = [
    'evil.example',
    'evil.example:8080',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    '10.0.0.1',
    '[::2]',
  ];

  it('answers those who call it by a name of this machine, and no page whose name was pointed at it', async () => {
    for (const host of [...right, ...right]) {
      expect([host, (await call(closed, '/metrics', { headers: { host } })).status]).toEqual([host, 200]);
    }
    for (const host of wrong) {
      for (const path of ['/metrics', '/health', '/v2/models/m']) {
        const reply = await call(closed, path, { headers: { host } });
        expect([host, path, codeOf(reply)]).toEqual([host, path, 'HOST_REFUSED']);
      }
      const headers = { host, origin: `http://${host}` };
      expect(codeOf(await call(closed, PATH, { body: BODY, headers }))).toBe('HOST_REFUSED');
      expect(await refusedSocket(closed, headers)).toBe(403);
    }
  });

  it('is changed by no page of elsewhere, also not by a call that needs no leave', async () => {
    for (const path of ['/push', PATH, '/v1/events', '/v1/project/reload', '/v2/repository/models/m/load']) {
      for (const origin of [ELSEWHERE, 'null', `http://127.0.0.1:${closed.port + 1}`])
        expect([path, codeOf(await call(closed, path, plain(origin)))]).toEqual([path, 'ORIGIN_REFUSED']);
    }
    const own = `http://127.0.0.1:${closed.port}`;
    const { status } = await call(closed, PATH, { body: BODY, headers: { origin: own } });
    expect(status).toBe(200);
    expect(codeOf(await call(open, '/v1/project/reload', plain(SHOP)))).toBe(200);
  });

  it('is called by any name where it is meant for everybody, but changed by no page of elsewhere', async () => {
    const headers = { host: 'models.example' };
    expect((await call(insecure, '/metrics', { headers })).status).toBe(200);
    expect((await call(insecure, PATH, { body: BODY, headers: { origin: ELSEWHERE } })).status).toBe(200);
    expect(codeOf(await call(insecure, '/v1/project/reload', plain(ELSEWHERE)))).toBe('ORIGIN_REFUSED');
  });
});

async function refusedSocket(server: Server, headers: Record<string, string>): Promise<number> {
  const socket = new WebSocket(socketUrl(server), { headers });
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, { statusCode: number }];
  socket.on('error', () => undefined);
  socket.terminate();
  return response.statusCode;
}

describe('pages of other origins', () => {
  it('may not call where nothing is said of them', async () => {
    const asked = await call(closed, PATH, { method: 'OPTIONS', headers: preflight(SHOP) });
    expect([asked.status, asked.headers['access-control-allow-origin']]).toEqual([405, undefined]);
    const { headers } = await call(closed, PATH, { body: BODY, headers: { origin: SHOP } });
    expect(headers['access-control-allow-origin']).toBeUndefined();
  });

  it('may call if theirs is named, errors included', async () => {
    const asked = await call(open, PATH, { method: 'OPTIONS', headers: preflight(SHOP) });
    expect([asked.status, asked.headers['access-control-allow-origin']]).toEqual([204, SHOP]);
    expect(asked.headers['access-control-allow-headers']).toContain('authorization');
    expect(asked.headers['vary']).toBe('origin');
    for (const body of [BODY, '{"rows":1}']) {
      const { headers } = await call(open, PATH, { body, headers: { origin: SHOP } });
      expect(headers['access-control-allow-origin']).toBe(SHOP);
    }
  });

  it('may not if another one is', async () => {
    const asked = await call(open, PATH, { method: 'OPTIONS', headers: preflight(ELSEWHERE) });
    expect(asked.headers['access-control-allow-origin']).toBeUndefined();
    const { headers } = await call(open, PATH, { body: BODY, headers: { origin: ELSEWHERE } });
    expect(headers['access-control-allow-origin']).toBeUndefined();
  });

  it('may open a WebSocket by the same rule', async () => {
    const socket = new WebSocket(socketUrl(open), { origin: SHOP });
    await once(socket, 'open');
    socket.close();
    const refused = new WebSocket(socketUrl(open), { origin: ELSEWHERE });
    const [error] = (await once(refused, 'error')) as [Error];
    expect(error.message).toContain('403');
  });

  it('are written like origins', async () => {
    const start = createServer(await loadProject(dir), {
      dataDir: join(dir, '.c'),
      port: 0,
      log: createLog('silent'),
      corsOrigins: ['shop.example/path'],
    });
    await expect(start).rejects.toThrow('"shop.example/path" is no origin of pages');
  });
});
