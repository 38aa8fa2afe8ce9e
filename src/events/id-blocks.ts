/**
 * The ids of the event log that are on the disk: one block per bucket, entries sorted by hash, 12 bytes each: `u32 hash |
 * u64 place`, big-endian. An entry says where to look, no more (id-index.ts). As many blocks as memory is given for are
 * kept in it; ids hit all blocks alike, so it matters little which.
 */
import type { LogDatabases, LogState } from './lmdb-log-layout.ts';

/** By the lower half of the hash; the upper one sorts inside of a block. */
export const ID_BUCKETS = 1024;

/**
 * Where a record is, as one number, because there are a great many of them in memory: offset * 2^8 + partition.
 * Offsets stay exact up to 2^45, which a million events a second reach in a year.
 */
export type Place = number;

export interface IdEntry {
  readonly hash: number;
  readonly place: Place;
}

export interface IdBlocks {
  /** Where records with this hash may be; undefined, which is usual, if there are none. */
  find(bucket: number, hash: number): Place[] | undefined;
  /** Adds entries that are sorted by hash, and takes out those whose records have been dropped. Inside a transaction. */
  merge(bucket: number, entries: readonly IdEntry[], state: LogState): void;
  /** Another process has written it. */
  forget(bucket: number): void;
  /** Nobody knows which are true. */
  forgetAll(): void;
}

const ENTRY_BYTES = 12;
const KEPT_BYTES_MAX = 64 * 1024 ** 2;
const WORD = 2 ** 32;
/** At least the most partitions that a project may have. */
const PARTITION_SPAN = 256;

export function placeOf(partition: number, offset: number): Place {
  return offset * PARTITION_SPAN + partition;
}

export function partitionAt(place: Place): number {
  return place % PARTITION_SPAN;
}

export function offsetOf(place: Place): number {
  return Math.floor(place / PARTITION_SPAN);
}

/** Whether the record has not been dropped. */
export function isThere(place: Place, { partitions }: LogState): boolean {
  const of = partitions[partitionAt(place)];
  return of !== undefined && offsetOf(place) >= of.firstOffset;
}

export function createIdBlocks({ ids }: LogDatabases): IdBlocks {
  const kept = new Array<Buffer | undefined>(ID_BUCKETS).fill(undefined);
  let keptBytes = 0;

  function keep(bucket: number, block: Buffer | undefined): void {
    keptBytes -= kept[bucket]?.length ?? 0;
    kept[bucket] = block !== undefined && keptBytes + block.length <= KEPT_BYTES_MAX ? block : undefined;
    keptBytes += kept[bucket]?.length ?? 0;
  }

  function get(bucket: number): Buffer | undefined {
    const known = kept[bucket];
    if (known !== undefined) return known;
    const block = ids.get(bucketKey(bucket));
    keep(bucket, block);
    return block;
  }

  return {
    find: (bucket, hash) => placesOf(get(bucket), hash),
    merge(bucket, entries, state) {
      const block = mergeBlock(get(bucket), entries, state);
      ids.put(bucketKey(bucket), block);
      keep(bucket, block);
    },
    forget: (bucket) => keep(bucket, undefined),
    forgetAll() {
      kept.fill(undefined);
      keptBytes = 0;
    },
  };
}

function bucketKey(bucket: number): Buffer {
  const key = Buffer.allocUnsafe(2);
  key.writeUInt16BE(bucket, 0);
  return key;
}

function placesOf(block: Buffer | undefined, hash: number): Place[] | undefined {
  if (block === undefined) return undefined;
  let low = 0;
  let end = block.length / ENTRY_BYTES;
  while (low < end) {
    const middle = (low + end) >>> 1;
    if (block.readUInt32BE(middle * ENTRY_BYTES) < hash) low = middle + 1;
    else end = middle;
  }
  let places: Place[] | undefined;
  for (let at = low * ENTRY_BYTES; at < block.length && block.readUInt32BE(at) === hash; at += ENTRY_BYTES)
    (places ??= []).push(placeAt(block, at));
  return places;
}

function placeAt(block: Buffer, at: number): Place {
  return block.readUInt32BE(at + 4) * WORD + block.readUInt32BE(at + 8);
}

/** The entries of a block that are still there, with others between them, by hash. */
function mergeBlock(block: Buffer | undefined, entries: readonly IdEntry[], state: LogState): Buffer {
  const oldBytes = block?.length ?? 0;
  const merged = Buffer.allocUnsafeSlow(oldBytes + entries.length * ENTRY_BYTES);
  let to = 0;
  let next = 0;
  for (let at = 0; block !== undefined && at < oldBytes; at += ENTRY_BYTES) {
    const place = placeAt(block, at);
    if (!isThere(place, state)) continue;
    const hash = block.readUInt32BE(at);
    for (let entry = entries[next]; entry !== undefined && entry.hash < hash; entry = entries[++next])
      to = writeEntry(merged, to, entry.hash, entry.place);
    to = writeEntry(merged, to, hash, place);
  }
  for (const { hash, place } of entries.slice(next)) to = writeEntry(merged, to, hash, place);
  return merged.subarray(0, to);
}

function writeEntry(block: Buffer, at: number, hash: number, place: Place): number {
  const high = Math.floor(place / WORD);
  return block.writeUInt32BE(place - high * WORD, block.writeUInt32BE(high, block.writeUInt32BE(hash, at)));
}
