import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Project } from '../../src/project/project.ts';
import { tileNames } from '../../src/streaming/redis-tile-layout.ts';
import { startRedis } from '../redis/redis-server.ts';
import type { RedisServer } from '../redis/redis-server.ts';
import { flightEvent, flightProject, flightViews, writeOf } from './flight-stream.ts';
import { openPlace } from './open-place.ts';

const { byOrigin } = flightViews;
const project: Project = { ...flightProject, cache: { ...flightProject.cache, readTimeoutMs: 10 } };
const event = { ...flightEvent(() => 0.5, 0), values: ['JFK', 'LAX', 7] };
const TILE_BYTES = 100_000_000;

let server: RedisServer;
beforeEach(async () => {
  server = await startRedis();
});
afterEach(async () => server.stop());

it('applies events of an entity whose tiles take longer to read than a prediction would wait', async () => {
  const place = await openPlace(server.url, project, 'silent');
  const { source, log, routing } = place;
  const partition = routing.partitionOf(byOrigin, 'JFK');
  const client = new Redis(server.port);
  // Of a size that no window has: it is read, and passed over.
  await client.hset(
    tileNames(project.name).tiles(partition, `${byOrigin.name}/JFK`),
    '7:0',
    Buffer.alloc(TILE_BYTES),
  );
  client.disconnect();
  await log.append([writeOf(event, routing)]);
  const tooLong = async (): Promise<string> => sleep(8000, 'it is not applied', { ref: false });
  expect(await Promise.race([place.settle().then(() => 'applied'), tooLong()])).toBe('applied');
  const [row] = await source.read([{ view: byOrigin, key: 'JFK' }], event.timeMs, false);
  expect(row?.[1]).toBe(1);
  await place.close();
}, 20_000);
