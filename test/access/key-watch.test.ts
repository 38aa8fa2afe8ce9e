import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { changeKeyFile } from '../../src/access/key-file.ts';
import { formatKeyRecords } from '../../src/access/key-records.ts';
import type { KeyRecord } from '../../src/access/key-records.ts';
import { formatKeyText, newKeyText } from '../../src/access/key-text.ts';
import { watchKeyFile } from '../../src/access/key-watch.ts';
import type { KeyWatch } from '../../src/access/key-watch.ts';
import { madeKey, readableLog, scratchFolder, setClock } from './scratch.ts';
import type { SetClock } from './scratch.ts';

interface Watched {
  readonly file: string;
  readonly watch: KeyWatch;
  readonly lines: string[];
  readonly clock: SetClock;
}

async function watched(records: readonly KeyRecord[] | undefined, intervalMs = 60_000): Promise<Watched> {
  const file = join(await scratchFolder(), 'keys.json');
  if (records !== undefined) await write(file, records);
  const { log, lines } = readableLog();
  const clock = setClock();
  const watch = await watchKeyFile({
    file,
    isOptional: records === undefined,
    clock,
    log,
    share: 1,
    intervalMs,
  });
  onTestFinished(() => watch.close());
  return { file, watch, lines, clock };
}

async function write(file: string, records: readonly KeyRecord[]): Promise<void> {
  await changeKeyFile(file, () => ({ records, result: undefined }));
}

const unknownKey = 'The key is not known, or was revoked.';

describe('the keys of a server', () => {
  it('make a principal with the name and the scopes of the key', async () => {
    const { text, record } = madeKey({ name: 'web', scopes: ['predict', 'events:write'] });
    const { watch } = await watched([madeKey().record, record]);
    const principal = watch.keyring.authenticate(text);
    expect(principal).toMatchObject({ id: record.id, name: 'web', isRevoked: false });
    expect([principal.allows('predict'), principal.allows('features:read')]).toEqual([true, false]);
  });

  it('refuse a wrong secret and an unknown id in the same words', async () => {
    const { record } = madeKey();
    const { watch } = await watched([record]);
    const wrongSecret = formatKeyText({ ...newKeyText(), id: record.id });
    for (const text of [wrongSecret, madeKey().text]) {
      expect(() => watch.keyring.authenticate(text)).toThrow(unknownKey);
    }
  });

  it('tell a key that was cut from one that is not known', async () => {
    const { text, record } = madeKey();
    const { watch } = await watched([record]);
    expect(() => watch.keyring.authenticate(text.slice(0, -1))).toThrow('The key was cut or mistyped');
  });

  it('expire on time, also for who holds the principal', async () => {
    const { text, record } = madeKey({ expiresMs: Date.parse('2026-06-01T00:00:10Z') });
    const { watch, clock } = await watched([record]);
    const principal = watch.keyring.authenticate(text);
    clock.timeMs += 9999;
    expect(principal.isRevoked).toBe(false);
    clock.timeMs += 1;
    expect(principal.isRevoked).toBe(true);
    expect(() => watch.keyring.authenticate(text)).toThrow('The key "shop" has expired.');
  });

  it('follow the file without being asked', async () => {
    const { file, watch } = await watched([], 5);
    const { text, record } = madeKey();
    await write(file, [record]);
    await vi.waitFor(() => expect(watch.keyring.authenticate(text).id).toBe(record.id));
  });

  it('revoke at once what is taken from the file', async () => {
    const [kept, taken] = [madeKey(), madeKey()];
    const { file, watch } = await watched([kept.record, taken.record]);
    const principal = watch.keyring.authenticate(taken.text);
    await write(file, [kept.record]);
    await watch.reload();
    expect(principal.isRevoked).toBe(true);
    expect(() => watch.keyring.authenticate(taken.text)).toThrow(unknownKey);
    expect(watch.keyring.authenticate(kept.text).isRevoked).toBe(false);
  });

  it('give and take scopes of a principal that somebody holds', async () => {
    const { text, record } = madeKey({ scopes: ['predict'] });
    const { file, watch } = await watched([record]);
    const principal = watch.keyring.authenticate(text);
    await write(file, [{ ...record, scopes: ['models:write'], name: 'deploy' }]);
    await watch.reload();
    expect([principal.allows('predict'), principal.allows('models:write'), principal.name]).toEqual([
      false,
      true,
      'deploy',
    ]);
  });

  it('do not fill the bucket of a key when the file changes for another', async () => {
    const { text, record } = madeKey({ rate: { perSecond: 1, burst: 1 } });
    const { file, watch } = await watched([record]);
    const principal = watch.keyring.authenticate(text);
    principal.take(0);
    await write(file, [record, madeKey().record]);
    await watch.reload();
    expect(watch.keyring.authenticate(text).take(0)).toBe(1000);
    await write(file, [{ ...record, rate: { perSecond: 2, burst: 1 } }]);
    await watch.reload();
    expect([principal.take(0), principal.take(0)]).toEqual([undefined, 500]);
  });

  it('take a key whose secret was replaced for another key', async () => {
    const { text, record } = madeKey();
    const { file, watch } = await watched([record]);
    const principal = watch.keyring.authenticate(text);
    await write(file, [{ ...record, sha256: madeKey().record.sha256 }]);
    await watch.reload();
    expect(principal.isRevoked).toBe(true);
    expect(() => watch.keyring.authenticate(text)).toThrow(unknownKey);
  });

  it('stay when the file cannot be used any more, which is said once', async () => {
    const { text, record } = madeKey();
    const { file, watch, lines } = await watched([record]);
    await writeFile(file, '{"keys": [');
    await watch.reload();
    await watch.reload();
    expect(watch.keyring.authenticate(text).isRevoked).toBe(false);
    const errors = lines.filter((line) => line.startsWith('error'));
    expect(errors).toHaveLength(1);
    expect(errors[0]).toContain(`the keys that were read before are kept: ${file} is no file of keys`);
  });

  it('stay when the file is deleted, which is said once, and follow it when it is back', async () => {
    const { text, record } = madeKey();
    const { file, watch, lines } = await watched([record]);
    const content = await readFile(file);
    await rm(file);
    await watch.reload();
    await watch.reload();
    expect(watch.keyring.authenticate(text).isRevoked).toBe(false);
    expect(watch.hasKeys).toBe(true);
    expect(lines.filter((line) => line.startsWith('error'))).toHaveLength(1);
    await writeFile(file, content.toString().replace(record.id, '0123456789abcdef'));
    await watch.reload();
    expect(() => watch.keyring.authenticate(text)).toThrow(unknownKey);
  });

  it('are needed from the moment on that there is a file, though it holds none', async () => {
    const { file, watch } = await watched(undefined);
    expect(watch.hasKeys).toBe(false);
    await write(file, []);
    await watch.reload();
    expect(watch.hasKeys).toBe(true);
  });

  it('are needed by a server that starts when the file was deleted, until its marker is taken away too', async () => {
    const { file } = await watched(undefined);
    await write(file, [madeKey().record]);
    await rm(file);
    const again = async (): Promise<{ watch: KeyWatch; lines: string[] }> => {
      const { log, lines } = readableLog();
      const watch = await watchKeyFile({ file, isOptional: true, clock: setClock(), log, share: 1 });
      onTestFinished(() => watch.close());
      return { watch, lines };
    };
    const { watch, lines } = await again();
    expect([watch.hasKeys, watch.keyring.size]).toEqual([true, 0]);
    expect(lines).toEqual([expect.stringContaining(`delete ${file}.closed and start anew`)]);
    await rm(`${file}.closed`);
    expect((await again()).watch.hasKeys).toBe(false);
  });

  it('are needed by a server that was open, though the file came and went between two looks', async () => {
    const { file, watch } = await watched(undefined);
    await write(file, [madeKey().record]);
    await rm(file);
    await watch.reload();
    expect([watch.hasKeys, watch.keyring.size]).toEqual([true, 0]);
  });

  it('leave the marker also when a file that was put there by hand is read', async () => {
    const { file, watch } = await watched(undefined);
    await writeFile(file, formatKeyRecords([madeKey().record]));
    await watch.reload();
    await expect(readFile(`${file}.closed`, 'utf8')).resolves.toContain('keys.json had keys');
  });

  it('must be there where a file was named', async () => {
    const file = join(await scratchFolder(), 'keys.json');
    const options = { file, isOptional: false, clock: setClock(), log: readableLog().log, share: 1 };
    await expect(watchKeyFile(options)).rejects.toMatchObject({
      code: 'KEYS_FAILED',
      message: `There is no file of keys ${file}: make a key with "millrace keys create --keys ${file}".`,
    });
  });
});
