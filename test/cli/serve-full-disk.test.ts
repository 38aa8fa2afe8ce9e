/** `millrace serve` whose disk gets full while events come in, and has room again later. */
import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { featuresOf, purchases, shopServer } from './shop-server.ts';
import type { Purchase } from './shop-server.ts';
import type { Answer } from './workers/caller.ts';

const ROOM_BYTES = 2 ** 20;
const NOTE = 'x'.repeat(2000);

let preload: string;
beforeAll(async () => {
  preload = join(await mkdtemp(join(tmpdir(), 'millrace-preload-')), 'preload.mjs');
  // A write beyond the limit below fails, as on a full disk, and sends a signal that would end the process.
  await writeFile(preload, `process.on('SIGXFSZ', () => undefined);\n`);
});
afterAll(async () => rm(join(preload, '..'), { recursive: true }));
beforeEach(({ skip }) => {
  skip(spawnSync('prlimit', ['--version']).status !== 0, 'no prlimit on this machine');
});

const server = shopServer();

/** No file of the server gets larger than this from now on. */
function limitFiles(bytes: number | 'unlimited'): void {
  const { pid } = server.running().child;
  const { status, stderr } = spawnSync('prlimit', ['--pid', String(pid), `--fsize=${bytes}:`]);
  if (status !== 0) throw new Error(stderr.toString());
}

it('refuses events with a sentence while the disk is full, keeps those it has, and takes more when there is room', async () => {
  await server.serve([], { NODE_OPTIONS: `--import ${preload}` });
  const kept = purchases(0, 100);
  expect((await server.post(kept)).status).toBe(202);
  limitFiles(statSync(join(server.dataPath, 'data.mdb')).size + ROOM_BYTES);
  const refused: Purchase[][] = [];
  const answers: Answer[] = [];
  for (let call = 1; refused.length < 3; call++) {
    const events = purchases(call, 100, NOTE);
    const answer = await server.post(events);
    if (answer.status === 202) kept.push(...events);
    else {
      refused.push(events);
      answers.push(answer);
    }
  }
  for (const { status, text } of answers) {
    expect(status).toBe(503);
    const sentence = /^(No space is left for|The disk of) the store in .*\. Nothing was written\.$/;
    const error = expect.stringMatching(sentence);
    expect(JSON.parse(text)).toMatchObject({ code: 'STORE_FAILED', error, retry_after_ms: 1000 });
  }
  expect(kept.length).toBeGreaterThan(100);
  // Predictions do not need the room that is missing.
  const degraded = ['The last events that were sent could not be stored.'];
  expect(await server.health()).toEqual([200, { ready: true, degraded }]);
  // What is in memory is still answered.
  expect(await server.features()).toHaveLength(3);
  limitFiles('unlimited');
  for (const events of refused) {
    const { status, text } = await server.post(events);
    expect(status).toBe(202);
    expect(text).not.toContain('duplicate');
    kept.push(...events);
  }
  expect(await server.health()).toEqual([200, { ready: true }]);
  await expect.poll(async () => server.features(), { timeout: 20_000 }).toEqual(featuresOf(kept));
  server.running().child.kill('SIGTERM');
  expect((await server.running().finished).code).toBe(0);
  expect((await server.idsInLog()).toSorted()).toEqual(kept.map(({ id }) => id).toSorted());
});
