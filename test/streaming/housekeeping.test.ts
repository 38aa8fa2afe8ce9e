import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { EventLog } from '../../src/events/event-log.ts';
import type { AcceptedEvent } from '../../src/events/event.ts';
import { openLmdbStore } from '../../src/features/lmdb-store.ts';
import { openLmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';
import type { LmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';
import type { Project } from '../../src/project/project.ts';
import { openEventStreaming } from '../../src/streaming/event-streaming.ts';
import { openLmdbEvents } from '../../src/streaming/open-lmdb-events.ts';
import type { EventStreaming } from '../../src/streaming/event-streaming.ts';
import { startHousekeeping } from '../../src/streaming/housekeeping.ts';
import type { StreamRouting } from '../../src/streaming/stream-routing.ts';
import type { TileStore } from '../../src/streaming/tile-store.ts';
import { createLog } from '../../src/telemetry/log.ts';
import type { Log } from '../../src/telemetry/log.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { seededRandom } from '../../src/stats/seeded-random.ts';
import { flightEvent, flightProject, writeOf } from './flight-stream.ts';

const DAY_MS = 86_400_000;

let dir: string;
let environment: LmdbEnvironment;
let nowMs = 1e12;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-housekeeping-'));
  environment = await openLmdbEnvironment({ path: dir });
});
afterEach(async () => {
  await environment.close();
  await rm(dir, { recursive: true });
});

async function open(project: Project): Promise<EventStreaming> {
  const store = await openLmdbStore({ environment, views: [] });
  const clock = { nowMs: () => nowMs };
  const parts = { metrics: createMetrics(), clock, logger: createLog('silent') };
  return openEventStreaming(await openLmdbEvents(environment, { project, ...parts }), {
    project,
    store,
    ...parts,
  });
}

function tileCount(): number {
  return environment.textKeys('tiles')?.range({ start: '0', end: ':' }).length ?? 0;
}

const records = async ({ log }: EventStreaming): Promise<number> =>
  (await log.sizes()).reduce((sum, { firstOffset, nextOffset }) => sum + nextOffset - firstOffset, 0);

it('drops events that are past their retention, and tiles that no window reaches, also of entities without new ones', async () => {
  const streaming = await open(flightProject);
  const random = seededRandom(4);
  const events = Array.from({ length: 300 }, (_, n) => flightEvent(random, n));
  const { log, routing } = streaming;
  await log.append(events.map((event) => writeOf(event, routing)));
  await streaming.settle();
  await streaming.tidy();
  const before = tileCount();
  expect(before).toBeGreaterThan(100);
  expect(await records(streaming)).toBeGreaterThanOrEqual(300);
  // Every partition hears of a later time from airports of its own, and the former ones have no more events.
  nowMs += flightProject.streaming.retentionMs + DAY_MS;
  const later = Array.from({ length: 60 }, (_, n): AcceptedEvent => {
    const event = flightEvent(random, n);
    return { ...event, id: `later-${n}`, timeMs: event.timeMs + 30 * DAY_MS, values: [`X${n}`, `Y${n}`, 1] };
  });
  await log.append(later.map((event) => writeOf(event, routing)));
  await streaming.settle();
  const between = tileCount();
  await streaming.tidy();
  expect(tileCount()).toBeLessThan(between - before / 2);
  expect(await records(streaming)).toBeLessThan(60 * 4);
  expect(await records(streaming)).toBeGreaterThanOrEqual(60);
  await streaming.close();
});

it('logs what fails once a second when it begins, not each time', async () => {
  vi.useFakeTimers();
  const errors: string[] = [];
  let isAway = true;
  const housekeeping = startHousekeeping({
    log: {
      partitionCount: 0,
      sizes: async () => (isAway ? Promise.reject(new Error('it is away')) : []),
    } as unknown as EventLog,
    tiles: {} as TileStore,
    plans: new Map(),
    routing: {} as StreamRouting,
    settings: flightProject.streaming,
    metrics: createMetrics(),
    clock: { nowMs: () => nowMs },
    logger: { error: (_: object, sentence: string) => errors.push(sentence) } as unknown as Log,
  });
  try {
    await vi.advanceTimersByTimeAsync(5000);
    expect(errors).toEqual(['what is not applied could not be counted; it is tried again']);
    isAway = false;
    await vi.advanceTimersByTimeAsync(2000);
    isAway = true;
    await vi.advanceTimersByTimeAsync(5000);
    expect(errors).toHaveLength(2);
  } finally {
    vi.useRealTimers();
    await housekeeping.close();
  }
});
