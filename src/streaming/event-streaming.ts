/** Features from events with all that belongs to them: the intake, the log, the tiles, and what was set aside. */
import { createEventDecoder } from '../events/decode-event.ts';
import { createEventIds } from '../events/event-ids.ts';
import { createEventIntake } from '../events/intake.ts';
import type { EventIntake } from '../events/intake.ts';
import type { EventLogs } from '../events/set-aside-log.ts';
import { openStreaming } from './open-streaming.ts';
import type { Streaming, StreamingParts } from './open-streaming.ts';
import type { TileStore } from './tile-store.ts';

/** Where events and tiles are kept: one of the drivers. */
export interface EventStores extends EventLogs {
  readonly tiles: TileStore;
  /** Waits for what is being written. */
  close(): Promise<void>;
}

export interface EventStreaming extends Streaming, EventLogs {
  readonly intake: EventIntake;
}

/**
 * @param stores closed when this is, or when it fails
 * @throws MillraceError INVALID_PROJECT, STORE_FAILED
 */
export async function openEventStreaming(
  stores: EventStores,
  parts: Omit<StreamingParts, 'log' | 'tiles'>,
): Promise<EventStreaming> {
  const { project, clock } = parts;
  const { log, tiles, deadLetters, corrections } = stores;
  try {
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
        await stores.close();
      },
    };
  } catch (error) {
    await stores.close();
    throw error;
  }
}
