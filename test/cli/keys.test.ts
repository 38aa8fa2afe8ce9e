import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readKeyFile } from '../../src/access/key-file.ts';
import { parseKeyText, secretDigest } from '../../src/access/key-text.ts';
import type { Finished } from './process.ts';
import { sharedProcess } from './shared-process.ts';

const run = sharedProcess();
let dir: string;
let file: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-cli-keys-'));
  file = join(dir, 'keys.json');
});
beforeEach(async () => rm(file, { force: true }));
afterAll(async () => rm(dir, { recursive: true }));

const keys = async (...args: string[]): Promise<Finished> => run(['keys', ...args, '--keys', file]);

interface Created {
  readonly key: string;
  readonly id: string;
}

async function created(...args: string[]): Promise<Created> {
  const { stdout, code } = await keys('create', ...args, '--json');
  expect(code).toBe(0);
  return JSON.parse(stdout) as Created;
}

describe('millrace keys create', () => {
  it('prints the key once, with a line to try it', async () => {
    const { code, stdout, stderr } = await keys(
      'create',
      '--name',
      'shop',
      '--scopes',
      'predict,events:write',
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const [key = ''] = stdout.split('\n');
    expect(stdout).toContain(`This is the key "shop" (${parseKeyText(key)?.id}) for predict, events:write.`);
    expect(stdout).toContain(`curl -H 'Authorization: Bearer ${key}'`);
    expect(await readFile(file, 'utf8')).not.toContain(parseKeyText(key)?.secret ?? key);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  it('makes no file where no server looks for it', async () => {
    const args = ['keys', 'create', '--name', 'shop', '--scopes', 'predict', '--project', dir];
    const { code, stdout, stderr } = await run(args);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toBe(
      `millrace: ${dir} is no project folder: it has no millrace.yaml. Name the folder with --project, or the file with --keys.\n`,
    );
    await writeFile(join(dir, 'millrace.json'), '{"project":"shop"}');
    expect((await run(args)).code).toBe(0);
    expect(await readKeyFile(join(dir, '.millrace/keys.json'))).toHaveLength(1);
  });

  it('keeps what it was asked for', async () => {
    const more = ['--expires', '90d', '--rate', '100/s', '--burst', '250'];
    const { key } = await created('--name', 'shop', '--scopes', 'all', ...more);
    const [record] = (await readKeyFile(file)) ?? [];
    const { id, secret } = parseKeyText(key) ?? { id: '', secret: '' };
    expect(record).toMatchObject({ id, name: 'shop', rate: { perSecond: 100, burst: 250 } });
    expect(record?.sha256).toBe(secretDigest(secret).toString('hex'));
    expect(record?.scopes).toHaveLength(8);
    expect((record?.expiresMs ?? 0) - (record?.createdMs ?? 0)).toBe(90 * 86_400_000);
  });

  it('writes into the data folder where no file is named', async () => {
    const args = [
      'keys',
      'create',
      '--name',
      'a',
      '--scopes',
      'predict',
      '--json',
      '--data',
      join(dir, 'data'),
    ];
    expect(JSON.parse((await run(args)).stdout)).toMatchObject({ file: join(dir, 'data', 'keys.json') });
  });

  it.each([
    [['--scopes', 'predikt'], '"predikt" is unknown; did you mean "predict"?'],
    [['--scopes', 'predict', '--rate', '100'], 'Write calls a second like 100/s'],
    [['--scopes', 'predict', '--rate', '0/s'], 'Write calls a second like 100/s'],
    [['--scopes', 'predict', '--burst', '5'], '--burst goes with --rate.'],
    [['--scopes', 'predict', '--expires', '0d'], 'It must be longer than zero.'],
    [['--scopes', 'predict', '--name', 'a\u001b[2J'], 'Write a name of at most 100 characters, on one line.'],
    [[], "required option '--scopes <list>' not specified"],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await keys('create', '--name', 'a', ...args);
    expect(stderr).toContain(message);
    expect(code).not.toBe(0);
    expect(await readKeyFile(file)).toBeUndefined();
  });

  it('does not write over a file that is something else', async () => {
    await writeFile(file, '{"accounts": []}');
    const { code, stderr } = await keys('create', '--name', 'a', '--scopes', 'all');
    expect(stderr).toContain(`${file}  keys  must be a list of keys`);
    expect(code).toBe(1);
    expect(await readFile(file, 'utf8')).toBe('{"accounts": []}');
  });
});

describe('millrace keys list', () => {
  it('shows who may do what, and never a digest', async () => {
    const shop = await created('--name', 'shop', '--scopes', 'predict', '--rate', '0.5/s');
    const jobs = await created(
      '--name',
      'jobs',
      '--scopes',
      'features:write,models:write',
      '--expires',
      '1h',
    );
    const { stdout } = await keys('list');
    const lines = stdout.split('\n').map((line) => line.split(/ {2,}/));
    expect(lines[0]).toEqual(['id', 'name', 'scopes', 'created', 'expires', 'rate']);
    expect(lines[1]?.[0]).toBe(shop.id);
    expect([lines[1]?.slice(1, 3), lines[1]?.slice(4)]).toEqual([
      ['shop', 'predict'],
      ['never', '0.5/s, burst 1'],
    ]);
    expect([lines[2]?.[0], lines[2]?.[2], lines[2]?.[5]]).toEqual([
      jobs.id,
      'features:write,models:write',
      'any',
    ]);
    const json = await keys('list', '--json');
    for (const { sha256 } of (await readKeyFile(file)) ?? [])
      expect(stdout + json.stdout).not.toContain(sha256);
    expect(JSON.parse(json.stdout)).toMatchObject({
      file,
      keys: [{ name: 'shop' }, { name: 'jobs', rate: null }],
    });
  });

  it('says what to do where there is no file', async () => {
    const { code, stderr } = await keys('list');
    expect(stderr).toBe(`millrace: There is no file of keys ${file}: "millrace keys create" makes one.\n`);
    expect(code).toBe(1);
  });
});

describe('millrace keys rotate', () => {
  it('makes a key with the same name and lets the old one expire', async () => {
    const old = await created('--name', 'shop', '--scopes', 'predict', '--rate', '7/s');
    const { code, stdout } = await keys('rotate', 'shop', '--grace', '1h', '--json');
    expect(code).toBe(0);
    const { key, id } = JSON.parse(stdout) as Created;
    const records = (await readKeyFile(file)) ?? [];
    expect(records.map((record) => record.id)).toEqual([old.id, id]);
    expect(parseKeyText(key)?.id).toBe(id);
    expect(records[1]).toMatchObject({ name: 'shop', scopes: ['predict'], rate: { perSecond: 7, burst: 7 } });
    expect((records[0]?.expiresMs ?? 0) - (records[1]?.createdMs ?? 0)).toBe(3_600_000);
  });

  it('asks which one, where several have the name', async () => {
    const [one, two] = [
      await created('--name', 'shop', '--scopes', 'predict'),
      await created('--name', 'shop', '--scopes', 'predict'),
    ];
    const { code, stderr } = await keys('rotate', 'shop');
    expect(stderr).toContain(`say which one by its id, of ${one.id}, ${two.id}.`);
    expect(code).toBe(1);
    expect((await keys('rotate', one.id)).code).toBe(0);
  });
});

describe('millrace keys revoke', () => {
  it('takes keys out of the file, by id or name', async () => {
    const [one, two, three] = [
      await created('--name', 'a', '--scopes', 'predict'),
      await created('--name', 'b', '--scopes', 'predict'),
      await created('--name', 'c', '--scopes', 'predict'),
    ];
    const { stdout } = await keys('revoke', one.id, 'c');
    expect(stdout).toBe(`revoked "a" (${one.id})\nrevoked "c" (${three.id})\n`);
    expect((await readKeyFile(file))?.map(({ id }) => id)).toEqual([two.id]);
  });

  it('revokes nothing where one of them is not known', async () => {
    const { id } = await created('--name', 'a', '--scopes', 'predict');
    const { code, stderr } = await keys('revoke', id, 'nobody');
    expect(stderr).toContain(
      `There is no key "nobody" in ${file}; "millrace keys list" shows those that are.`,
    );
    expect(code).toBe(1);
    expect(await readKeyFile(file)).toHaveLength(1);
  });
});
