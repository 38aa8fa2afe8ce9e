import { execFile } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { LoadBench } from './load-fixture.ts';
import { createLoadBench } from './load-fixture.ts';

const HEAP_MB_MAX = 64;
const ROWS = 200_000;

let bench: LoadBench;
beforeEach(async () => {
  bench = await createLoadBench();
});
afterEach(async () => bench.close());

it('loads a file that is larger than the heap', async () => {
  const file = bench.path('large.csv');
  function* lines(): Generator<string> {
    yield 'iata,delay,state\n';
    for (let row = 0; row < ROWS; row++) yield `K${row},${row / 7},"${`${row} `.repeat(60)}"\n`;
  }
  await pipeline(Readable.from(lines()), createWriteStream(file));
  expect((await stat(file)).size).toBeGreaterThan(HEAP_MB_MAX * 1024 * 1024);
  const script = fileURLToPath(new URL('load-in-process.ts', import.meta.url));
  const limit = `--max-old-space-size=${HEAP_MB_MAX}`;
  const args = [limit, '--import', 'tsx', script, file, bench.path('large-data')];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  expect(stdout).toBe(String(ROWS));
});
