/** What the metrics say of events that are in the log and in no feature yet, and of those that are. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { seededRandom } from '../../src/stats/seeded-random.ts';
import type { AcceptedEvent } from '../../src/events/event.ts';
import type { TileStore } from '../../src/streaming/tile-store.ts';
import { flightEvent, flightProject, writeOf } from './flight-stream.ts';
import { createStreamingPlace, metricOf } from './streaming-place.ts';
import type { Instance, StreamingPlace } from './streaming-place.ts';

/** The metrics are looked up once a second. */
const SOON = { timeout: 5000 };

let place: StreamingPlace;
beforeEach(async () => {
  place = await createStreamingPlace();
});
afterEach(async () => place.remove());

function flights(count: number): AcceptedEvent[] {
  const random = seededRandom(3);
  return Array.from({ length: count }, (_, n) => flightEvent(random, n));
}

async function append({ log, routing }: Instance, events: readonly AcceptedEvent[]): Promise<void> {
  await log.append(events.map((event) => writeOf(event, routing)));
}

/** Nothing is stored until the promise resolves. */
const storingAfter =
  (opened: Promise<void>) =>
  (tiles: TileStore): TileStore => ({
    ...tiles,
    async commit(batch) {
      await opened;
      return tiles.commit(batch);
    },
  });

it('tell how many events wait and how long the oldest has, until they are applied', async () => {
  let apply = (): void => undefined;
  const opened = new Promise<void>((resolve) => (apply = resolve));
  const instance = await place.open(flightProject, storingAfter(opened));
  const metric = async (name: string): Promise<number> => metricOf(instance.metrics, `millrace_${name}`);
  await append(instance, flights(100));
  await expect.poll(async () => metric('events_unapplied'), SOON).toBeGreaterThanOrEqual(100);
  expect(await metric('event_log_bytes')).toBeGreaterThan(1000);
  await expect.poll(async () => metric('apply_lag_seconds'), SOON).toBeGreaterThan(1);
  const before = await metric('apply_lag_seconds');
  await expect.poll(async () => metric('apply_lag_seconds'), SOON).toBeGreaterThan(before);
  apply();
  await instance.settle();
  await expect.poll(async () => metric('events_unapplied'), SOON).toBe(0);
  expect(await metric('apply_lag_seconds')).toBe(0);
});

it('tell the latest event time of each partition that has one, as it is applied', async () => {
  const instance = await place.open(flightProject);
  const watermarks = async (): Promise<string[]> =>
    (await instance.metrics.render())
      .split('\n')
      .filter((line) => line.startsWith('millrace_event_watermark'));
  expect(await watermarks()).toEqual([]);
  const events = flights(300);
  await append(instance, events);
  await instance.settle();
  const latestMs = new Map<number, number>();
  for (const event of events)
    for (const partition of instance.routing.partitionsOf(event))
      latestMs.set(partition, Math.max(latestMs.get(partition) ?? 0, event.timeMs));
  expect(latestMs.size).toBeGreaterThan(2);
  const expected = [...latestMs]
    .toSorted(([a], [b]) => a - b)
    .map(
      ([partition, timeMs]) => `millrace_event_watermark_seconds{partition="${partition}"} ${timeMs / 1000}`,
    );
  await expect.poll(watermarks, SOON).toEqual(expected);
});

it('are there as soon as a server starts, also of what another one has left', async () => {
  let apply = (): void => undefined;
  const opened = new Promise<void>((resolve) => (apply = resolve));
  const first = await place.open(flightProject);
  await first.close();
  await append(first, flights(50));
  const next = await place.open(flightProject, storingAfter(opened));
  const unapplied = async (): Promise<number> => metricOf(next.metrics, 'millrace_events_unapplied');
  await expect.poll(unapplied, { timeout: 800, interval: 10 }).toBeGreaterThanOrEqual(50);
  apply();
});
