import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pack } from 'msgpackr';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { audience, issuer, signingKey } from '../access/issuer.ts';
import type { SigningKey } from '../access/issuer.ts';
import { madeKey } from '../access/scratch.ts';
import { bearer, startKeyedShop } from './keyed-shop.ts';
import type { KeyedShop } from './keyed-shop.ts';
import { purchase } from './shop-project.ts';
import { codes, openSocket, socketUrl } from './socket-client.ts';

let folder: string;
let issuing: SigningKey;
let shop: KeyedShop;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-jwks-'));
  issuing = await signingKey('a');
  const jwks = join(folder, 'jwks.json');
  await writeFile(jwks, JSON.stringify({ keys: [issuing.publicJwk] }));
  shop = await startKeyedShop({ jwks, issuer, audience });
});
afterAll(async () => {
  await shop.stop();
  await rm(folder, { recursive: true });
});

const ask = (id: number): string => JSON.stringify({ id, endpoint: 'm', rows: [{ user_id: 1, a: id }] });
const tell = (id: number): string => JSON.stringify({ id, events: purchase(`socket ${id}`, 1, 1) });

/** The status with which the opening of a socket is refused. */
async function refusedWith(protocols: string[], headers: Record<string, string> = {}): Promise<number> {
  const socket = new WebSocket(socketUrl(shop.server), protocols, { headers });
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, { statusCode: number }];
  socket.on('error', () => undefined);
  socket.terminate();
  return response.statusCode;
}

async function token(claims: object = {}): Promise<string> {
  const nowSeconds = Math.floor(Date.now() / 1000);
  return issuing.sign({ iat: nowSeconds, exp: nowSeconds + 60, ...claims });
}

describe('a WebSocket of a server with keys', () => {
  it('is not opened without a key, or with a wrong one', async () => {
    const wrong = madeKey().text;
    expect(await refusedWith([])).toBe(401);
    expect(await refusedWith(['millrace'])).toBe(401);
    expect(await refusedWith([], bearer(wrong))).toBe(401);
    expect(await refusedWith(['millrace', `millrace.key.${wrong}`])).toBe(401);
    expect(await refusedWith([], bearer('a.b.c'))).toBe(401);
  });

  it('tells who has no key nothing of what else is wrong with the opening', async () => {
    const asks = { 'x-millrace-variant': 'm=two' };
    expect(await refusedWith([], asks)).toBe(401);
    expect(await refusedWith([], { ...asks, ...bearer(await shop.key({ scopes: ['predict'] })) })).toBe(403);
    expect(await refusedWith([], { ...asks, ...bearer(await token({ sub: 'variant' })) })).toBe(403);
  });

  it('is opened with a key in a header', async () => {
    const key = await shop.key({ scopes: ['predict'] });
    const client = await openSocket(shop.server, { headers: bearer(key) });
    client.send(ask(1));
    expect(await client.received(1)).toMatchObject([{ id: 1, predictions: [{ y: [1, 0] }] }]);
    client.socket.terminate();
  });

  it('is opened by a page with its key beside the protocol, of which only the protocol is chosen', async () => {
    const key = await shop.key({ scopes: ['predict'] });
    const socket = new WebSocket(socketUrl(shop.server), ['millrace', `millrace.key.${key}`]);
    await once(socket, 'open');
    expect(socket.protocol).toBe('millrace');
    socket.terminate();
  });

  it('is opened with a token, which is verified first', async () => {
    const headers = bearer(await token());
    for (const attempt of [1, 2]) {
      const client = await openSocket(shop.server, { headers });
      client.send(ask(attempt));
      expect((await client.received(1))[0]).toMatchObject({ predictions: [{ y: [attempt, 0] }] });
      client.socket.terminate();
    }
    const page = new WebSocket(socketUrl(shop.server), [
      'millrace',
      `millrace.key.${await token({ sub: 'bob' })}`,
    ]);
    await once(page, 'open');
    page.terminate();
  });

  it('may be left while the token is verified', async () => {
    const tokensLeft = await Promise.all(
      Array.from({ length: 20 }, async (_, i) => token({ sub: `left ${i}` })),
    );
    for (const left of tokensLeft) {
      const socket = new WebSocket(socketUrl(shop.server), { headers: bearer(left) });
      socket.on('error', () => undefined);
      setImmediate(() => socket.terminate());
    }
    const client = await openSocket(shop.server, { headers: bearer(await token()) });
    client.send(ask(1));
    expect(codes(await client.received(1))).toEqual([[1, undefined]]);
    client.socket.terminate();
  });

  it('checks each message for its scope, in all encodings and on the long way', async () => {
    const predicts = await openSocket(shop.server, {
      headers: bearer(await shop.key({ scopes: ['predict'] })),
    });
    const writes = await openSocket(shop.server, {
      headers: bearer(await shop.key({ scopes: ['events:write'] })),
    });
    const unusual = JSON.stringify({ rows: [{ a: 3, user_id: 1 }], endpoint: 'm', id: 3 });
    const many = `[${ask(4)},${tell(5)}]`;
    for (const client of [predicts, writes]) {
      client.send(ask(1), pack(JSON.parse(ask(2))), unusual, many, tell(6));
      await client.received(6);
    }
    const sorted = (replies: Parameters<typeof codes>[0]): unknown =>
      codes(replies).toSorted(([a], [b]) => Number(a) - Number(b));
    const [no, yes] = ['FORBIDDEN', undefined];
    expect(sorted(predicts.replies)).toEqual([
      [1, yes],
      [2, yes],
      [3, yes],
      [4, yes],
      [5, no],
      [6, no],
    ]);
    expect(sorted(writes.replies)).toEqual([
      [1, no],
      [2, no],
      [3, no],
      [4, no],
      [5, yes],
      [6, yes],
    ]);
    predicts.socket.terminate();
    writes.socket.terminate();
  });

  it('counts each message once for the rate, also one that goes the long way', async () => {
    const rate = { perSecond: 0.001, burst: 4 };
    const client = await openSocket(shop.server, {
      headers: bearer(await shop.key({ scopes: ['predict'], rate })),
    });
    // Its opening took one; a trace takes a message the long way.
    const long = JSON.stringify({ id: 2, endpoint: 'm', rows: [{ user_id: 1, a: 2 }], trace: true });
    client.send(ask(1), long, ask(3), ask(4));
    const replies = await client.received(4);
    expect(codes(replies).filter(([, code]) => code !== undefined)).toEqual([[4, 'RATE_LIMITED']]);
    expect(replies.find(({ id }) => id === 4)?.retry_after_ms).toBeGreaterThan(100_000);
    client.socket.terminate();
  });

  it('counts messages that ask for nothing, and each one of those in a message', async () => {
    const rate = { perSecond: 0.001, burst: 4 };
    const headers = bearer(await shop.key({ scopes: ['predict'], rate }));
    const client = await openSocket(shop.server, { headers });
    client.send('{"id":1}', '[{"id":2,"endpoint":3},{"id":3},{"id":4}]', '{"id":5}', '[]', 'no JSON');
    client.send(pack({ id: 6 }), ask(7));
    const [wrong, limited] = ['INVALID_REQUEST', 'RATE_LIMITED'];
    // Its opening took one. What is over the rate is not parsed, so its id is not known.
    expect(codes(await client.received(8))).toEqual([
      [1, wrong],
      [2, wrong],
      [3, wrong],
      [4, limited],
      [null, limited],
      [null, limited],
      [null, limited],
      [null, limited],
    ]);
    client.send(ask(8));
    expect(codes(await client.received(10)).slice(8)).toEqual([
      [7, limited],
      [8, limited],
    ]);
    client.socket.terminate();
  });

  it('is closed with 4001 when it is used after its key was revoked', async () => {
    const key = await shop.key({ name: 'short', scopes: ['predict'] });
    const client = await openSocket(shop.server, { headers: bearer(key) });
    client.send(ask(1));
    await client.received(1);
    await shop.revoke('short');
    client.send(ask(2));
    expect(await client.closed).toEqual([4001, 'REVOKED']);
    expect(client.replies).toHaveLength(1);
  });

  it('has events in the audit log that its key may not send', async () => {
    const key = await shop.key({ name: 'predictor', scopes: ['predict'] });
    const client = await openSocket(shop.server, { headers: bearer(key) });
    client.send(tell(200));
    expect(codes(await client.received(1))).toEqual([[200, 'FORBIDDEN']]);
    await vi.waitFor(async () => {
      expect(await shop.audited()).toContainEqual({
        principal: { id: expect.any(String), name: 'predictor' },
        action: 'ws-events',
        status: 403,
        code: 'FORBIDDEN',
      });
    });
    client.socket.terminate();
  });

  it('has its events in the audit log', async () => {
    const key = await shop.key({ name: 'sender', scopes: ['events:write'] });
    const client = await openSocket(shop.server, { headers: bearer(key) });
    client.send(tell(100), JSON.stringify({ id: 101, events: { type: 'nothing' } }));
    await client.received(2);
    const none = { accepted: 0, duplicate: 0, rejected: 0 };
    const principal = { id: expect.any(String), name: 'sender' };
    await vi.waitFor(async () => {
      const lines = (await shop.audited()).filter((line) => JSON.stringify(line).includes('sender'));
      expect(lines).toHaveLength(2);
      expect(lines).toEqual(
        expect.arrayContaining([
          { principal, action: 'ws-events', status: 202, details: { ...none, accepted: 1 } },
          expect.objectContaining({ principal, action: 'ws-events', details: { ...none, rejected: 1 } }),
        ]),
      );
    });
    client.socket.terminate();
  });
});
