/** Features from events, all of it in the LMDB environment of the process. */
import { createEventDecoder } from '../events/decode-event.ts';
import { createEventIds } from '../events/event-ids.ts';
import { createEventIntake } from '../events/intake.ts';
import type { EventIntake } from '../events/intake.ts';
import { openLmdbEventLog } from '../events/lmdb-event-log.ts';
import type { LmdbEventLog } from '../events/lmdb-event-log.ts';
import { openLmdbSetAsideLog } from '../events/lmdb-set-aside-log.ts';
import type { SetAsideLog } from '../events/set-aside-log.ts';
import type { LmdbEnvironment } from '../lmdb/lmdb-environment.ts';
import { openLmdbTileStore } from './lmdb-tile-store.ts';
import { openStreaming } from './open-streaming.ts';
import type { Streaming, StreamingParts } from './open-streaming.ts';

export interface LmdbStreaming extends Streaming {
  readonly log: LmdbEventLog;
  readonly intake: EventIntake;
  readonly deadLetters: SetAsideLog;
  readonly corrections: SetAsideLog;
}

/** @throws MillraceError INVALID_PROJECT, STORE_FAILED */
export async function openLmdbStreaming(
  environment: LmdbEnvironment,
  parts: Omit<StreamingParts, 'log' | 'tiles'>,
): Promise<LmdbStreaming> {
  const { project, clock } = parts;
  const log = await openLmdbEventLog({
    environment,
    types: project.eventTypes,
    partitionCount: project.streaming.partitions,
    clock,
  });
  const deadLetters = openLmdbSetAsideLog(environment, 'dead_letters', log.codec);
  const corrections = openLmdbSetAsideLog(environment, 'corrections', log.codec);
  const tiles = openLmdbTileStore(environment, { deadLetters, corrections });
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
    log,
    intake,
    deadLetters,
    corrections,
    async close() {
      // First who reads the log, then the log.
      await streaming.close();
      await log.close();
    },
  };
}
