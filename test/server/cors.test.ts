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
import { writeShopProject } from './shop-project.ts';
import { socketUrl } from './socket-client.ts';

const SHOP = 'https://shop.example';
const ELSEWHERE = 'https://elsewhere.example';
const PATH = '/v1/endpoints/m/predict';
const BODY = '{"rows":[{"user_id":1,"a":2}]}';

let dir: string;
let closed: Server;
let open: Server;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-cors-'));
  await writeShopProject(dir);
  const project = await loadProject(dir);
  const log = createLog('silent');
  closed = await createServer(project, { dataDir: join(dir, '.a'), port: 0, log });
  open = await createServer(project, { dataDir: join(dir, '.b'), port: 0, log, corsOrigins: [SHOP] });
});

afterAll(async () => {
  await Promise.all([closed.close(), open.close()]);
  await rm(dir, { recursive: true });
});

const preflight = (origin: string): Record<string, string> => ({
  origin,
  'access-control-request-method': 'POST',
  'access-control-request-headers': 'content-type, authorization',
});

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
