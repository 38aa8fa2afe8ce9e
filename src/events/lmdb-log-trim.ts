/**
 * Dropping what the log need not keep. A step is one transaction of at most some records, so that it holds neither the
 * event loop nor the writers for long; who trims goes on until a step finds nothing.
 */
import type { TrimLimits } from './event-log.ts';
import type { LogDatabases, LogState, PartitionState } from './lmdb-log-layout.ts';
import { chunkEnd, chunkKey, putState, readState } from './lmdb-log-layout.ts';
import { chunkTimeMs } from './log-chunk.ts';

/** Dropping a chunk costs the same however many records it has, but not less than 10 us. */
const STEP_RECORDS_MAX = 1000;

interface Head {
  readonly partition: number;
  readonly appendedMs: number;
  readonly count: number;
  readonly bytes: number;
}

/** A chunk that is to be dropped. */
interface Due extends Head {
  readonly key: Buffer;
}

/**
 * Drops the oldest chunks that are due.
 * @param mode `look` drops nothing; `drop` is to be called inside a transaction
 * @returns how many records were dropped, or would be
 */
export function trimStep(
  databases: LogDatabases,
  partitionCount: number,
  limits: TrimLimits,
  mode: 'look' | 'drop',
): number {
  const state = readState(databases, partitionCount);
  const due = dueChunks(databases, state, limits, mode === 'look' ? 1 : STEP_RECORDS_MAX);
  const count = due.reduce((sum, chunk) => sum + chunk.count, 0);
  if (mode === 'look' || count === 0) return count;
  for (const { key } of due) databases.chunks.remove(key);
  putState(databases, state);
  return count;
}

/** Also takes the chunks out of the state. All is read before the first chunk is dropped. */
function dueChunks(
  databases: LogDatabases,
  { partitions }: LogState,
  limits: TrimLimits,
  recordsMax: number,
): Due[] {
  let bytes = partitions.reduce((sum, of) => sum + of.bytes, 0);
  const heads = partitions.map((of, partition) => headOf(databases, partition, of, limits));
  const due: Due[] = [];
  for (let records = 0; records < recordsMax;) {
    const head = oldest(heads);
    if (head === undefined || (head.appendedMs >= limits.appendedBeforeMs && bytes <= limits.bytesMax)) break;
    const of = partitions[head.partition] as PartitionState;
    due.push({ ...head, key: chunkKey(head.partition, of.firstOffset) });
    of.firstOffset += head.count;
    of.bytes -= head.bytes;
    bytes -= head.bytes;
    records += head.count;
    heads[head.partition] = headOf(databases, head.partition, of, limits);
  }
  return due;
}

/** The first chunk of a partition, if it may be dropped at all. */
function headOf(
  databases: LogDatabases,
  partition: number,
  { firstOffset, nextOffset }: PartitionState,
  { keepFrom }: TrimLimits,
): Head | undefined {
  if (firstOffset === nextOffset) return undefined;
  const bytes = databases.chunks.getBinaryFast(chunkKey(partition, firstOffset));
  const appendedMs = (bytes && chunkTimeMs(bytes)) ?? -Infinity;
  const length = bytes?.length ?? 0;
  const end = chunkEnd(databases, partition, firstOffset, nextOffset);
  if (end > (keepFrom?.[partition] ?? Infinity)) return undefined;
  return { partition, appendedMs, count: end - firstOffset, bytes: length };
}

function oldest(heads: readonly (Head | undefined)[]): Head | undefined {
  let found: Head | undefined;
  for (const head of heads)
    if (head !== undefined && (found === undefined || head.appendedMs < found.appendedMs)) found = head;
  return found;
}
