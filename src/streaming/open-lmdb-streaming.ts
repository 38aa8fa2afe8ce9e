/** Features from events, all of it in the LMDB environment of the process. */
import { createEventDecoder } from '../events/decode-event.ts';
import { createEventIds } from '../events/event-ids.ts';
import { createEventIntake } from '../events/intake.ts';
import type { EventIntake } from '../events/intake.ts';
import { openLmdbEventLogs } from '../events/lmdb-event-logs.ts';
import type { LmdbEventLogs } from '../events/lmdb-event-logs.ts';
import type { LmdbEnvironment } from '../lmdb/lmdb-environment.ts';
import { openLmdbTileStore } from './lmdb-tile-store.ts';
import { openStreaming } from './open-streaming.ts';
import type { Streaming, StreamingParts } from './open-streaming.ts';

export interface LmdbStreaming extends Streaming, LmdbEventLogs {
  readonly intake: EventIntake;
}

/** @throws MillraceError INVALID_PROJECT, STORE_FAILED */
export async function openLmdbStreaming(
  environment: LmdbEnvironment,
  parts: Omit<StreamingParts, 'log' | 'tiles'>,
): Promise<LmdbStreaming> {
  const { project, clock } = parts;
  const logs = await openLmdbEventLogs(environment, project, clock);
  const { log } = logs;
  const tiles = openLmdbTileStore(environment, logs);
  const streaming = await openStreaming({ ...parts, log, tiles });
  const intake = createEventIntake({
    decode: createEventDecoder(project.eventTypes, project.streaming, createEventIds(clock)),
    eventsMax: project.streaming.eventsMax,
    log,
    partitionsOf: (event) => streaming.routing.partitionsOf(event),
    clock,
  });
  return {
    ...streaming,
    ...logs,
    intake,
    async close() {
      // First who reads the log, then the log.
      await streaming.close();
      await log.close();
    },
  };
}
