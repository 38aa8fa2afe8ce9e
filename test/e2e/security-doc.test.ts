/** docs/security.md, command by command. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readKeyFile } from '../../src/access/key-file.ts';
import { followTour, freePort } from './tour.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-security-doc-'));
});
afterAll(async () => rm(dir, { recursive: true, force: true }));

it('docs/security.md is followed as it stands there', async () => {
  const printed = await followTour('docs/security.md', [
    ['8080', String(await freePort())],
    ['--project shop', `--project ${join(dir, 'shop')}`],
    ['shop/millrace.yaml', join(dir, 'shop', 'millrace.yaml')],
    ['shop/.millrace', join(dir, 'shop', '.millrace')],
    ['new-web.key', join(dir, 'new.key')],
    ['web.key', join(dir, 'web.key')],
    ['jobs.key', join(dir, 'jobs.key')],
  ]);
  expect(printed.some((text) => text.includes('features:write'))).toBe(true);
  const keys = await readKeyFile(join(dir, 'shop', '.millrace', 'keys.json'));
  expect(keys?.map(({ name }) => name)).toEqual(['web', 'web']);
}, 60_000);

it('docs/security.md has no example that is not tried', async () => {
  const page = await readFile(new URL('../../docs/security.md', import.meta.url), 'utf8');
  const heads = [...page.matchAll(/^```(\w.*)$/gm)].map(([, head = '']) => head);
  expect(heads.filter((head) => !head.includes(' tour'))).toEqual([]);
  expect(heads.length).toBeGreaterThan(10);
});
