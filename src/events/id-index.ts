/**
 * Which ids are in the log: needed for each event that is appended, and by far the most expensive part of it if every
 * id has its place in a tree: ids of clients are random, so each would change a page of its own, 4 KB on the disk for
 * an event of 100 bytes. Hence:
 *
 * - The *tail*, the latest ids, are in memory, by bucket of their hash. They are also in the records of the log, so
 *   nothing of it is written; a process that starts, or finds that others have appended, reads them from there.
 * - Older ids are in *blocks*, one per bucket (id-blocks.ts). With every append some buckets, in turn, are written: what
 *   the tail has of a bucket goes into its block, and entries whose records have been dropped go out. So a block takes
 *   many ids at once.
 *
 * An entry only says where to look: an id is in the log if the record at that place is there and has this id. So
 * dropping records costs nothing here.
 *
 * Several processes: `state` says how many buckets were written since the beginning (`flushed`), and from which offsets
 * on records may be missing in blocks (`indexedFrom`). A tail may hold more than is missing, never less.
 *
 * Cost: with N ids in the log and T in the tail each id is written N / T times, 12 bytes each. T is N / 64 within
 * limits, about 100 bytes of memory each.
 */
import { ID_BUCKETS, createIdBlocks, isThere, offsetOf, partitionAt, placeOf } from './id-blocks.ts';
import type { IdEntry, Place } from './id-blocks.ts';
import { hashId } from './id-hash.ts';
import type { LogDatabases, LogState } from './lmdb-log-layout.ts';
import { chunkIds, recordId } from './lmdb-log-layout.ts';

export interface IdIndex {
  /** Learns what other processes have appended. All calls are to be made inside a transaction, this one first. */
  catchUp(state: LogState): void;
  has(id: string, state: LogState): boolean;
  add(id: string, partition: number, offset: number): void;
  /** Writes the buckets that are due after so many new ids, and says so in `state`. */
  flush(newIds: number, state: LogState): void;
  /** Forgets what it knows: a transaction has failed, and nobody can say which part of it is true. */
  reset(): void;
}

const TAIL_SHARE = 64;
const TAIL_MAX = 524_288;

/** @param tailMin ids that are in memory at least before they are written */
export function createIdIndex(databases: LogDatabases, tailMin: number): IdIndex {
  const blocks = createIdBlocks(databases);
  const tail = createTail(databases, (bucket) => blocks.forget(bucket));
  /** Part of a bucket that is due. */
  let owed = 0;

  function flushBucket(bucket: number, state: LogState): void {
    const entries: IdEntry[] = [];
    for (const [id, place] of tail.idsOf(bucket))
      if (isThere(place, state)) entries.push({ hash: hashId(id).high, place });
    if (entries.length > 0)
      blocks.merge(
        bucket,
        entries.sort((a, b) => a.hash - b.hash),
        state,
      );
    tail.idsOf(bucket).clear();
  }

  return {
    catchUp: (state) => tail.catchUp(state),

    has(id, state) {
      const { high, low } = hashId(id);
      const bucket = low % ID_BUCKETS;
      const place = tail.idsOf(bucket).get(id);
      if (place !== undefined) return isThere(place, state);
      const places = blocks.find(bucket, high);
      return (
        places !== undefined &&
        places.some((each) => isThere(each, state) && idAt(databases, each, state) === id)
      );
    },

    add: (id, partition, offset) => tail.add(id, partition, offset),

    flush(newIds, state) {
      const total = state.partitions.reduce((sum, of) => sum + of.nextOffset - of.firstOffset, 0);
      const tailIds = Math.max(tailMin, Math.min(TAIL_MAX, total / TAIL_SHARE));
      owed += (newIds * ID_BUCKETS) / tailIds;
      for (; owed >= 1; owed--) {
        flushBucket(state.flushed % ID_BUCKETS, state);
        state.flushed++;
        if (state.flushed % ID_BUCKETS === 0) finishRound(state);
      }
      tail.keepUp(state);
    },

    reset() {
      tail.reset();
      blocks.forgetAll();
      owed = 0;
    },
  };
}

interface Tail {
  catchUp(state: LogState): void;
  add(id: string, partition: number, offset: number): void;
  idsOf(bucket: number): Map<string, Place>;
  /** All that `state` says has been done by this process, so there is nothing to catch up with. */
  keepUp(state: LogState): void;
  reset(): void;
}

/** @param onFlushed called for each bucket that another process has written */
function createTail(databases: LogDatabases, onFlushed: (bucket: number) => void): Tail {
  const tail = Array.from({ length: ID_BUCKETS }, () => new Map<string, Place>());
  /** Up to where the tail knows the log, by partition; undefined = nothing yet. */
  let known: number[] | undefined;
  let knownFlushed = 0;

  const idsOf = (bucket: number): Map<string, Place> => tail[bucket] as Map<string, Place>;
  const put = (id: string, place: Place): void => void idsOf(hashId(id).low % ID_BUCKETS).set(id, place);

  function forgetFlushed(flushed: number): void {
    const count = Math.min(flushed - knownFlushed, ID_BUCKETS);
    for (let i = 1; i <= count; i++) {
      const bucket = (flushed - i) % ID_BUCKETS;
      idsOf(bucket).clear();
      onFlushed(bucket);
    }
    knownFlushed = flushed;
  }

  return {
    idsOf,

    catchUp(state) {
      // First what is written by now is forgotten: that was in the tail before what is read next.
      if (known === undefined) knownFlushed = state.flushed;
      else forgetFlushed(state.flushed);
      known ??= state.partitions.map(() => 0);
      for (const [partition, { firstOffset, nextOffset, indexedFrom }] of state.partitions.entries()) {
        const from = Math.max(known[partition] ?? 0, indexedFrom, firstOffset);
        if (from < nextOffset)
          for (const { id, offset } of chunkIds(databases, partition, from, nextOffset))
            put(id, placeOf(partition, offset));
        known[partition] = nextOffset;
      }
    },

    add: (id, partition, offset) => put(id, placeOf(partition, offset)),

    keepUp({ partitions, flushed }) {
      known = partitions.map(({ nextOffset }) => nextOffset);
      knownFlushed = flushed;
    },

    reset() {
      for (const ids of tail) ids.clear();
      known = undefined;
    },
  };
}

/** Every bucket has been written since the round began: what was there then is in the blocks. */
function finishRound(state: LogState): void {
  for (const of of state.partitions) {
    of.indexedFrom = of.roundFrom;
    of.roundFrom = of.nextOffset;
  }
}

function idAt(databases: LogDatabases, place: Place, { partitions }: LogState): string | undefined {
  const partition = partitionAt(place);
  return recordId(databases, partition, offsetOf(place), partitions[partition]?.nextOffset ?? 0);
}
