import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openLmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';
import type { LmdbDatabase, LmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';

let path: string;
let environment: LmdbEnvironment;
beforeEach(async () => {
  path = mkdtempSync(join(tmpdir(), 'millrace-environment-'));
  environment = await openLmdbEnvironment({ path });
});
afterEach(async () => {
  await environment.close();
  rmSync(path, { recursive: true });
});

const bytes = (...values: number[]): Buffer => Buffer.from(values);

function numbers(name = 'numbers'): LmdbDatabase<Buffer> {
  return environment.byteKeys(name) as LmdbDatabase<Buffer>;
}

describe('an LMDB environment', () => {
  it('commits what is put into several databases together', async () => {
    const texts = environment.textKeys('texts');
    const settings = environment.json<{ a: number }>('settings');
    await environment.transaction(() => {
      texts?.put('k', bytes(1));
      settings?.put('k', { a: 1 });
      numbers().put(bytes(7), bytes(2));
    });
    await environment.close();
    environment = await openLmdbEnvironment({ path });
    expect(environment.textKeys('texts')?.get('k')).toEqual(bytes(1));
    expect(environment.json('settings')?.get('k')).toEqual({ a: 1 });
    expect(numbers().get(bytes(7))).toEqual(bytes(2));
    expect(numbers().get(bytes(8))).toBeUndefined();
    expect(numbers().getBinaryFast(bytes(7))?.[0]).toBe(2);
  });

  it('gives the result of a transaction, and the error that it threw', async () => {
    expect(await environment.transaction(() => 5)).toBe(5);
    const failing = environment.transaction(() => {
      throw new RangeError('no');
    });
    await expect(failing).rejects.toMatchObject({
      code: 'STORE_FAILED',
      message: expect.stringContaining('no'),
    });
  });

  it('lists ranges of keys in the order of their bytes, forwards and backwards', async () => {
    const database = numbers();
    const keys = [bytes(0), bytes(1), bytes(1, 0), bytes(1, 255), bytes(2), bytes(255, 255, 255, 255, 255)];
    await environment.transaction(() => keys.toReversed().forEach((key) => database.put(key, key)));
    const range = (start: Buffer, end: Buffer, options = {}): Buffer[] =>
      database.range({ start, end, ...options }).map(({ key }) => key);
    expect(range(bytes(0), bytes(255, 255, 255, 255, 255, 255))).toEqual(keys);
    expect(range(bytes(1), bytes(2))).toEqual(keys.slice(1, 4));
    expect(range(bytes(1), bytes(2), { limit: 1 })).toEqual([bytes(1)]);
    expect(range(bytes(1, 9), bytes(0), { reverse: true, limit: 1 })).toEqual([bytes(1, 0)]);
    const [first, second] = database.range({ start: bytes(0), end: bytes(2) });
    expect([first?.value, second?.value]).toEqual([bytes(0), bytes(1)]);
  });

  it('reads inside a transaction what was put and removed in it', async () => {
    const database = numbers();
    await environment.transaction(() => [1, 2, 3].forEach((n) => database.put(bytes(n), bytes(n))));
    const seen = await environment.transaction(() => {
      database.remove(bytes(2));
      database.put(bytes(4), bytes(4));
      expect(database.get(bytes(2))).toBeUndefined();
      return database.range({ start: bytes(0), end: bytes(9) }).map(({ key }) => key);
    });
    expect(seen).toEqual([bytes(1), bytes(3), bytes(4)]);
  });

  it('shows after a refresh what was committed, also through another environment of the folder', async () => {
    const other = await openLmdbEnvironment({ path });
    expect(numbers().get(bytes(1))).toBeUndefined();
    await other.transaction(() => other.byteKeys('numbers')?.put(bytes(1), bytes(5)));
    environment.refresh();
    expect(numbers().get(bytes(1))).toEqual(bytes(5));
    await other.close();
  });

  it('may be opened again in a process that writes to it, which would else wait for itself', () => {
    const args = ['--import', 'tsx', 'test/lmdb/open-twice.ts', path];
    const { status, stdout, stderr } = spawnSync('node', args, { encoding: 'utf8', timeout: 25_000 });
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '49\n', stderr: '' });
  });

  it('is open until the last who opened it closes it, and can be opened again then', async () => {
    const other = await openLmdbEnvironment({ path });
    await environment.transaction(() => numbers().put(bytes(1), bytes(1)));
    await environment.close();
    expect([environment.isClosed(), other.isClosed()]).toEqual([true, false]);
    await other.transaction(() => other.byteKeys('numbers')?.put(bytes(2), bytes(2)));
    const closing = other.close();
    environment = await openLmdbEnvironment({ path });
    await closing;
    expect([1, 2].map((n) => numbers().get(bytes(n))?.[0])).toEqual([1, 2]);
  });

  it('has room for many databases', async () => {
    for (let i = 0; i < 40; i++) {
      const database = numbers(`database-${i}`);
      await environment.transaction(() => database.put(bytes(i), bytes(i)));
    }
    expect(numbers('database-39').get(bytes(39))).toEqual(bytes(39));
  });

  it('is not written when it was opened for reading, or closed', async () => {
    await environment.transaction(() => numbers().put(bytes(1), bytes(1)));
    const reading = await openLmdbEnvironment({ path, readOnly: true });
    expect(reading.byteKeys('numbers')?.get(bytes(1))).toEqual(bytes(1));
    expect(reading.byteKeys('none')).toBeUndefined();
    await expect(reading.transaction(() => 1)).rejects.toThrow('for reading only');
    await reading.close();
    await reading.close();
    expect(reading.isClosed()).toBe(true);
    await environment.close();
    await expect(environment.transaction(() => 1)).rejects.toThrow('the environment is closed');
  });
});
