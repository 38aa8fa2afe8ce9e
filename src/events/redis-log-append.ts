/**
 * Appending to Redis: the events of some calls become chunks, one script call each. Every partition looks by itself
 * which ids it knows, also those of copies. So a call that broke off between two partitions is completed by sending it
 * again: the partitions that have its records leave them out, and the others append them.
 *
 * A partition gets one script call after the other, and none after one that failed: what is in the log of a call is a
 * beginning of its records in each partition, whatever fails or is redirected.
 */
import { MillraceError } from '../errors.ts';
import { WRITE_TIMEOUT_MS, redisFailure } from '../redis/redis-commands.ts';
import type { RedisCommands } from '../redis/redis-commands.ts';
import type { AppendOutcome } from './event-log.ts';
import { chunksOf, packChunk } from './log-chunk.ts';
import type { PackedWrite } from './log-records.ts';
import { scriptCall } from './redis-log-layout.ts';
import type { LogNames } from './redis-log-layout.ts';
import { STEP_RECORDS_MAX, appendScript } from './redis-log-scripts.ts';

export interface RedisAppendParts {
  readonly commands: RedisCommands;
  readonly names: LogNames;
  readonly nowMs: number;
}

export interface RedisAppended {
  /** Of each call: what became of its events, or why it failed. */
  readonly results: readonly (AppendOutcome[] | MillraceError)[];
  /** Partitions that have grown. */
  readonly touched: ReadonlySet<number>;
  /** A partition had no state: it gets its first records, or Redis has lost what it had. */
  readonly isNew: boolean;
}

const chunkLimits = { recordsMax: STEP_RECORDS_MAX, bytesMax: 131_072 };

/** A record, and what it is of. */
interface Item {
  readonly id: string;
  readonly bytes: Buffer;
  readonly length: number;
  /** The places of the call and of the event in it. */
  readonly call: number;
  readonly event: number;
  /** The outcome of an event is that of its first partition. */
  readonly isFirst: boolean;
}

interface Queue {
  readonly partition: number;
  readonly chunks: readonly (readonly Item[])[];
}

/** Never rejects. */
export async function appendToRedis(
  { commands, names, nowMs }: RedisAppendParts,
  calls: readonly (readonly PackedWrite[])[],
): Promise<RedisAppended> {
  const outcomes: AppendOutcome[][] = [];
  const failures: (MillraceError | undefined)[] = [];
  const touched = new Set<number>();
  let isNew = false;
  let queues = queuesOf(calls, outcomes);
  for (let round = 0; queues.length > 0; round++) {
    const scripts = queues.map(({ partition, chunks }) =>
      scriptCall(names, partition, argumentsOf(nowMs, chunks[round] as readonly Item[])),
    );
    const replies = await commands.runEach(appendScript, scripts, WRITE_TIMEOUT_MS);
    queues = queues.filter(({ partition, chunks }, i) => {
      const reply = replies[i];
      if (reply instanceof Error) {
        const failure = appendFailure(reply, names, partition);
        for (const { call } of chunks.slice(round).flat()) failures[call] ??= failure;
        return false;
      }
      const items = chunks[round] as readonly Item[];
      const [wasNew, ...doubles] = reply as readonly [number, ...number[]];
      if (wasNew === 1) isNew = true;
      if (doubles.length < items.length) touched.add(partition);
      for (const place of doubles) {
        const { call, event, isFirst } = items[place] as Item;
        if (isFirst) (outcomes[call] as AppendOutcome[])[event] = 'duplicate';
      }
      return chunks.length > round + 1;
    });
  }
  return { results: outcomes.map((of, call) => failures[call] ?? of), touched, isNew };
}

/** @param outcomes gets what is known without asking: an id that stands twice in a call */
function queuesOf(calls: readonly (readonly PackedWrite[])[], outcomes: AppendOutcome[][]): Queue[] {
  const itemsOf = new Map<number, Item[]>();
  calls.forEach((writes, call) => {
    const seen = new Set<string>();
    const of = writes.map(({ id, partitions, original, copy }, event): AppendOutcome => {
      if (seen.has(id)) return 'duplicate';
      seen.add(id);
      partitions.forEach((partition, place) => {
        const bytes = place === 0 ? original : (copy as Buffer);
        const item = { id, bytes, length: bytes.length, call, event, isFirst: place === 0 };
        const items = itemsOf.get(partition);
        if (items === undefined) itemsOf.set(partition, [item]);
        else items.push(item);
      });
      return 'appended';
    });
    outcomes.push(of);
  });
  return Array.from(itemsOf, ([partition, items]) => ({ partition, chunks: chunksOf(items, chunkLimits) }));
}

function argumentsOf(nowMs: number, items: readonly Item[]): (string | number | Buffer)[] {
  const chunk = packChunk(
    nowMs,
    items.map(({ bytes }) => bytes),
  );
  return [nowMs, chunk, ...items.map(({ id }) => id)];
}

function appendFailure(cause: Error, names: LogNames, partition: number): MillraceError {
  const { message } = redisFailure(cause);
  const keys = `${names.stream(partition)} ${names.ids(partition)} ${names.state(partition)} ${names.applied(partition)}`;
  const fix = cause.message.includes('equal or smaller than the target stream top item')
    ? ` The stream and what lies beside it do not fit together. If its events are not needed, type: DEL ${keys}`
    : '';
  const sentence = `${message}${fix} Some of the events may be in the log; send them again with the same ids.`;
  return new MillraceError('STORE_FAILED', sentence, { cause });
}
