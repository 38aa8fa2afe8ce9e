/** An event that was accepted: checked against its type, with an id and its times, ready for the log. */
import type { EventType } from '../project/project.ts';
import type { Value } from '../project/value.ts';

export interface AcceptedEvent {
  /** The client's, or a generated one. Two events with one id are the same event. */
  readonly id: string;
  readonly type: EventType;
  /** When it happened. */
  readonly timeMs: number;
  /** When it reached the server. */
  readonly receivedMs: number;
  /** One per field of the type, in its order; null = missing. */
  readonly values: readonly Value[];
}

/** Most UTF-8 bytes of an id. */
export const EVENT_ID_BYTES_MAX = 512;
