import { createHmac } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { JWK } from 'jose';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createTokenVerifier } from '../../src/access/jwt.ts';
import type { TokenVerifier } from '../../src/access/jwt.ts';
import { scopes } from '../../src/access/scope.ts';
import { audience, issuer, keySetServer, signingKey, soundTimes } from './issuer.ts';
import { readableLog, scratchFolder, setClock } from './scratch.ts';
import type { SetClock } from './scratch.ts';

interface Verifying {
  readonly verifier: TokenVerifier;
  readonly clock: SetClock;
  readonly lines: string[];
}

async function verifying(jwks: string): Promise<Verifying> {
  const clock = setClock();
  const { log, lines } = readableLog();
  const verifier = await createTokenVerifier({ jwks, issuer, audience }, clock, log);
  onTestFinished(() => verifier.close());
  return { verifier, clock, lines };
}

async function keySetFile(...keys: readonly JWK[]): Promise<string> {
  const file = join(await scratchFolder(), 'jwks.json');
  await writeFile(file, JSON.stringify({ keys }));
  return file;
}

const subjectMessage = 'The token\'s claim "sub" must be a text of at most 256 characters, on one line.';

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

describe('a token', () => {
  it.each(['RS256', 'PS384', 'ES256', 'ES512', 'EdDSA'])('that is signed with %s is taken', async (alg) => {
    const key = await signingKey('a', alg);
    const { verifier } = await verifying(await keySetFile(key.publicJwk));
    expect(await verifier.verify(await key.sign())).toMatchObject({
      id: 'jwt:ann',
      name: 'ann',
      isRevoked: false,
    });
  });

  it.each([
    [{ scope: 'openid predict  features:read' }, ['predict', 'features:read']],
    [{ scope: undefined, scp: 'predict metrics:read' }, ['predict', 'metrics:read']],
    [{ scope: undefined, scp: ['models:write', 7, null] }, ['models:write']],
    [{ scope: 'predict', permissions: ['events:write', 'admin'] }, ['predict', 'events:write']],
    [{ scope: { predict: true }, scp: 1, permissions: null }, []],
    [{ scope: 'PREDICT predict:x *' }, []],
  ])('with %j has the scopes %j', async (claims, expected) => {
    const key = await signingKey('a');
    const { verifier } = await verifying(await keySetFile(key.publicJwk));
    const principal = await verifier.verify(await key.sign(claims));
    expect(scopes.filter((scope) => principal.allows(scope))).toEqual(expected);
  });

  it.each([
    [
      'another issuer',
      { iss: 'https://evil.example' },
      'The token has no claim "iss" as the server wants it.',
    ],
    ['no issuer', { iss: undefined }, 'The token has no claim "iss" as the server wants it.'],
    ['another audience', { aud: ['shop', 'bank'] }, 'The token has no claim "aud" as the server wants it.'],
    ['no audience', { aud: undefined }, 'The token has no claim "aud" as the server wants it.'],
    ['no end', { exp: undefined }, 'The token has no claim "exp" as the server wants it.'],
    ['no subject', { sub: undefined }, 'The token has no claim "sub" as the server wants it.'],
    ['an empty subject', { sub: '' }, subjectMessage],
    ['a subject that moves the cursor', { sub: 'ann\u001b[2J' }, subjectMessage],
    ['its end 31 s ago', { exp: soundTimes.iat - 31 }, 'The token has expired.'],
    [
      'its start in 31 s',
      { nbf: soundTimes.iat + 31 },
      'The token has no claim "nbf" as the server wants it.',
    ],
  ])('with %s is refused', async (_what, claims, message) => {
    const key = await signingKey('a');
    const { verifier } = await verifying(await keySetFile(key.publicJwk));
    const refusal = { code: 'UNAUTHENTICATED', message };
    await expect(verifier.verify(await key.sign(claims))).rejects.toMatchObject(refusal);
  });

  it('is taken by clocks that are 29 s apart', async () => {
    const key = await signingKey('a');
    const { verifier } = await verifying(await keySetFile(key.publicJwk));
    const times = { exp: soundTimes.iat - 29, nbf: soundTimes.iat + 29 };
    expect(await verifier.verify(await key.sign(times))).toMatchObject({ isRevoked: false });
  });

  it('of another key with the same id is refused', async () => {
    const [key, other] = [await signingKey('a'), await signingKey('a')];
    const { verifier } = await verifying(await keySetFile(key.publicJwk));
    await expect(verifier.verify(await other.sign())).rejects.toThrow('The token has a wrong signature.');
  });

  it('that says it is not signed, or was signed with the public key as a secret, is refused', async () => {
    const key = await signingKey('a', 'RS256');
    const secret = { kty: 'oct', kid: 'a', k: Buffer.from('secret').toString('base64url'), alg: 'HS256' };
    const { verifier } = await verifying(await keySetFile(key.publicJwk, secret));
    const [, claims] = (await key.sign()).split('.');
    const unsigned = `${encode({ alg: 'none', kid: 'a' })}.${claims}.`;
    const start = `${encode({ alg: 'HS256', kid: 'a' })}.${claims}`;
    const signatures = ['secret', JSON.stringify(key.publicJwk)].map((by) =>
      createHmac('sha256', by).update(start).digest('base64url'),
    );
    const forged = [unsigned, ...signatures.map((signature) => `${start}.${signature}`)];
    for (const token of forged) {
      await expect(verifier.verify(token)).rejects.toMatchObject({
        code: 'UNAUTHENTICATED',
        message: 'The token is signed with an algorithm that is not allowed.',
      });
    }
  });

  it.each(['', '..', 'a.b.c', '{}.{}.{}', `${encode({ alg: 'ES256', crit: ['x'], x: 1 })}.${encode({})}.AA`])(
    'that is none (%j) is refused',
    async (token) => {
      const key = await signingKey('a');
      const { verifier } = await verifying(await keySetFile(key.publicJwk));
      await expect(verifier.verify(token)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    },
  );

  it('that brings its own key is refused', async () => {
    const [key, own] = [await signingKey('a'), await signingKey('b')];
    const { verifier } = await verifying(await keySetFile(key.publicJwk));
    const token = await own.sign({}, { jwk: own.publicJwk, kid: 'b' });
    await expect(verifier.verify(token)).rejects.toThrow(
      'is signed with a key that the issuer does not have',
    );
  });

  it('is not verified twice', async () => {
    const key = await signingKey('a');
    const { verifier } = await verifying(await keySetFile(key.publicJwk));
    const token = await key.sign();
    const principal = await verifier.verify(token);
    // At once, not as a promise.
    expect(verifier.verify(token)).toBe(principal);
  });

  it('that was taken expires', async () => {
    const key = await signingKey('a');
    const { verifier, clock } = await verifying(await keySetFile(key.publicJwk));
    const token = await key.sign();
    const principal = await verifier.verify(token);
    clock.timeMs += (soundTimes.lifeSeconds + 30) * 1000;
    expect(principal.isRevoked).toBe(true);
    await expect(verifier.verify(token)).rejects.toThrow('The token has expired.');
  });
});

describe('the keys of the issuer in a file', () => {
  it('leave no token of a key whose id another key has taken over, and that of a key beside it as it is', async () => {
    const [old, next, beside] = [await signingKey('a'), await signingKey('a'), await signingKey('b')];
    const file = await keySetFile(old.publicJwk, beside.publicJwk);
    const { verifier } = await verifying(file);
    const [replaced, kept] = await Promise.all(
      [old, beside].map(async (key) => verifier.verify(await key.sign())),
    );
    await writeFile(
      file,
      JSON.stringify({ keys: [next.publicJwk, { ...beside.publicJwk, use: undefined }] }),
    );
    await verifier.refresh();
    expect([replaced?.isRevoked, kept?.isRevoked]).toEqual([true, false]);
  });

  it('are read again when they change: a token of the old key is revoked, also for who holds it', async () => {
    const [old, young] = [await signingKey('a'), await signingKey('b')];
    const file = await keySetFile(old.publicJwk);
    const { verifier } = await verifying(file);
    const [oldToken, youngToken] = [await old.sign(), await young.sign()];
    const principal = await verifier.verify(oldToken);

    await writeFile(file, JSON.stringify({ keys: [old.publicJwk, young.publicJwk] }));
    await verifier.refresh();
    expect(principal.isRevoked).toBe(false);
    expect(await verifier.verify(youngToken)).toMatchObject({ name: 'ann' });

    await writeFile(file, JSON.stringify({ keys: [young.publicJwk] }));
    await verifier.refresh();
    expect(principal.isRevoked).toBe(true);
    await expect(verifier.verify(oldToken)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  it('without ids are all replaced by a changed set', async () => {
    const key = await signingKey(undefined);
    const file = await keySetFile(key.publicJwk);
    const { verifier } = await verifying(file);
    const principal = await verifier.verify(await key.sign());
    expect(principal.isRevoked).toBe(false);
    await writeFile(file, JSON.stringify({ keys: [(await signingKey(undefined)).publicJwk] }));
    await verifier.refresh();
    expect(principal.isRevoked).toBe(true);
  });

  it('stay when the file is broken or deleted, which is said once each', async () => {
    const key = await signingKey('a');
    const file = await keySetFile(key.publicJwk);
    const { verifier, lines } = await verifying(file);
    await writeFile(file, '{"keys": 1}');
    await verifier.refresh();
    await verifier.refresh();
    await rm(file);
    await verifier.refresh();
    await verifier.refresh();
    expect(await verifier.verify(await key.sign())).toMatchObject({ isRevoked: false });
    expect(lines.map((line) => line.slice(0, 50))).toEqual(
      [
        'error: the JWKS cannot be used, known keys are kept',
        'error: the JWKS cannot be used, known keys are kept',
      ].map((line) => line.slice(0, 50)),
    );
  });

  it.each(['{"keys": 1}', '[]', '{'])('must be a key set at the start, not %s', async (text) => {
    const file = join(await scratchFolder(), 'jwks.json');
    await writeFile(file, text);
    await expect(verifying(file)).rejects.toMatchObject({ code: 'STARTUP_FAILED' });
  });
});

describe('the keys of the issuer at an address', () => {
  it('are fetched once for many tokens', async () => {
    const key = await signingKey('a');
    const server = await keySetServer([key.publicJwk]);
    const { verifier } = await verifying(server.url);
    for (const sub of ['ann', 'bob', 'cid']) await verifier.verify(await key.sign({ sub }));
    expect(server.requestCount).toBe(1);
  });

  it('are not fetched for every token with an unknown key', async () => {
    const [key, other] = [await signingKey('a'), await signingKey('b')];
    const server = await keySetServer([key.publicJwk]);
    const { verifier } = await verifying(server.url);
    for (let i = 0; i < 5; i++) {
      await expect(verifier.verify(await other.sign())).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    }
    expect(server.requestCount).toBe(1);
  });

  it('that changed revoke the tokens of the old ones', async () => {
    const [old, young] = [await signingKey('a'), await signingKey('b')];
    const server = await keySetServer([old.publicJwk]);
    const { verifier } = await verifying(server.url);
    const token = await old.sign();
    const principal = await verifier.verify(token);
    server.keys = [young.publicJwk];
    await verifier.refresh();
    expect(principal.isRevoked).toBe(true);
    await expect(verifier.verify(token)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    expect(await verifier.verify(await young.sign())).toMatchObject({ name: 'ann' });
  });

  it('stay when they cannot be fetched again', async () => {
    const key = await signingKey('a');
    const server = await keySetServer([key.publicJwk]);
    const { verifier, lines } = await verifying(server.url);
    await verifier.verify(await key.sign());
    server.keys = undefined;
    await verifier.refresh();
    expect(await verifier.verify(await key.sign({ sub: 'bob' }))).toMatchObject({ name: 'bob' });
    expect(lines).toEqual(['error: the JWKS could not be fetched; known keys are kept']);
  });

  it('that were never there are the fault of nobody who calls', async () => {
    const key = await signingKey('a');
    const server = await keySetServer([]);
    server.keys = undefined;
    const { verifier } = await verifying(server.url);
    const token = await key.sign();
    await expect(verifier.verify(token)).rejects.toMatchObject({ code: 'TOKEN_KEYS_AWAY', status: 503 });
    server.keys = [key.publicJwk];
    expect(await verifier.verify(token)).toMatchObject({ name: 'ann' });
  });

  it.each([
    'http://login.example/jwks',
    'http://127.0.0.1.evil.example/',
    'https://',
    'http://localhost@evil.example',
  ])('must come over https, or from this machine: not from %s', async (url) => {
    await expect(verifying(url)).rejects.toMatchObject({ code: 'STARTUP_FAILED' });
  });
});
