/** Between events and the bytes of their records: what every driver of the event log does in the same way. */
import { UnknownSchemaError } from './event-codec.ts';
import type { EventCodec } from './event-codec.ts';
import type { EventWrite, LogRecord } from './event-log.ts';
import type { GroupLimits } from './group-commit.ts';

/** An event with its bytes, for each of its partitions. */
export interface PackedWrite {
  readonly id: string;
  readonly partitions: readonly number[];
  readonly original: Buffer;
  /** Undefined if there is one partition. */
  readonly copy: Buffer | undefined;
}

export const logLimits: GroupLimits = {
  groupItemsMax: 4096,
  groupBytesMax: 16 * 1024 ** 2,
  waitingItemsMax: 50_000,
  waitingBytesMax: 64 * 1024 ** 2,
};

export function packWrite(
  codec: EventCodec,
  partitionCount: number,
  { event, partitions }: EventWrite,
): PackedWrite {
  if (partitions.length === 0 || new Set(partitions).size !== partitions.length)
    throw new Error(`an event needs one partition or several different ones, got ${String(partitions)}`);
  for (const partition of partitions) checkPartition(partition, partitionCount);
  const copy = partitions.length > 1 ? codec.encode(event, true) : undefined;
  return { id: event.id, partitions, original: codec.encode(event, false), copy };
}

export function checkPartition(partition: number, partitionCount: number): void {
  if (Number.isInteger(partition) && partition >= 0 && partition < partitionCount) return;
  throw new Error(`there is no partition ${partition} of ${partitionCount}`);
}

/**
 * @param bytes undefined = what says where it ends is damaged
 * @param unknownSchema whether a record of one is given as one that cannot be read
 * @throws UnknownSchemaError
 */
export function decodeRecord(
  codec: EventCodec,
  offset: number,
  bytes: Buffer | undefined,
  unknownSchema: 'problem' | 'throw' = 'problem',
): LogRecord {
  const unreadable = (problem: string): LogRecord => ({
    offset,
    isCopy: false,
    event: undefined,
    problem,
    bytes: bytes ?? Buffer.alloc(0),
  });
  if (bytes === undefined) return unreadable('the record is cut off');
  try {
    return { offset, ...codec.decode(bytes), problem: undefined, bytes };
  } catch (error) {
    if (unknownSchema === 'throw' && error instanceof UnknownSchemaError) throw error;
    return unreadable(error instanceof Error ? error.message : String(error));
  }
}
