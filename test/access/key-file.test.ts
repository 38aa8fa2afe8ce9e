import { execFile } from 'node:child_process';
import { chown, mkdir, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { changeKeyFile, readKeyFile } from '../../src/access/key-file.ts';
import { formatKeyRecords, parseKeyRecords } from '../../src/access/key-records.ts';
import type { KeyRecord } from '../../src/access/key-records.ts';
import { scopes } from '../../src/access/scope.ts';
import { root } from '../oxlint.ts';
import { madeKey, scratchFolder } from './scratch.ts';

async function keyFile(): Promise<string> {
  return join(await scratchFolder(), 'keys.json');
}

const append = (record: KeyRecord) => (records: readonly KeyRecord[]) => ({
  records: [...records, record],
  result: undefined,
});

describe('a file of keys', () => {
  it('gives back what was written', () => {
    const rate = fc.record({
      perSecond: fc.integer({ min: 1, max: 1e6 }),
      burst: fc.integer({ min: 1, max: 1e6 }),
    });
    const timeMs = fc.integer({ min: 0, max: 4e12 });
    const record = fc.record({
      scopes: fc.subarray([...scopes]),
      expiresMs: fc.option(timeMs, { nil: undefined }),
      rate: fc.option(rate, { nil: undefined }),
      createdMs: timeMs,
      name: fc.constantFrom('shop', 'Läden von morgen', 'a:b/c'),
    });
    fc.assert(
      fc.property(fc.array(record), (parts) => {
        const records = parts.map((part) => madeKey(part).record);
        expect(parseKeyRecords(Buffer.from(formatKeyRecords(records)), 'keys.json')).toEqual(records);
      }),
    );
  });

  it('is undefined where there is none', async () => {
    expect(await readKeyFile(await keyFile())).toBeUndefined();
  });

  it('is made in a folder that is not there yet, and only its owner may read it', async () => {
    const file = join(await scratchFolder(), 'new', 'keys.json');
    await changeKeyFile(file, append(madeKey().record));
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readdir(join(file, '..'))).toEqual(['keys.json', 'keys.json.closed']);
    expect((await stat(`${file}.closed`)).mode & 0o777).toBe(0o600);
  });

  it('belongs to the owner of its folder, or of the file before, where root makes it', async ({ skip }) => {
    skip(process.getuid?.() !== 0, 'only root may give files away');
    const [folder, service, other] = [await scratchFolder(), 1234, 4321];
    await chown(folder, service, service);
    const file = join(folder, 'keys.json');
    await changeKeyFile(file, append(madeKey().record));
    for (const path of [file, `${file}.closed`])
      expect(await stat(path)).toMatchObject({ uid: service, gid: service });
    const below = join(folder, 'new/data/keys.json');
    await changeKeyFile(below, append(madeKey().record));
    for (const path of [join(folder, 'new'), join(folder, 'new/data'), below])
      expect(await stat(path)).toMatchObject({ uid: service, gid: service });
    await chown(file, other, service);
    await changeKeyFile(file, append(madeKey().record));
    expect(await stat(file)).toMatchObject({ uid: other, gid: service });
  });

  it('does not hold a secret', async () => {
    const file = await keyFile();
    const { text, record } = madeKey();
    await changeKeyFile(file, append(record));
    const secret = text.split('_')[2]?.slice(0, 43) ?? text;
    expect(await readFile(file, 'utf8')).not.toContain(secret);
  });

  it('stays as it was when a change throws', async () => {
    const file = await keyFile();
    await changeKeyFile(file, append(madeKey().record));
    const before = await readFile(file, 'utf8');
    const change = (): never => {
      throw new Error('no such key');
    };
    await expect(changeKeyFile(file, change)).rejects.toThrow('no such key');
    expect(await readFile(file, 'utf8')).toBe(before);
    await changeKeyFile(file, append(madeKey().record));
  });

  it('loses nothing when several change it at once', async () => {
    const file = await keyFile();
    const made = Array.from({ length: 12 }, () => madeKey().record);
    await Promise.all(made.map(async (record) => changeKeyFile(file, append(record))));
    const ids = (await readKeyFile(file))?.map(({ id }) => id);
    expect(ids?.toSorted()).toEqual(made.map(({ id }) => id).toSorted());
  });

  it('loses nothing when two processes change it at once', async () => {
    const file = await keyFile();
    const writer = join(root, 'test/access/key-writer.ts');
    const args = ['--import', 'tsx', writer, file, '15'];
    await Promise.all([1, 2].map(async () => promisify(execFile)(process.execPath, args, { cwd: root })));
    expect(await readKeyFile(file)).toHaveLength(30);
  });

  it('names the lock that a killed command left, and who held it', async () => {
    const file = await keyFile();
    await writeFile(`${file}.lock`, '12345');
    await expect(changeKeyFile(file, append(madeKey().record), 50)).rejects.toMatchObject({
      code: 'KEYS_FAILED',
      message: `${file} is being changed by process 12345. If nothing is, a command was killed: delete ${file}.lock.`,
    });
  });

  it('is refused where it is a folder', async () => {
    const file = await keyFile();
    await mkdir(file);
    await expect(readKeyFile(file)).rejects.toMatchObject({ code: 'KEYS_FAILED' });
  });

  it('names every mistake, with file and path', () => {
    const { record } = madeKey();
    const good = JSON.parse(formatKeyRecords([record])) as { keys: Record<string, unknown>[] };
    const wrong = {
      keys: [
        ...good.keys,
        { ...good.keys[0], name: 'a\u001b[2J', scopes: ['predikt', 7], expires: 'soon' },
        {
          id: 'A',
          nam: 'x',
          scopes: 'predict',
          sha256: 'x',
          created: 1,
          rate: { per_second: 0, burst: 0.5, per: 1 },
        },
        'mr_key',
      ],
      version: 1,
    };
    const parse = (): unknown => parseKeyRecords(Buffer.from(JSON.stringify(wrong)), 'my/keys.json');
    expect(parse).toThrow(
      [
        'The file of keys has 16 mistakes:',
        '  my/keys.json  version  is unknown; the only field is "keys"',
        '  my/keys.json  keys[1].name  must be a name of at most 100 characters',
        '  my/keys.json  keys[1].scopes[0]  "predikt" is unknown; did you mean "predict"?',
        '  my/keys.json  keys[1].scopes[1]  must be the name of a scope',
        '  my/keys.json  keys[1].expires  must be a time such as "2026-01-31T12:00:00Z"',
        `  my/keys.json  keys[1].id  "${record.id}" stands in the file twice`,
        '  my/keys.json  keys[2].nam  is unknown; did you mean "name"?',
      ].join('\n'),
    );
  });

  it.each([
    ['', 'my/keys.json is no file of keys: The body is empty'],
    ['{"keys":[],"keys":[]}', 'my/keys.json is no file of keys: The field "keys" stands twice'],
    ['[]', 'my/keys.json  keys  must be a list of keys'],
    ['{"keys":{"__proto__":1}}', 'my/keys.json  keys  must be a list of keys'],
    ['{"keys":[{"__proto__":{"id":"x"}}]}', 'keys[0].__proto__  is unknown'],
  ])('refuses %s', (text, message) => {
    expect(() => parseKeyRecords(Buffer.from(text), 'my/keys.json')).toThrow(message);
  });
});
