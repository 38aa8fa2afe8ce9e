/**
 * How fast events of the log get into features, and how soon: a part of `npm run bench:events`.
 *
 * Applying: a log of events of one stream with 4 aggregates, applied from its beginning by one process. Freshness: events
 * arrive at a steady rate in calls of 50, one of them for an entity of its own, whose row is asked for until it has it.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '../src/clock.ts';
import type { AcceptedEvent } from '../src/events/event.ts';
import type { EventLog } from '../src/events/event-log.ts';
import type { OnlineStore, Row } from '../src/features/online-store.ts';
import { openLmdbEnvironment } from '../src/lmdb/lmdb-environment.ts';
import type { Project } from '../src/project/project.ts';
import { openEventStreaming } from '../src/streaming/event-streaming.ts';
import { openLmdbEvents } from '../src/streaming/open-lmdb-events.ts';
import type { EventStores, EventStreaming } from '../src/streaming/event-streaming.ts';
import { openRedisEvents } from '../src/streaming/open-redis-events.ts';
import type { StreamingParts } from '../src/streaming/open-streaming.ts';
import { createStreamRouting } from '../src/streaming/stream-routing.ts';
import { createLog } from '../src/telemetry/log.ts';
import { createMetrics } from '../src/telemetry/metrics.ts';
import { startRedis } from '../test/redis/redis-server.ts';
import { projectOf } from '../test/features/sample-project.ts';
import { eventOf, streamingView } from '../test/streaming/sample-view.ts';

const HOUR_MS = 3_600_000;
const EVENTS_PER_CALL = 50;
const ENTITIES = 1000;

const type = { ...eventOf({ id: 'string', amount: 'float64' }), name: 'sample' };
const view = streamingView(type, [
  { name: 'count', windowMs: HOUR_MS },
  { name: 'mean', field: 'amount', windowMs: HOUR_MS },
  { name: 'max', field: 'amount', windowMs: HOUR_MS },
  { name: 'count', where: 'amount > 50', windowMs: HOUR_MS },
]);
const sample = projectOf([view]);
const project: Project = {
  ...sample,
  eventTypes: new Map([[type.name, type]]),
  limits: { ...sample.limits, memoryBytesMax: 256e6 },
};
const routing = createStreamRouting([view], project.streaming.partitions);

function createEvents(): (id: string) => AcceptedEvent {
  let count = 0;
  return (id) => {
    const nowMs = Date.now();
    const n = count++;
    return { id: `event-${n}`, type, timeMs: nowMs, receivedMs: nowMs, values: [id, (n * 7) % 100] };
  };
}

async function append(log: EventLog, events: readonly AcceptedEvent[]): Promise<void> {
  await log.append(events.map((event) => ({ event, partitions: routing.partitionsOf(event) })));
}

export type Place = 'LMDB' | 'Redis';

/** Opens streams at a place of its own; each call of `open` what another start of a server would. */
async function withPlace<T>(place: Place, use: (open: () => Promise<EventStores>) => Promise<T>): Promise<T> {
  if (place === 'Redis') {
    const server = await startRedis(['--appendonly', 'yes']);
    try {
      return await use(async () => openRedisEvents(server.url, { project, ...shared() }));
    } finally {
      await server.stop();
    }
  }
  const path = await mkdtemp(join(tmpdir(), 'millrace-bench-apply-'));
  const environment = await openLmdbEnvironment({ path });
  try {
    return await use(async () => openLmdbEvents(environment, { project, ...shared() }));
  } finally {
    await environment.close();
    await rm(path, { recursive: true });
  }
}

function shared(): Pick<StreamingParts, 'metrics' | 'clock' | 'logger'> {
  return { metrics: createMetrics(), clock: systemClock, logger: createLog('silent') };
}

/** The views have streams only: nothing else is asked for. */
const noRows: OnlineStore = {
  get: () => null,
  staleMs: () => 0,
  state: () => 'answers',
  read: async (keys) => keys.map(() => null),
  write: async () => [],
  close: async () => undefined,
};

async function openStreams(open: () => Promise<EventStores>): Promise<EventStreaming> {
  return openEventStreaming(await open(), { project, store: noRows, ...shared() });
}

export interface ApplyResult {
  readonly eventsPerSecond: number;
  /** CPU time of the process, with its threads, for an event. */
  readonly cpuUs: number;
}

/** Applies so many events from the beginning of a log. */
export async function benchApply(place: Place, events: number): Promise<ApplyResult> {
  return withPlace(place, async (open) => {
    const stores = await open();
    const next = createEvents();
    for (let sent = 0; sent < events; sent += 1000)
      await append(
        stores.log,
        Array.from({ length: 1000 }, (_, i) => next(`e${(sent + i * 7919) % ENTITIES}`)),
      );
    await stores.close();
    const startedMs = performance.now();
    const startedCpu = process.cpuUsage();
    const streams = await openStreams(open);
    await streams.settle();
    const seconds = (performance.now() - startedMs) / 1000;
    const { user, system } = process.cpuUsage(startedCpu);
    await streams.close();
    return { eventsPerSecond: events / seconds, cpuUs: (user + system) / events };
  });
}

/** Milliseconds from an acknowledged event until its row has it, ascending, while events come at this rate. */
export async function benchFreshness(
  place: Place,
  eventsPerSecond: number,
  seconds: number,
): Promise<number[]> {
  return withPlace(place, async (open) => {
    const streams = await openStreams(open);
    const next = createEvents();
    const delaysMs: Promise<number>[] = [];
    const calls = Math.round((eventsPerSecond * seconds) / EVENTS_PER_CALL);
    const startedMs = performance.now();
    for (let call = 0; call < calls; call++) {
      const others = Array.from({ length: EVENTS_PER_CALL - 1 }, (_, i) =>
        next(`e${(call * 49 + i) % ENTITIES}`),
      );
      const own = `own ${call}`;
      delaysMs.push(append(streams.log, [...others, next(own)]).then(async () => untilSeen(streams, own)));
      const aheadMs = startedMs + ((call + 1) * EVENTS_PER_CALL * 1000) / eventsPerSecond - performance.now();
      if (aheadMs > 0) await pause(aheadMs);
    }
    const sorted = (await Promise.all(delaysMs)).sort((a, b) => a - b);
    await streams.close();
    return sorted;
  });
}

async function untilSeen({ source }: EventStreaming, key: string): Promise<number> {
  const acknowledgedMs = performance.now();
  const read = async (): Promise<Row | null> => {
    const row = source.get(view, key, Date.now(), false);
    return row === undefined ? ((await source.read([{ view, key }], Date.now(), false))[0] ?? null) : row;
  };
  while ((await read()) === null) await turn();
  return performance.now() - acknowledgedMs;
}
