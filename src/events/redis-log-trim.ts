/**
 * Dropping what the log in Redis need not keep: chunks, oldest first, whichever partition has them. In rounds: look at the
 * heads of all partitions, decide, drop. Several servers may trim at once: a partition whose head is not as it was seen
 * drops nothing.
 */
import { WRITE_TIMEOUT_MS, redisFailure } from '../redis/redis-commands.ts';
import type { RedisCommands, RedisScript } from '../redis/redis-commands.ts';
import type { RedisArgument } from '../redis/redis-shard.ts';
import type { TrimLimits } from './event-log.ts';
import { scriptCall } from './redis-log-layout.ts';
import type { LogNames } from './redis-log-layout.ts';
import { STEP_RECORDS_MAX, dropScript, headScript } from './redis-log-scripts.ts';

interface Chunk {
  readonly firstOffset: number;
  readonly count: number;
  readonly appendedMs: number;
  readonly bytes: number;
}

/** The beginning of a partition. */
interface Head {
  readonly partition: number;
  readonly firstOffset: number;
  readonly nextOffset: number;
  readonly bytes: number;
  /** Its oldest ones; none if somebody has emptied the stream. */
  readonly chunks: readonly Chunk[];
}

interface Drop {
  readonly partition: number;
  readonly firstOffset: number;
  toOffset: number;
}

export interface RedisTrimParts {
  readonly commands: RedisCommands;
  readonly names: LogNames;
  readonly partitionCount: number;
}

/**
 * @returns how many records were dropped
 * @throws MillraceError STORE_FAILED
 */
export async function trimRedisLog(parts: RedisTrimParts, limits: TrimLimits): Promise<number> {
  let dropped = 0;
  // Mostly there is nothing to do, which the first chunks tell.
  for (let recordsMax = 1; ; recordsMax = STEP_RECORDS_MAX) {
    const drops = dueDrops(await readHeads(parts, recordsMax), limits);
    if (drops.length === 0) return dropped;
    if (recordsMax === 1) continue;
    const counts = await runEach(
      parts,
      dropScript,
      drops.map(({ partition, firstOffset, toOffset }) => [partition, [firstOffset, toOffset]]),
    );
    dropped += counts.reduce<number>((sum, count) => sum + Number(count), 0);
  }
}

async function readHeads(parts: RedisTrimParts, recordsMax: number): Promise<Head[]> {
  const partitions = Array.from({ length: parts.partitionCount }, (_, partition) => partition);
  const replies = await runEach(
    parts,
    headScript,
    partitions.map((partition) => [partition, [recordsMax]]),
  );
  return replies.map((reply, partition) => {
    const [firstOffset = 0, nextOffset = 0, bytes = 0, ...rest] = (reply as readonly unknown[]).map(Number);
    const chunks: Chunk[] = [];
    for (let i = 0; i + 3 < rest.length; i += 4) {
      const [first = 0, count = 0, appendedMs = 0, size = 0] = rest.slice(i, i + 4);
      chunks.push({ firstOffset: first, count, appendedMs, bytes: size });
    }
    return { partition, firstOffset, nextOffset, bytes, chunks };
  });
}

async function runEach(
  { commands, names }: RedisTrimParts,
  script: RedisScript,
  calls: readonly (readonly [partition: number, args: readonly RedisArgument[]])[],
): Promise<unknown[]> {
  const scripts = calls.map(([partition, args]) => scriptCall(names, partition, args));
  const replies = await commands.runEach(script, scripts, WRITE_TIMEOUT_MS);
  const failed = replies.find((reply) => reply instanceof Error);
  if (failed !== undefined) throw redisFailure(failed);
  return replies;
}

/** Oldest first, for as long as it is known which one that is. */
function dueDrops(heads: readonly Head[], { appendedBeforeMs, bytesMax, keepFrom }: TrimLimits): Drop[] {
  let bytes = heads.reduce((sum, head) => (head.chunks.length === 0 ? sum : sum + head.bytes), 0);
  const drops = new Map<number, Drop>();
  const places = heads.map(() => 0);
  const next = ({ partition, chunks }: Head): Chunk | undefined => {
    const chunk = chunks[places[partition] as number];
    const isKept =
      chunk !== undefined && chunk.firstOffset + chunk.count > (keepFrom?.[partition] ?? Infinity);
    return isKept ? undefined : chunk;
  };
  for (;;) {
    const oldest = heads.reduce<Head | undefined>((found, head) => {
      const appendedMs = next(head)?.appendedMs ?? Infinity;
      return appendedMs < ((found && next(found)?.appendedMs) ?? Infinity) ? head : found;
    }, undefined);
    const chunk = oldest && next(oldest);
    if (oldest === undefined || chunk === undefined) break;
    if (chunk.appendedMs >= appendedBeforeMs && bytes <= bytesMax) break;
    const { partition, firstOffset, nextOffset, chunks } = oldest;
    const toOffset = chunk.firstOffset + chunk.count;
    drops.set(partition, { partition, firstOffset, toOffset });
    bytes -= chunk.bytes;
    const place = (places[partition] as number) + 1;
    places[partition] = place;
    // What follows was not looked at, and may be the oldest.
    if (place === chunks.length && toOffset < nextOffset) break;
  }
  // The state of an emptied stream is put right.
  for (const { partition, firstOffset, nextOffset, chunks } of heads)
    if (chunks.length === 0 && firstOffset < nextOffset)
      drops.set(partition, { partition, firstOffset, toOffset: nextOffset });
  return [...drops.values()];
}
