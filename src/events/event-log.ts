/**
 * The event log: what was accepted, in the order in which it was, kept for a while. One interface, several drivers, one
 * contract suite (test/contract/event-log.ts) that all pass.
 *
 * A log has partitions. In each, records have offsets: whole numbers that grow by one or more from 0. Whatever is
 * computed from events keeps, with its result, the offset up to which it has read.
 *
 * An event that several computations want in different partitions is appended to each; all but the first are copies.
 * An id that is in the log is not appended again: ids live as long as the records of their events. A log whose partitions
 * may be on different servers (Redis) looks for an id in the partitions that its event is sent to, and in no others.
 *
 * What a driver for another log does:
 *   Kafka     a topic of `partitionCount` partitions; offsets are Kafka's own (they may have gaps). `append` is an
 *             idempotent producer with acks=all. Kafka knows nothing of ids, and whoever applies events takes each
 *             record for a new one: so the driver keeps the ids of `retention` in a compacted topic, and a read passes
 *             over a record whose id stands further ahead in its partition. `trim` is retention.ms and
 *             retention.bytes of the topic, and does nothing. `offsetAt` is offsetsForTimes, `appendedAt` the timestamp of
 *             a record.
 *   Kinesis   shards are partitions, fixed by one hash key range each. Its sequence numbers do not fit into a number,
 *             so the driver numbers the records itself: the place in a block, and the block's sequence number in a
 *             table beside. `offsetAt` is an AT_TIMESTAMP iterator, `appendedAt` the arrival timestamp of a record; `trim`
 *             is the retention period of the stream.
 */
import type { AcceptedEvent } from './event.ts';

export interface EventWrite {
  readonly event: AcceptedEvent;
  /** At least one, no one twice. The first holds the event; the others hold copies. */
  readonly partitions: readonly number[];
}

/** `duplicate` = its id is in the log already, or further ahead in the same call. */
export type AppendOutcome = 'appended' | 'duplicate';

export interface LogRecord {
  readonly offset: number;
  readonly isCopy: boolean;
  /** With the values of its type as the type is today. Undefined where there is a problem. */
  readonly event: AcceptedEvent | undefined;
  /** Why the record cannot be read: it is damaged, or of a type that the project does not have. */
  readonly problem: string | undefined;
  /** As stored: what is set aside is kept as it is. */
  readonly bytes: Buffer;
}

export interface LogRead {
  /** In order. */
  readonly records: readonly LogRecord[];
  /** Where to read on. */
  readonly nextOffset: number;
}

export interface ReadLimits {
  readonly recordsMax: number;
  /** About; one record is read however large it is. */
  readonly bytesMax: number;
}

/** What may be dropped. A record goes when one of both holds, oldest first. */
export interface TrimLimits {
  readonly appendedBeforeMs: number;
  /** Of all partitions together. */
  readonly bytesMax: number;
  /** By partition: nothing at this offset or behind it is dropped, for it has not been applied yet. */
  readonly keepFrom?: readonly number[];
}

export interface PartitionSize {
  /** Of the oldest record that is there; `nextOffset` if there is none. */
  readonly firstOffset: number;
  /** That the next record will have. */
  readonly nextOffset: number;
  readonly bytes: number;
}

export interface EventLog {
  readonly partitionCount: number;

  /**
   * Appends events, in order, and resolves when they are durable. Of a call that fails with STORE_FAILED none are
   * appended (LMDB), or in each partition a beginning of its records (Redis); sending it again with the same ids
   * completes it.
   * @throws MillraceError STORE_FAILED; OVERLOADED if too much waits to be written: then none are
   */
  append(writes: readonly EventWrite[]): Promise<AppendOutcome[]>;

  /**
   * Records from an offset on. One that has been dropped meanwhile is passed over.
   * @throws MillraceError STORE_FAILED
   */
  read(partition: number, fromOffset: number, limits: ReadLimits): Promise<LogRead>;

  /** By partition, as they are now, whichever process wrote them. */
  sizes(): Promise<readonly PartitionSize[]>;

  /** The offset of the first record that was appended at this time or later; `nextOffset` if there is none. */
  offsetAt(partition: number, timeMs: number): Promise<number>;

  /** When the first record that is there from an offset on was appended; undefined if there is none. */
  appendedAt(partition: number, fromOffset: number): Promise<number | undefined>;

  /**
   * Drops old records, and the ids of their events.
   * @returns how many records were dropped
   */
  trim(limits: TrimLimits): Promise<number>;

  /**
   * Calls the listener when this process has appended to partitions. What others append is seen by asking `sizes`.
   * @returns a function that ends it
   */
  onAppend(listener: (partitions: ReadonlySet<number>) => void): () => void;

  /** Waits for what is being written. */
  close(): Promise<void>;
}
