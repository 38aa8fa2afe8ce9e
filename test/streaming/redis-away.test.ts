/** What is served of windows while Redis is away. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Row } from '../../src/features/online-store.ts';
import type { FeatureView, Project } from '../../src/project/project.ts';
import type { EventStreaming } from '../../src/streaming/event-streaming.ts';
import { startRedis } from '../redis/redis-server.ts';
import type { RedisServer } from '../redis/redis-server.ts';
import { flightEvent, flightProject, flightViews, writeOf } from './flight-stream.ts';
import { openPlace } from './open-place.ts';

let server: RedisServer;
let streaming: EventStreaming | undefined;
beforeEach(async () => {
  server = await startRedis(['--appendonly', 'yes', '--appendfsync', 'always']);
});
afterEach(async () => {
  await streaming?.close();
  await server.stop();
});

const { byOrigin } = flightViews;
const strict: FeatureView = { ...byOrigin, name: 'strict', onUnavailable: 'error' };
const project: Project = {
  ...flightProject,
  featureViews: new Map([...flightProject.featureViews, ['strict', strict]]),
  cache: { ...flightProject.cache, staleMsMax: 3000, readTimeoutMs: 5000 },
};
const event = { ...flightEvent(() => 0.5, 0), values: ['JFK', 'LAX', 7] };

/** Until what comes by itself is there, on a machine that is busy with other things. */
const PATIENT = { timeout: 20_000 };

/** Its event time, and how many events there were. */
function begin(row: Row | null | undefined): unknown {
  return row && row.slice(0, 2);
}

async function rowOf({ source }: EventStreaming, key: string, view = byOrigin): Promise<unknown> {
  const [row] = await source.read([{ view, key }], event.timeMs, false);
  return begin(row);
}

it('is what was true last, told as old, until that is too old; then it is as its view says', async () => {
  streaming = await openPlace(server.url, project, 'silent');
  const { source, log, routing } = streaming;
  await log.append([writeOf(event, routing)]);
  await streaming.settle();
  const count = 1;
  // A change that is told late, such as that of the event, drops the row again.
  await vi.waitFor(async () => {
    expect(await rowOf(streaming as EventStreaming, 'JFK')).toEqual([event.timeMs, count]);
    expect(begin(source.get(byOrigin, 'JFK', event.timeMs, false))).toEqual([event.timeMs, count]);
  }, PATIENT);
  await server.kill();
  const stale = await vi.waitFor(() => {
    const row = source.get(byOrigin, 'JFK', event.timeMs, false) ?? null;
    expect(source.staleMs(byOrigin, 'JFK', row)).toBeGreaterThan(0);
    return row;
  }, PATIENT);
  expect(begin(stale)).toEqual([event.timeMs, count]);
  // What was never in memory.
  expect(await rowOf(streaming, 'SEA')).toBeNull();
  await expect(rowOf(streaming, 'SEA', strict)).rejects.toMatchObject({ code: 'STORE_FAILED' });
  await expect(log.append([writeOf({ ...event, id: 'b' }, routing)])).rejects.toMatchObject({
    code: 'STORE_FAILED',
  });
  await vi.waitFor(async () => expect(await rowOf(streaming as EventStreaming, 'JFK')).toBeNull(), PATIENT);
  await server.restart();
  await vi.waitFor(async () => {
    const row = (await source.read([{ view: byOrigin, key: 'JFK' }], event.timeMs, false))[0] ?? null;
    expect([row?.[1], source.staleMs(byOrigin, 'JFK', row)]).toEqual([count, 0]);
  }, PATIENT);
  // The events that come now are counted, and seen at once again.
  await vi.waitFor(async () => log.append([writeOf({ ...event, id: 'c' }, routing)]), PATIENT);
  await vi.waitFor(
    async () => expect(await rowOf(streaming as EventStreaming, 'JFK')).toEqual([event.timeMs, count + 1]),
    PATIENT,
  );
});
