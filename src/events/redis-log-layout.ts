/**
 * How the event log lies in Redis. What belongs to partition N is under names with the hash tag `{pN}`, so that in a
 * cluster it is on one server, and one script can change it in one step:
 *
 *   mr:<project>:events:{pN}        stream: the chunks (log-chunk.ts), each the records of one script call. The id of an
 *                                   entry is `<offset of the first record + 1>-<time of Redis in us>`
 *   mr:<project>:event_ids:{pN}     set: the ids of the records in the stream, copies too
 *   mr:<project>:event_state:{pN}   hash: `first` and `next` offset, `bytes` of the chunks, `appended_ms` of the last one,
 *                                   which never goes back, whatever the clock does
 *   mr:<project>:event_log          hash: `format` -> JSON, what the log was made with
 *   mr:<project>:event_schemas      hash: the schemas of events (records/redis-schemas.ts)
 *
 * Two chunks with the same first offset, or one at `next`, are there only after this: an append-only file that a crash has
 * cut off inside a transaction is loaded without it, but Redis 7.0 leaves its beginning in the file, and runs that at the
 * next start, in front of what was appended meanwhile. That is why a script adds the chunk first, then its ids, then the
 * state: of two chunks with the same first offset the later one counts, and one at `next` does not exist. With an entry
 * for each record, the ids of the entries would collide, and acknowledged events be lost.
 *
 * `redis-cli` may delete entries of the stream; what is missing is passed over.
 */
import { MillraceError } from '../errors.ts';
import type { HashCommands } from '../redis/hash-commands.ts';
import type { RedisArgument } from '../redis/redis-shard.ts';
import type { ScriptCall } from '../redis/redis-commands.ts';
import { partitionKey } from './redis-partition-key.ts';

export interface LogNames {
  readonly log: string;
  readonly schemas: string;
  stream(partition: number): string;
  ids(partition: number): string;
  state(partition: number): string;
  /** How far the partition is applied to tiles (streaming/redis-tile-layout.ts). */
  applied(partition: number): string;
}

export function logNames(project: string): LogNames {
  return {
    log: `mr:${project}:event_log`,
    schemas: `mr:${project}:event_schemas`,
    stream: (partition) => partitionKey(project, 'events', partition),
    ids: (partition) => partitionKey(project, 'event_ids', partition),
    state: (partition) => partitionKey(project, 'event_state', partition),
    applied: (partition) => partitionKey(project, 'applied', partition),
  };
}

/** Of one of the log's scripts. */
export function scriptCall(names: LogNames, partition: number, args: readonly RedisArgument[]): ScriptCall {
  const name = names.stream(partition);
  return { name, keys: [name, names.ids(partition), names.state(partition)], args };
}

const VERSION = 1;

/**
 * Writes down what the log is made with, if it is new.
 * @throws MillraceError INVALID_PROJECT if it was made with another number of partitions; STORE_FAILED
 */
export async function checkFormat(
  hashes: HashCommands,
  { log }: LogNames,
  partitionCount: number,
): Promise<void> {
  let text = (await hashes.readAll(log)).get('format');
  if (text === undefined) {
    const made = JSON.stringify({ version: VERSION, partitions: partitionCount });
    const written = await hashes.replace(log, 'format', undefined, made);
    if (written === 'done') return;
    if (written === 'forbidden') {
      const sentence = `Redis holds no events of this project yet (${log}), and may not be written to.`;
      throw new MillraceError('STORE_FAILED', sentence);
    }
    text = (await hashes.readAll(log)).get('format') ?? '';
  }
  const format = parseFormat(text);
  if (format?.version !== VERSION) {
    const sentence = `In Redis, the field format of ${log} is of another version of Millrace, or damaged: ${text}`;
    throw new MillraceError('STORE_FAILED', sentence);
  }
  const { partitions } = format;
  if (partitions === partitionCount) return;
  const sentence = `streaming.partitions is ${partitionCount}, but the event log in Redis (${log}) has ${partitions}, and a key would be looked for in another one: write ${partitions}, or give the project another name.`;
  throw new MillraceError('INVALID_PROJECT', sentence);
}

function parseFormat(text: string): { readonly version: number; readonly partitions: number } | undefined {
  try {
    return JSON.parse(text) as { readonly version: number; readonly partitions: number };
  } catch {
    return undefined;
  }
}
