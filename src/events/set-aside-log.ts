/**
 * Events that were set aside while the log was applied: dead letters, which could not be applied at all, and
 * corrections, which came too late for what is still counted. Each is a log of its own, from which entries are taken
 * to be tried again (retry-set-aside.ts).
 *
 * They are added in the transaction that moves the applied offset, so that an event is either applied or here. How that
 * is done belongs to the store of what is applied; this is what all stores have in common.
 */
import type { AcceptedEvent } from './event.ts';
import type { EventLog } from './event-log.ts';

export interface SetAsideEntry {
  readonly partition: number;
  readonly offset: number;
  /** A sentence for people. */
  readonly reason: string;
  readonly atMs: number;
  /** The record as it is in the event log. */
  readonly bytes: Buffer;
}

export interface SetAside extends SetAsideEntry {
  /** Names it; of two entries of one partition, the later has the greater number. The first is 1 or more. */
  readonly number: number;
  /** Undefined if the bytes cannot be read, or are of a type that the project does not have. */
  readonly event: AcceptedEvent | undefined;
}

export interface SetAsideLog {
  readonly name: SetAsideName;

  count(): Promise<number>;

  /** Entries from a number on, in order. */
  list(fromNumber: number, limit: number): Promise<readonly SetAside[]>;

  /** The entries of these numbers that are there, in the order asked. */
  get(numbers: readonly number[]): Promise<readonly SetAside[]>;

  /** @returns how many of them were there */
  remove(numbers: readonly number[]): Promise<number>;
}

export type SetAsideName = 'dead_letters' | 'corrections';

/** The event log, and what was set aside of it. */
export interface EventLogs {
  readonly log: EventLog;
  readonly deadLetters: SetAsideLog;
  readonly corrections: SetAsideLog;
}
