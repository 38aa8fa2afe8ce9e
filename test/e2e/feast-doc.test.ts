/**
 * docs/feast.md, command by command, with a real Redis. Feast itself is not there: the page writes the bytes that it
 * would write, which test/features/redis/feast-*.test.ts hold against its format.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startRedis } from '../redis/redis-server.ts';
import type { RedisServer } from '../redis/redis-server.ts';
import { followTour, freePort } from './tour.ts';

let redis: RedisServer;
let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-feast-doc-'));
  redis = await startRedis();
});

afterAll(async () => {
  await redis.stop();
  await rm(dir, { recursive: true, force: true });
});

interface Column {
  readonly values: readonly unknown[];
  readonly statuses: readonly string[];
}

function columns(answer: string): [unknown, string | undefined][] {
  const { results } = JSON.parse(answer) as { results: Column[] };
  return results.slice(1).map(({ values, statuses }) => [values[0], statuses[0]]);
}

it('works as docs/feast.md says', async () => {
  const port = await freePort();
  const printed = await followTour('docs/feast.md', [
    ['6379', String(redis.port)],
    ['6566', String(port)],
    ['--project drivers', `--project ${dir}`],
    ['drivers/millrace.yaml', `${dir}/millrace.yaml`],
    ['(drivers)', `(${dir})`],
  ]);
  const [, , , asked, pushed, deleted] = printed as [string, string, string, string, string, string];
  expect(columns(asked)).toEqual([
    [0.5, 'PRESENT'],
    [1000, 'PRESENT'],
    [null, 'OUTSIDE_MAX_AGE'],
  ]);
  expect(columns(pushed)).toEqual([['Nice', 'PRESENT']]);
  expect(deleted).toMatch(/^[01]\n$/);
  // The server has written the list once more when it stopped. There is nothing else but Feast's hash.
  const keys = (await redis.command('KEYS', '*')) as string[];
  expect(keys.filter((key) => key.startsWith('mr:'))).toEqual(['mr:driver_ranking:recent']);
  expect(keys).toHaveLength(2);
}, 120_000);

it('names every type of a feature', async () => {
  const page = await readFile(new URL('../../docs/feast.md', import.meta.url), 'utf8');
  const types = [
    'float32',
    'float64',
    'int64',
    'string',
    'bool',
    'timestamp',
    'float32[N]',
    'float64[N]',
    'int64[N]',
  ];
  expect(types.filter((type) => !page.includes(`\`${type}\``))).toEqual([]);
});
