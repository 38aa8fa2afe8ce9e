/** Who may make which call: every route of the table is walked through, with no key, wrong ones, and the right one. */
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { scopes } from '../../src/access/scope.ts';
import type { Scope } from '../../src/access/scope.ts';
import { isWrite } from '../../src/server/route.ts';
import type { Route } from '../../src/server/route.ts';
import { loadProject } from '../../src/project/read-project.ts';
import { createServer } from '../../src/server/server.ts';
import { audience, issuer, signingKey } from '../access/issuer.ts';
import { madeKey, readableLog } from '../access/scratch.ts';
import { call } from '../e2e/demo-server.ts';
import type { Reply } from '../e2e/demo-server.ts';
import { bearer, startKeyedShop } from './keyed-shop.ts';
import type { KeyedShop } from './keyed-shop.ts';
import { routeTable } from './route-table.ts';
import { projectOfModel } from './project-of-model.ts';
import { purchase } from './shop-project.ts';

let shop: KeyedShop;
let routes: readonly Route[];
beforeAll(async () => {
  shop = await startKeyedShop();
  routes = routeTable(await loadProject(shop.dir));
});
afterAll(async () => shop.stop());

async function walk(route: Route, headers: Record<string, string>): Promise<Reply> {
  const path = route.path.replace(/:\w+/g, 'm').replace(/\*$/, '');
  const method = route.method.toUpperCase();
  const body = route.method === 'get' ? {} : { body: '{}' };
  return call(shop.server, path, { method, headers, ...body });
}

const codeOf = ({ status, json }: Reply): unknown[] => [status, json['code']];

/** Closed ones, by how they are called; the others are for anyone. */
function closedRoutes(): readonly (readonly [string, Route, readonly Scope[]])[] {
  return routes.flatMap((route) =>
    typeof route.scopes === 'string' ? [] : [[`${route.method} ${route.path}`, route, route.scopes] as const],
  );
}

describe('the calls of a server with keys', () => {
  it('are open to anyone where they tell of nothing but health, and for the page that holds nothing of the project', () => {
    const open = routes.filter(({ scopes: needed }) => needed === 'anyone').map(({ path }) => path);
    expect(open.toSorted()).toEqual(['/docs', '/health', '/v2/health/live', '/v2/health/ready']);
  });

  it('need a scope, or any key at all, all others', async () => {
    const ofAnyKey = routes.filter(({ scopes: needed }) => needed === 'any key');
    expect(closedRoutes().length + ofAnyKey.length + 4).toBe(routes.length);
    for (const [name, , needed] of closedRoutes()) expect([name, needed.length]).not.toEqual([name, 0]);
    const key = await shop.key({ scopes: [] });
    for (const route of ofAnyKey) {
      expect([route.path, isWrite(route), (await walk(route, {})).status]).toEqual([route.path, false, 401]);
      expect([401, 403]).not.toContain((await walk(route, bearer(key))).status);
    }
  });

  it('refuse whoever has no key, one that is not known, one that has expired, or half of one', async () => {
    const expired = await shop.key({ scopes, expiresMs: Date.now() - 1 });
    const good = await shop.key();
    const wrong: Record<string, string>[] = [
      {},
      bearer(madeKey({ scopes }).text),
      bearer(expired),
      bearer(good.slice(0, -1)),
      { authorization: `Basic ${good}` },
      { authorization: good },
      bearer(''),
      { 'x-api-key': 'x' },
    ];
    for (const [name, route] of closedRoutes()) {
      for (const headers of wrong) {
        const reply = await walk(route, headers);
        expect([name, ...codeOf(reply)]).toEqual([name, 401, 'UNAUTHENTICATED']);
        expect(reply.headers['www-authenticate']).toBe('Bearer');
      }
    }
  });

  it('refuse a key with all scopes but theirs, and say which is missing', async () => {
    for (const [name, route, needed] of closedRoutes()) {
      const others = scopes.filter((scope) => !needed.includes(scope));
      const reply = await walk(route, bearer(await shop.key({ scopes: others })));
      expect([name, ...codeOf(reply)]).toEqual([name, 403, 'FORBIDDEN']);
      expect(reply.json['error']).toContain(needed.map((scope) => `"${scope}"`).join(' or '));
    }
  });

  it('let a key in that has one of their scopes and no other, in either header', async () => {
    for (const [name, route, needed] of closedRoutes()) {
      for (const scope of needed) {
        const key = await shop.key({ scopes: [scope] });
        for (const headers of [bearer(key), { 'x-api-key': key }]) {
          const { status } = await walk(route, headers);
          expect([name, [401, 403].includes(status)]).toEqual([name, false]);
        }
      }
    }
  });

  it('tell of health without a key', async () => {
    for (const route of routes.filter(({ scopes: needed }) => needed === 'anyone'))
      expect((await walk(route, {})).status).toBe(200);
  });

  it('tell nobody without a key which endpoints there are', async () => {
    const [known, unknown] = await Promise.all(
      ['m', 'nothing'].map(async (name) =>
        call(shop.server, `/v1/endpoints/${name}/predict`, { body: '{"rows":[]}' }),
      ),
    );
    const told = ({ status, json: { request_id: _id, ...rest } }: Reply): unknown => [status, rest];
    expect(known && told(known)).toEqual(unknown && told(unknown));
  });
});

describe('a call with a key', () => {
  it('beyond its rate is refused, and told when to come again', async () => {
    const key = await shop.key({ scopes: ['metrics:read'], rate: { perSecond: 0.01, burst: 2 } });
    const replies = [1, 2, 3].map(async () => call(shop.server, '/metrics', { headers: bearer(key) }));
    const refused = (await Promise.all(replies)).filter(({ status }) => status !== 200);
    expect(refused.map(codeOf)).toEqual([[429, 'RATE_LIMITED']]);
    expect(Number(refused[0]?.headers['retry-after'])).toBeGreaterThan(90);
  });

  it('is refused as soon as the key is revoked', async () => {
    const key = await shop.key({ name: 'gone', scopes: ['metrics:read'] });
    expect((await call(shop.server, '/metrics', { headers: bearer(key) })).status).toBe(200);
    await shop.revoke('gone');
    expect((await call(shop.server, '/metrics', { headers: bearer(key) })).status).toBe(401);
  });

  it('does not have its key in a log or an answer', async () => {
    const key = await shop.key({ scopes: [] });
    const { text } = await call(shop.server, '/metrics', { headers: bearer(key) });
    expect(text).not.toContain(key.slice(20, 60));
    expect(shop.log.lines.join('\n')).not.toContain(key.slice(20, 60));
  });
});

describe('the audit log of a server', () => {
  const post = async (path: string, key: string, body: unknown): Promise<Reply> =>
    call(shop.server, path, { body: JSON.stringify(body), headers: bearer(key) });

  it('has the calls that change something, by whom, and what came of them', async () => {
    const key = await shop.key({ name: 'writer', scopes });
    const reader = await shop.key({ name: 'reader', scopes: ['predict'] });
    await post('/push', key, {
      push_source_name: 'profile',
      df: { user_id: [1, 2], age: [30, 40], city: ['a', 'b'] },
    });
    await post('/push', key, { push_source_name: 'nothing', df: {} });
    await post('/v1/events', key, [purchase('a', 1, 2), purchase('a', 1, 2), { type: 'no' }]);
    await post('/v1/endpoints/m/rollout/promote', key, {});
    await post('/v1/project/reload', key, {});
    await post('/push', reader, { push_source_name: 'profile', df: {} });
    const line = (name: string, fields: object): object => ({
      principal: { id: expect.any(String), name },
      ...fields,
    });
    const wanted = [
      line('writer', { action: 'push', target: 'profile', status: 200, details: { rows: 2 } }),
      line('writer', { action: 'push', status: 404, code: 'UNKNOWN_FEATURE' }),
      line('writer', { action: 'events', status: 202, details: { accepted: 1, duplicate: 1, rejected: 1 } }),
      line('writer', { action: 'rollout-promote', target: 'm', status: 409, code: 'NO_CANARY' }),
      line('writer', { action: 'project-reload', status: 200 }),
      line('reader', { action: 'push', status: 403, code: 'FORBIDDEN' }),
    ];
    await vi.waitFor(async () => {
      const lines = await shop.audited();
      expect(lines.filter(({ principal }) => /writer|reader/.test(JSON.stringify(principal)))).toEqual(
        wanted,
      );
    });
  });

  it('has nothing of those who read, or show no key', async () => {
    const key = await shop.key({ name: 'looker', scopes });
    await call(shop.server, '/metrics', { headers: bearer(key) });
    await call(shop.server, '/push', { body: '{}' });
    await post('/push', await shop.key({ name: 'last', scopes }), {});
    await vi.waitFor(async () => expect(JSON.stringify(await shop.audited())).toContain('"last"'));
    const lines = await shop.audited();
    expect(JSON.stringify(lines)).not.toContain('looker');
    expect(lines.filter(({ principal }) => principal === null)).toEqual([]);
  });

  it('has every call that only a scope of writing allows', () => {
    const writes = routes.filter(isWrite).map(({ name }) => name);
    expect(writes).toEqual(expect.arrayContaining(['push', 'events', 'feedback', 'rollout', 'model-load']));
    expect(writes).not.toEqual(expect.arrayContaining(['predict']));
    expect(writes).not.toEqual(expect.arrayContaining(['get-online-features']));
  });
});

describe('a rollout that is changed with a key', () => {
  it('says whose key it was, and behind it what the caller says', async () => {
    const key = await shop.key({ name: 'deploy', scopes });
    const judge = await shop.key({ name: 'judge', scopes });
    const path = '/v1/endpoints/m/rollout';
    const put = async (by: Record<string, string>, headers: Record<string, string>): Promise<void> => {
      const { json } = await call(shop.server, path, { headers });
      const body = JSON.stringify({ version: json['version'], rollout: { serve: 'two' }, ...by });
      expect((await call(shop.server, path, { method: 'PUT', body, headers })).status).toBe(200);
    };
    await put({}, bearer(key));
    await put({ by: 'ann' }, bearer(key));
    await put({ by: 'deploy' }, bearer(key));
    await put({}, bearer(judge));
    const { json } = await call(shop.server, `${path}/audit?count=4`, { headers: bearer(key) });
    const names = (json['entries'] as { by: string }[]).map(({ by }) => by);
    expect(names).toEqual(['key judge', 'deploy', 'deploy (ann)', 'deploy']);
  });
});

describe('tokens beside keys', () => {
  it('are taken, and a wrong one is told so and cut off before its body is here', async () => {
    const [signing, other] = [await signingKey('a'), await signingKey('a')];
    const jwks = join(shop.dir, 'jwks.json');
    await writeFile(jwks, JSON.stringify({ keys: [signing.publicJwk] }));
    const own = await startKeyedShop({ jwks, issuer, audience });
    const soon = { iat: Math.floor(Date.now() / 1000), exp: Math.floor(Date.now() / 1000) + 60 };
    const token = await signing.sign({ ...soon, scope: 'metrics:read' });
    const wrong = await other.sign({ ...soon, scope: 'predict' });
    expect((await call(own.server, '/metrics', { headers: bearer(token) })).status).toBe(200);
    expect(codeOf(await call(own.server, '/metrics', { headers: bearer(wrong) }))).toEqual([
      401,
      'UNAUTHENTICATED',
    ]);
    expect((await call(own.server, '/push', { headers: bearer(token), body: '{}' })).status).toBe(403);

    const head = `POST /v1/endpoints/m/predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nauthorization: Bearer ${wrong}\r\ncontent-length: 11\r\n\r\n`;
    // The body never comes: the answer does, and the place is free again.
    const socket = connect(own.server.port, own.server.host, () => socket.write(head));
    const answer = new Promise<string>((resolve) => {
      let text = '';
      socket.on('data', (data) => (text += data.toString()));
      socket.on('close', () => resolve(text));
    });
    expect(await answer).toContain('401 Unauthorized');
    expect((await call(own.server, '/health')).status).toBe(200);
    await own.stop();
  });
});

describe('a server without keys', () => {
  it('says so, and is for this machine only unless it is told otherwise', async () => {
    const made = await projectOfModel({
      model: 'identity_float32',
      request: { a: 'float64' },
      inputs: { x: ['request.a', 'u.facts.score ?? 0'] },
    });
    const { log, lines } = readableLog();
    const options = { dataDir: join(made.dir, 'data'), port: 0, log };
    await expect(createServer(made.project, { ...options, host: '0.0.0.0' })).rejects.toMatchObject({
      code: 'STARTUP_FAILED',
      message: expect.stringMatching(/millrace keys create.*--insecure/),
    });
    const local = await createServer(made.project, options);
    expect((await call(local, '/metrics')).status).toBe(200);
    await local.close();
    const keysFile = join(made.dir, 'keys.json');
    await (await createServer(made.project, { ...options, keysFile })).close();
    const open = await createServer(made.project, { ...options, host: '0.0.0.0', insecure: true });
    await open.close();
    expect(lines.filter((line) => line.includes('keys'))).toEqual([
      'info: there are no keys: everybody on this machine may do everything',
      `info: there are no keys in ${keysFile}: everybody on this machine may do everything`,
      'warn: there are no keys: everybody who reaches the port may do everything (--insecure)',
    ]);
    await made.remove();
  });
});
