/** Events from the log to the rows, in LMDB: several appliers that compete for the same partitions. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import type { AcceptedEvent } from '../../src/events/event.ts';
import { openLmdbStore } from '../../src/features/lmdb-store.ts';
import { openLmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';
import type { LmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';
import { openEventStreaming } from '../../src/streaming/event-streaming.ts';
import { openLmdbEvents } from '../../src/streaming/open-lmdb-events.ts';
import type { EventStreaming } from '../../src/streaming/event-streaming.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { expectRows, expectedRows } from './expected-rows.ts';
import { seededRandom } from '../../src/stats/seeded-random.ts';
import { flightEvent, flightProject, writeOf } from './flight-stream.ts';

let dir: string;
const opened: { close(): Promise<void> }[] = [];
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-streaming-'));
});
afterEach(async () => {
  for (const each of opened.splice(0).toReversed()) await each.close();
  await rm(dir, { recursive: true });
});

async function openEnvironment(): Promise<LmdbEnvironment> {
  const environment = await openLmdbEnvironment({ path: dir });
  opened.push(environment);
  return environment;
}

async function open(environment: LmdbEnvironment): Promise<EventStreaming> {
  const store = await openLmdbStore({ environment, views: flightProject.featureViews.values() });
  const streaming = await openEventStreaming(
    await openLmdbEvents(environment, { project: flightProject, clock: systemClock }),
    {
      project: flightProject,
      store,
      metrics: createMetrics(),
      clock: systemClock,
      logger: createLog('silent'),
    },
  );
  opened.push(streaming);
  return streaming;
}

describe('events in LMDB', () => {
  it('are in the rows once each, whoever applies them, and after a new start', async () => {
    const environment = await openEnvironment();
    const appliers = [await open(environment), await open(environment), await open(environment)];
    const random = seededRandom(7);
    const events = Array.from({ length: 1500 }, (_, n) => flightEvent(random, n));
    for (let from = 0; from < events.length; from += 100) {
      const some = events.slice(from, from + 100);
      // Some are sent twice.
      const again = events.slice(Math.max(0, from - 3), from);
      const { log, routing } = appliers[(from / 100) % 3] as EventStreaming;
      const outcomes = await log.append([...again, ...some].map((event) => writeOf(event, routing)));
      expect(outcomes.filter((outcome) => outcome === 'duplicate')).toHaveLength(again.length);
    }
    for (const streaming of appliers) await streaming.settle();
    const expected = expectedRows(events);
    for (const streaming of appliers) await expectRows(streaming, expected);
    await expectRows(await open(environment), expected);
    expect(await (appliers[0] as EventStreaming).deadLetters.count()).toBe(0);
    expect(await (appliers[0] as EventStreaming).corrections.count()).toBe(0);
  });

  it('that come too late are set aside and counted, and those that come in time correct the rows', async () => {
    const streaming = await open(await openEnvironment());
    const random = seededRandom(8);
    const events = Array.from({ length: 500 }, (_, n) => flightEvent(random, n));
    const { log, routing } = streaming;
    await log.append(events.map((event) => writeOf(event, routing)));
    await streaming.settle();
    const lastMs = Math.max(...events.map(({ timeMs }) => timeMs));
    const [first] = events as [AcceptedEvent];
    const { allowedLatenessMs } = flightProject.streaming;
    const inTime = { ...first, id: 'in time', timeMs: lastMs - allowedLatenessMs / 2 };
    const late = { ...first, id: 'late', timeMs: lastMs - 3 * allowedLatenessMs };
    await log.append([inTime, late].map((event) => writeOf(event, routing)));
    await streaming.settle();
    await expectRows(streaming, expectedRows([...events, inTime]));
    const setAside = await streaming.corrections.list(0, 10);
    expect(setAside.map(({ event }) => event?.id)).toEqual(routing.partitionsOf(late).map(() => 'late'));
    expect(setAside[0]?.reason).toContain('streaming.allowed_lateness');
  });
});
