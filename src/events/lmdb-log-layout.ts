/**
 * How the event log lies in its LMDB environment:
 *
 *   events        partition (u16) and offset of the first record (u48), big-endian -> a chunk (log-chunk.ts)
 *   event_ids     id -> nothing; every id whose event is in `events`
 *   event_log     `format` -> JSON, what the log was made with; `state` -> where each partition begins and ends
 *   event_schemas the schemas that records were written under, by event type (records/lmdb-schemas.ts)
 *
 * Offsets are dense, and chunks are dropped whole: so the first chunk of a partition has the key of its first offset,
 * and the next one that of this offset plus the number of records.
 */
import type { LmdbDatabase, LmdbEnvironment } from '../lmdb/lmdb-environment.ts';
import { chunkHeader } from './log-chunk.ts';

export interface LogDatabases {
  readonly chunks: LmdbDatabase<Buffer>;
  readonly ids: LmdbDatabase<string>;
  readonly log: LmdbDatabase<string>;
}

/** One partition. */
export interface PartitionState {
  firstOffset: number;
  nextOffset: number;
  bytes: number;
  /** Of the last chunk; a chunk is never older than the one before, whatever the clock does. */
  appendedMs: number;
}

const KEY_BYTES = 8;
const OFFSET_BYTES = 6;
const STATE_BYTES = 32;

/** Undefined in a read-only environment that has no log. */
export function openLogDatabases(environment: LmdbEnvironment): LogDatabases | undefined {
  const chunks = environment.byteKeys('events');
  const ids = environment.textKeys('event_ids');
  const log = environment.textKeys('event_log');
  return chunks && ids && log && { chunks, ids, log };
}

export function chunkKey(partition: number, offset: number): Buffer {
  const key = Buffer.allocUnsafe(KEY_BYTES);
  key.writeUIntBE(offset, key.writeUInt16BE(partition, 0), OFFSET_BYTES);
  return key;
}

/** In front of all chunks of a partition: a key sorts behind each of its own beginnings. */
function partitionKey(partition: number): Buffer {
  const key = Buffer.allocUnsafe(2);
  key.writeUInt16BE(partition, 0);
  return key;
}

export interface FoundChunk {
  readonly firstOffset: number;
  readonly bytes: Buffer;
}

/** The chunk that holds an offset which is in the log. */
export function findChunk(
  { chunks }: LogDatabases,
  partition: number,
  offset: number,
): FoundChunk | undefined {
  const key = chunkKey(partition, offset);
  // Whoever reads on from where a read ended is at the beginning of a chunk.
  const exact = chunks.get(key);
  if (exact !== undefined) return { firstOffset: offset, bytes: exact };
  const range = { start: key, end: partitionKey(partition), reverse: true, limit: 1 };
  const [found] = chunks.range(range);
  return found && { firstOffset: found.key.readUIntBE(2, OFFSET_BYTES), bytes: found.value };
}

/** The state of each partition, as of the view of the data that reads have now. */
export function readState({ log }: LogDatabases, partitionCount: number): PartitionState[] {
  const bytes = log.getBinaryFast('state');
  return Array.from({ length: partitionCount }, (_, partition) => {
    const at = partition * STATE_BYTES;
    if (bytes === undefined) return { firstOffset: 0, nextOffset: 0, bytes: 0, appendedMs: -Infinity };
    return {
      firstOffset: bytes.readDoubleBE(at),
      nextOffset: bytes.readDoubleBE(at + 8),
      bytes: bytes.readDoubleBE(at + 16),
      appendedMs: bytes.readDoubleBE(at + 24),
    };
  });
}

/** Inside a transaction. */
export function putState({ log }: LogDatabases, state: readonly PartitionState[]): void {
  const bytes = Buffer.allocUnsafe(state.length * STATE_BYTES);
  let at = 0;
  for (const { firstOffset, nextOffset, bytes: size, appendedMs } of state)
    for (const value of [firstOffset, nextOffset, size, appendedMs]) at = bytes.writeDoubleBE(value, at);
  log.put('state', bytes);
}

/** The first offset whose record was appended at a time or later. */
export function searchOffset(
  databases: LogDatabases,
  partition: number,
  { firstOffset, nextOffset }: PartitionState,
  timeMs: number,
): number {
  let low = firstOffset;
  let high = nextOffset;
  while (low < high) {
    const chunk = findChunk(databases, partition, Math.floor((low + high) / 2));
    if (chunk === undefined) throw new Error(`chunk of offset ${low} in partition ${partition} is missing`);
    const { appendedMs, count } = chunkHeader(chunk.bytes);
    if (appendedMs < timeMs) low = chunk.firstOffset + count;
    else high = chunk.firstOffset;
  }
  return Math.max(low, firstOffset);
}
