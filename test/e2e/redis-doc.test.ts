/** docs/redis.md, command by command, with a real Redis. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startRedis } from '../redis/redis-server.ts';
import type { RedisServer } from '../redis/redis-server.ts';
import { followTour, freePort } from './tour.ts';

let redis: RedisServer;

beforeAll(async () => {
  redis = await startRedis(['--appendonly', 'yes']);
});

afterAll(async () => {
  await redis.stop();
});

it('works as docs/redis.md says', async () => {
  const [one, other] = [await freePort(), await freePort()];
  const printed = await followTour('docs/redis.md', [
    ['6379', String(redis.port)],
    ['8080', String(one)],
    ['8081', String(other)],
  ]);
  const [, before, pushed] = printed as [string, string, string];
  expect(before).toContain('"values":[40.63975111]');
  expect(pushed).toContain('"values":[40.6413]');
  expect(printed.some((text) => /millrace_redis_coherent 1$/m.test(text))).toBe(true);
  // As the page says of warming: a server that stops leaves the list.
  expect(await redis.command('GET', 'mr:flights:recent')).toContain('JFK');
}, 120_000);

it('names every metric, and every key of the settings', async () => {
  const page = await readFile(new URL('../../docs/redis.md', import.meta.url), 'utf8');
  const sources = ['features/cached-store.ts', 'redis/open-connection.ts'].map(async (file) =>
    readFile(new URL(`../../src/${file}`, import.meta.url), 'utf8'),
  );
  const metrics = (await Promise.all(sources)).flatMap(
    (text) => text.match(/millrace_(cache|redis|event_redis)_\w+/g) ?? [],
  );
  expect(metrics.length).toBeGreaterThan(12);
  expect(metrics.filter((name) => !page.includes(name))).toEqual([]);
  for (const key of ['entries_max', 'ttl', 'stale_max', 'read_timeout'])
    expect(page).toContain(`cache.${key}`);
});
