/** An identity provider for tests: key pairs, tokens signed with them, and its key set at an address of this machine. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SignJWT, exportJWK, generateKeyPair } from 'jose';
import type { JWK, JWSHeaderParameters } from 'jose';
import { onTestFinished } from 'vitest';

export interface SigningKey {
  readonly publicJwk: JWK;
  /** A token with these claims, over sound ones; undefined takes one away. */
  sign(claims?: Readonly<Record<string, unknown>>, header?: Partial<JWSHeaderParameters>): Promise<string>;
}

export const issuer = 'https://login.example';
export const audience = 'millrace';
export const soundTimes = { iat: Date.parse('2026-06-01T00:00:00Z') / 1000, lifeSeconds: 600 } as const;

export async function signingKey(kid: string | undefined, alg = 'ES256'): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const named = kid === undefined ? {} : { kid };
  const publicJwk = { ...(await exportJWK(publicKey)), ...named, alg, use: 'sig' };
  return {
    publicJwk,
    async sign(claims = {}, header = {}) {
      const { iat, lifeSeconds } = soundTimes;
      const sound = { iss: issuer, aud: audience, sub: 'ann', iat, exp: iat + lifeSeconds, scope: 'predict' };
      return new SignJWT({ ...sound, ...claims })
        .setProtectedHeader({ alg, ...named, ...header })
        .sign(privateKey);
    },
  };
}

export interface KeySetServer {
  readonly url: string;
  /** What it answers with; undefined = 500. */
  keys: readonly JWK[] | undefined;
  requestCount: number;
}

export async function keySetServer(keys: readonly JWK[]): Promise<KeySetServer> {
  const state = { url: '', keys: keys as readonly JWK[] | undefined, requestCount: 0 };
  const server = createServer((_req, res) => {
    state.requestCount++;
    res.writeHead(state.keys === undefined ? 500 : 200, { 'content-type': 'application/json' });
    res.end(JSON.stringify({ keys: state.keys }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  state.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`;
  return state;
}
