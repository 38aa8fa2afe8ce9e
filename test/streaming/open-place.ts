/**
 * Where features are made of events, by its address, opened as a process of a server opens it. An address is a folder.
 * Tests that kill processes give it to each of them: a place of another kind is one more case here.
 */
import { systemClock } from '../../src/clock.ts';
import type { EventLog } from '../../src/events/event-log.ts';
import type { SetAsideLog } from '../../src/events/set-aside-log.ts';
import { openLmdbStore } from '../../src/features/lmdb-store.ts';
import { openLmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';
import { openLmdbStreaming } from '../../src/streaming/open-lmdb-streaming.ts';
import type { Streaming } from '../../src/streaming/open-streaming.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { flightProject } from './flight-stream.ts';

export interface OpenPlace extends Streaming {
  readonly log: EventLog;
  readonly deadLetters: SetAsideLog;
  readonly corrections: SetAsideLog;
}

/** Of the project of flight-stream.ts. Its errors are lines on standard output, as a server's are. */
export async function openPlace(address: string): Promise<OpenPlace> {
  const environment = await openLmdbEnvironment({ path: address });
  const store = await openLmdbStore({ environment, views: [] });
  const parts = { metrics: createMetrics(), clock: systemClock, logger: createLog('error') };
  const streaming = await openLmdbStreaming(environment, { project: flightProject, store, ...parts });
  return {
    ...streaming,
    async close() {
      await streaming.close();
      await environment.close();
    },
  };
}
