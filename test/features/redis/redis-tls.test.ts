/** A Redis that speaks TLS, and asks its clients for a certificate. */
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { CachedStore } from '../../../src/features/cached-store.ts';
import { createAuthority, hasOpenssl } from '../../redis/certificates.ts';
import type { Authority, Certificate } from '../../redis/certificates.ts';
import { coherenceView as view } from './coherence-view.ts';
import { freePort, startRedis } from '../../redis/redis-server.ts';
import type { RedisServer } from '../../redis/redis-server.ts';
import { openStore, untilInMemory } from './store-of.ts';

let authority: Authority;
let stranger: Authority;
let client: Certificate;
let foreign: Certificate;
let server: RedisServer;
let tlsPort: number;
beforeAll(async () => {
  if (!hasOpenssl) return;
  [authority, stranger] = await Promise.all([createAuthority(), createAuthority()]);
  client = await authority.issue('client');
  foreign = await stranger.issue('foreign');
  const { cert, key } = await authority.issue('server');
  tlsPort = await freePort();
  const files = ['--tls-cert-file', cert, '--tls-key-file', key, '--tls-ca-cert-file', authority.ca];
  server = await startRedis(['--tls-port', String(tlsPort), ...files]);
});
afterAll(async () => {
  if (hasOpenssl) await Promise.all([server.stop(), authority.remove(), stranger.remove()]);
});
beforeEach(({ skip }) => {
  skip(!hasOpenssl, 'no openssl on this machine');
});

const open = async (address: string): Promise<CachedStore> => openStore(address, [view]);

function url({ ca }: Authority, of?: Certificate): string {
  const own = of === undefined ? '' : `&cert=${of.cert}&key=${of.key}`;
  return `rediss://127.0.0.1:${tlsPort}?ca=${ca}${own}`;
}

describe('a Redis behind TLS', () => {
  it.each(['127.0.0.1', 'localhost'])('is read and written, and tells of changes, at %s', async (host) => {
    const address = url(authority, client).replace('127.0.0.1', host);
    const [store, other] = await Promise.all([open(address), open(address)]);
    await store.write([{ view, key: host, row: [1, 7] }]);
    expect(await store.read([{ view, key: host }])).toEqual([[1, 7]]);
    await untilInMemory(store, [{ view, key: host }]);
    expect(store.get(view, host)).toEqual([1, 7]);
    await other.write([{ view, key: host, row: [2, 8] }]);
    while (store.get(view, host) !== undefined) await pause(5);
    expect(await store.read([{ view, key: host }])).toEqual([[2, 8]]);
    await Promise.all([store.close(), other.close()]);
  });

  it('is refused at once if its certificate is not of an authority that is known', async () => {
    const askedMs = performance.now();
    await expect(open(url(stranger, client))).rejects.toThrow('its certificate is not trusted (self-signed');
    expect(performance.now() - askedMs).toBeLessThan(2000);
  });

  it('is refused with the reason if it trusts no certificate of the client, or only one side speaks TLS', async () => {
    // An alert of Redis may be overtaken by the end of the connection; it is tried again.
    const untrusted = /asks for a certificate of yours.* write \?cert=FILE&key=FILE\.$/;
    const toPlain = url(authority, client).replace(String(tlsPort), String(server.port));
    await Promise.all([
      expect(open(url(authority))).rejects.toThrow(untrusted),
      expect(open(url(authority, foreign))).rejects.toThrow(untrusted),
      expect(open(`redis://127.0.0.1:${tlsPort}`)).rejects.toThrow('if it asks for TLS, write rediss.'),
      expect(open(toPlain)).rejects.toThrow('if it does not speak TLS, write redis.'),
    ]);
  });
});
