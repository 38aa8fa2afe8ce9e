/**
 * The way of events from a body to the log: decoded, placed, appended, and an outcome for each. What was accepted is
 * durable when the outcomes are there.
 */
import type { Clock } from '../clock.ts';
import { MillraceError } from '../errors.ts';
import type { EventDecoder, Rejection } from './decode-event.ts';
import { EventRejected } from './decode-event.ts';
import { decodeEventValues, decodeEvents } from './decode-events.ts';
import type { DecodedEvents, EventsFormat } from './decode-events.ts';
import type { AcceptedEvent } from './event.ts';
import type { EventLog, EventWrite } from './event-log.ts';

/** `duplicate` = the log has an event of this id already. */
export type EventOutcome =
  | { readonly status: 'accepted' | 'duplicate'; readonly id: string }
  | ({ readonly status: 'rejected' } & Rejection);

export interface IntakeParts {
  readonly decode: EventDecoder;
  /** Most events of one call. */
  readonly eventsMax: number;
  readonly log: EventLog;
  /** Where an event goes: at least one partition, no one twice. */
  readonly partitionsOf: (event: AcceptedEvent) => readonly number[];
  readonly clock: Clock;
}

export interface EventIntake {
  /**
   * @param body decompressed
   * @returns one outcome per event, in the order of the body
   * @throws MillraceError TOO_MANY_EVENTS, OVERLOADED, STORE_FAILED, and what is wrong with a body that is JSON
   */
  take(body: Buffer, format: EventsFormat): Promise<readonly EventOutcome[]>;

  /**
   * The same for what is parsed already. It is decoded before this returns.
   * @param input one event or an array of them, out of JSON or of what says the same
   * @throws MillraceError TOO_MANY_EVENTS, OVERLOADED, STORE_FAILED
   */
  takeValue(input: unknown): Promise<readonly EventOutcome[]>;
}

export function createEventIntake({ decode, eventsMax, log, partitionsOf, clock }: IntakeParts): EventIntake {
  async function append(decoded: DecodedEvents): Promise<EventOutcome[]> {
    const placed = decoded.map((event) =>
      event instanceof EventRejected ? event : placeEvent(event, partitionsOf),
    );
    const appended = await log.append(
      placed.filter((write): write is EventWrite => !(write instanceof EventRejected)),
    );
    let next = 0;
    return placed.map((write): EventOutcome => {
      if (write instanceof EventRejected) return { status: 'rejected', ...write.rejection };
      return { status: appended[next++] === 'appended' ? 'accepted' : 'duplicate', id: write.event.id };
    });
  }

  return {
    take: async (body, format) => append(decodeEvents(body, format, decode, clock.nowMs(), eventsMax)),
    takeValue: async (input) => append(decodeEventValues(input, decode, clock.nowMs(), eventsMax)),
  };
}

/** An event whose key no store keeps is refused alone, as one that does not fit its type. */
function placeEvent(
  event: AcceptedEvent,
  partitionsOf: IntakeParts['partitionsOf'],
): EventWrite | EventRejected {
  try {
    return { event, partitions: partitionsOf(event) };
  } catch (error) {
    if (!(error instanceof MillraceError) || error.code !== 'KEY_TOO_LONG') throw error;
    return new EventRejected(error.code, 'fields', error.message);
  }
}
