import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { authorize } from '../../src/access/access.ts';
import type { Principal } from '../../src/access/access.ts';
import { changeKeyFile } from '../../src/access/key-file.ts';
import type { KeyRecord } from '../../src/access/key-records.ts';
import { openAccess } from '../../src/access/open-access.ts';
import type { OpenAccess } from '../../src/access/open-access.ts';
import { audience, issuer, signingKey } from './issuer.ts';
import { madeKey, readableLog, scratchFolder, setClock } from './scratch.ts';

async function opened(parts: {
  readonly records?: readonly KeyRecord[];
  readonly jwks?: unknown;
}): Promise<{ readonly access: OpenAccess; readonly keysFile: string }> {
  const folder = await scratchFolder();
  const [keysFile, jwks] = [join(folder, 'keys.json'), join(folder, 'jwks.json')];
  if (parts.records !== undefined) await write(keysFile, parts.records);
  if (parts.jwks !== undefined) await writeFile(jwks, JSON.stringify(parts.jwks));
  const access = await openAccess({
    keys: { file: keysFile, isOptional: true },
    jwt: parts.jwks === undefined ? undefined : { jwks, issuer, audience },
    log: readableLog().log,
    clock: setClock(),
  });
  onTestFinished(() => access.close());
  return { access, keysFile };
}

async function write(file: string, records: readonly KeyRecord[]): Promise<void> {
  await changeKeyFile(file, () => ({ records, result: undefined }));
}

const codeOf = (call: () => unknown): unknown => {
  try {
    return call();
  } catch (error) {
    return (error as { code: string }).code;
  }
};

describe('a server without keys and tokens', () => {
  it('is open to everybody, whatever they send', async () => {
    const { access } = await opened({});
    expect(access.isOpen).toBe(true);
    authorize(access, undefined, ['models:write']);
    authorize(access, await access.authenticate('mr_from_another_server'), ['models:write']);
  });

  it('is closed by the first key, also to who has a connection', async () => {
    const { access, keysFile } = await opened({});
    const before = await access.authenticate('');
    await write(keysFile, [madeKey().record]);
    await access.reload();
    expect(access.isOpen).toBe(false);
    expect(codeOf(() => authorize(access, before, ['predict']))).toBe('UNAUTHENTICATED');
    expect(codeOf(() => authorize(access, undefined, 'any key'))).toBe('UNAUTHENTICATED');
  });

  it('is not opened again by taking the last key away', async () => {
    const { access, keysFile } = await opened({ records: [madeKey().record] });
    await write(keysFile, []);
    await access.reload();
    expect(access.isOpen).toBe(false);
  });
});

describe('a call', () => {
  async function caller(parts: Partial<KeyRecord>): Promise<{ access: OpenAccess; principal: Principal }> {
    const { text, record } = madeKey(parts);
    const { access } = await opened({ records: [record] });
    return { access, principal: await access.authenticate(text) };
  }

  it('that is for anyone needs nothing', async () => {
    const { access } = await opened({ records: [] });
    authorize(access, undefined, 'anyone');
    expect(codeOf(() => authorize(access, undefined, 'any key'))).toBe('UNAUTHENTICATED');
  });

  it('needs one of its scopes', async () => {
    const { access, principal } = await caller({ scopes: ['features:read'] });
    authorize(access, principal, ['predict', 'features:read']);
    authorize(access, principal, 'any key');
    expect(() => authorize(access, principal, ['predict', 'models:write'])).toThrow(
      'The key or token "shop" lacks the scope "predict" or "models:write".',
    );
    expect(codeOf(() => authorize(access, principal, []))).toBe('FORBIDDEN');
  });

  it('beyond the rate of its key says when to come again', async () => {
    const { access, principal } = await caller({ rate: { perSecond: 2, burst: 1 } });
    authorize(access, principal, ['predict'], 0);
    expect(() => authorize(access, principal, ['predict'], 100)).toThrow(
      expect.objectContaining({ code: 'RATE_LIMITED', status: 429, retryAfterMs: 400 }),
    );
  });

  it('that its key may not make counts for its rate, too', async () => {
    const { access, principal } = await caller({ rate: { perSecond: 2, burst: 1 } });
    expect(codeOf(() => authorize(access, principal, ['models:write'], 0))).toBe('FORBIDDEN');
    expect(codeOf(() => authorize(access, principal, ['models:write'], 0))).toBe('RATE_LIMITED');
  });
});

describe('keys and tokens beside each other', () => {
  it('are told apart', async () => {
    const signing = await signingKey('a');
    const { text, record } = madeKey();
    const { access } = await opened({ records: [record], jwks: { keys: [signing.publicJwk] } });
    expect(await access.authenticate(text)).toMatchObject({ name: 'shop' });
    expect(await access.authenticate(await signing.sign())).toMatchObject({ name: 'ann' });
    for (const wrong of ['', 'Bearer', 'a.b', 'a.b.c.d', 'mr_a.b.c'])
      expect(codeOf(() => access.authenticate(wrong))).toBe('UNAUTHENTICATED');
  });

  it('are not needed both: with tokens alone the server is closed', async () => {
    const signing = await signingKey('a');
    const { access } = await opened({ jwks: { keys: [signing.publicJwk] } });
    expect(access.isOpen).toBe(false);
    expect(await access.authenticate(await signing.sign())).toMatchObject({ name: 'ann' });
    expect(codeOf(() => access.authenticate(madeKey().text))).toBe('UNAUTHENTICATED');
  });
});
