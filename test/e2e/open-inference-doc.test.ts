/** docs/open-inference.md, command by command. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { followTour, freePort } from './tour.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-open-inference-doc-'));
});
afterAll(async () => rm(dir, { recursive: true, force: true }));

it('docs/open-inference.md is followed as it stands there', async () => {
  const printed = await followTour('docs/open-inference.md', [
    ['8080', String(await freePort())],
    ['8001', String(await freePort())],
    ['tensors/', `${join(dir, 'tensors')}/`],
    ['--project tensors', `--project ${join(dir, 'tensors')}`],
  ]);
  expect(printed).toHaveLength(4);
}, 120_000);

it('docs/open-inference.md has no example that is not tried', async () => {
  const page = await readFile(new URL('../../docs/open-inference.md', import.meta.url), 'utf8');
  const fences = [...page.matchAll(/^```(.+)$/gm)].map(([, head]) => head ?? '');
  expect(fences.filter((head) => !head.includes(' tour'))).toEqual([]);
  expect(fences.length).toBeGreaterThan(6);
});
