/**
 * How the event log lies in its LMDB environment:
 *
 *   events        partition (u16) and offset of the first record (u48), big-endian -> a chunk (log-chunk.ts)
 *   event_ids     bucket (u16) -> a block of ids (id-index.ts)
 *   event_log     `format` -> JSON, what the log was made with; `state` -> where each partition begins and ends
 *   event_schemas the schemas that records were written under, by event type (records/lmdb-schemas.ts)
 *
 * The prediction log lies in databases of its own, likewise: `predictions`, `prediction_ids` and so on.
 *
 * Offsets are dense, and chunks are dropped whole: so the first chunk of a partition has the key of its first offset,
 * and the next one that of this offset plus the number of records. Keys are believed where a chunk says something else:
 * its bytes are damaged then, and no other records may be lost with it.
 */
import type { LmdbDatabase, LmdbEnvironment } from '../lmdb/lmdb-environment.ts';
import { idOfRecord } from './event-codec.ts';
import { chunkTimeMs, splitChunk } from './log-chunk.ts';

export interface LogDatabases {
  readonly chunks: LmdbDatabase<Buffer>;
  readonly ids: LmdbDatabase<Buffer>;
  readonly log: LmdbDatabase<string>;
}

/** One partition. */
export interface PartitionState {
  firstOffset: number;
  nextOffset: number;
  bytes: number;
  /** Of the last chunk; a chunk is never older than the one before, whatever the clock does. */
  appendedMs: number;
  /** Before it, all ids are in the blocks of the index (id-index.ts). */
  indexedFrom: number;
  /** Where the partition ended when the writing of all buckets was begun anew. */
  roundFrom: number;
}

export interface LogState {
  readonly partitions: readonly PartitionState[];
  /** How many buckets of ids were written, ever. */
  flushed: number;
}

const KEY_BYTES = 8;
const OFFSET_BYTES = 6;
const FLUSHED_BYTES = 8;
const STATE_BYTES = 48;

/** Which log of an environment: that of what callers report, or that of what the server answered. */
export type LogKind = 'event' | 'prediction';

/** Undefined in a read-only environment that has no log. */
export function openLogDatabases(environment: LmdbEnvironment, kind: LogKind): LogDatabases | undefined {
  const chunks = environment.byteKeys(`${kind}s`);
  const ids = environment.byteKeys(`${kind}_ids`);
  const log = environment.textKeys(`${kind}_log`);
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

interface FoundChunk {
  readonly firstOffset: number;
  readonly bytes: Buffer;
}

const NO_BYTES = Buffer.alloc(0);

/** The chunk that holds an offset which is in the log; an empty one in its place if it is lost. */
function findChunk({ chunks }: LogDatabases, partition: number, offset: number): FoundChunk {
  const key = chunkKey(partition, offset);
  // Whoever reads on from where a read ended is at the beginning of a chunk.
  const exact = chunks.get(key);
  if (exact !== undefined) return { firstOffset: offset, bytes: exact };
  const range = { start: key, end: partitionKey(partition), reverse: true, limit: 1 };
  const [found] = chunks.range(range);
  if (found === undefined) return { firstOffset: offset, bytes: NO_BYTES };
  return { firstOffset: found.key.readUIntBE(2, OFFSET_BYTES), bytes: found.value };
}

/** Where the chunk that begins at an offset ends, by where the next one begins. */
export function chunkEnd(
  { chunks }: LogDatabases,
  partition: number,
  firstOffset: number,
  nextOffset: number,
): number {
  const [start, end] = [chunkKey(partition, firstOffset + 1), chunkKey(partition, nextOffset)];
  const [next] = chunks.range({ start, end, limit: 1 });
  return next === undefined ? nextOffset : next.key.readUIntBE(2, OFFSET_BYTES);
}

export interface ReadChunk {
  readonly firstOffset: number;
  /** As many as there are offsets; undefined = it cannot be told which bytes are its. */
  readonly records: readonly (Buffer | undefined)[];
}

/** The chunk that holds an offset. `nextOffset` is that of the partition. */
export function readChunk(
  databases: LogDatabases,
  partition: number,
  offset: number,
  nextOffset: number,
): ReadChunk {
  const { firstOffset, bytes } = findChunk(databases, partition, offset);
  const { records, isWhole } = splitChunk(bytes);
  if (isWhole && firstOffset + records.length > offset) return { firstOffset, records };
  const count = chunkEnd(databases, partition, firstOffset, nextOffset) - firstOffset;
  const found = splitChunk(bytes, count).records;
  return { firstOffset, records: Array.from({ length: count }, (_, i) => found[i]) };
}

/** The state as of the view of the data that reads have now. */
export function readState({ log }: LogDatabases, partitionCount: number): LogState {
  const bytes = log.getBinaryFast('state');
  if (bytes === undefined)
    return { partitions: Array.from({ length: partitionCount }, emptyState), flushed: 0 };
  const number = (place: number): number => bytes.readDoubleBE(place * 8);
  const partitions = Array.from({ length: partitionCount }, (_, partition): PartitionState => {
    const place = (FLUSHED_BYTES + partition * STATE_BYTES) / 8;
    return {
      firstOffset: number(place),
      nextOffset: number(place + 1),
      bytes: number(place + 2),
      appendedMs: number(place + 3),
      indexedFrom: number(place + 4),
      roundFrom: number(place + 5),
    };
  });
  return { partitions, flushed: number(0) };
}

function emptyState(): PartitionState {
  return { firstOffset: 0, nextOffset: 0, bytes: 0, appendedMs: -Infinity, indexedFrom: 0, roundFrom: 0 };
}

/** Inside a transaction. */
export function putState({ log }: LogDatabases, { partitions, flushed }: LogState): void {
  const bytes = Buffer.allocUnsafe(FLUSHED_BYTES + partitions.length * STATE_BYTES);
  let at = bytes.writeDoubleBE(flushed, 0);
  for (const of of partitions) {
    const { firstOffset, nextOffset, bytes: size, appendedMs, indexedFrom, roundFrom } = of;
    for (const value of [firstOffset, nextOffset, size, appendedMs, indexedFrom, roundFrom])
      at = bytes.writeDoubleBE(value, at);
  }
  log.put('state', bytes);
}

/** The ids of the events, copies not counted, from an offset up to the end of the partition. */
export function chunkIds(
  databases: LogDatabases,
  partition: number,
  fromOffset: number,
  nextOffset: number,
): { readonly id: string; readonly offset: number }[] {
  const found: { readonly id: string; readonly offset: number }[] = [];
  for (let offset = fromOffset; offset < nextOffset;) {
    const { firstOffset, records } = readChunk(databases, partition, offset, nextOffset);
    for (let i = offset - firstOffset; i < records.length; i++, offset++) {
      const record = records[i];
      const id = record === undefined ? undefined : idOfRecord(record);
      if (id !== undefined) found.push({ id, offset });
    }
  }
  return found;
}

/** The id of the event at an offset that is in the log; undefined for a copy, and for what cannot be read. */
export function recordId(
  databases: LogDatabases,
  partition: number,
  offset: number,
  nextOffset: number,
): string | undefined {
  const { firstOffset, records } = readChunk(databases, partition, offset, nextOffset);
  const record = records[offset - firstOffset];
  return record && idOfRecord(record);
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
    if ((chunkTimeMs(chunk.bytes) ?? -Infinity) < timeMs)
      low = chunkEnd(databases, partition, chunk.firstOffset, nextOffset);
    else high = chunk.firstOffset;
  }
  return Math.max(low, firstOffset);
}

/** When the first record from an offset on was appended; undefined if there is none. */
export function appendedMsOf(
  databases: LogDatabases,
  partition: number,
  { firstOffset, nextOffset }: PartitionState,
  fromOffset: number,
): number | undefined {
  const offset = Math.max(fromOffset, firstOffset);
  if (offset >= nextOffset) return undefined;
  return chunkTimeMs(findChunk(databases, partition, offset).bytes);
}
