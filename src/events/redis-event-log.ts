/**
 * The event log in Redis (redis-log-layout.ts), which the servers of a project share. What is acknowledged is as durable as
 * Redis makes it (`appendfsync`, replicas).
 *
 * Invariants: the records of a script call, their ids and the state of their partition are there together, or not at all.
 * What a record was written under is listed before the record.
 *
 * Redis may be emptied under a running server: the log then begins anew at offset 0, and what lies beside the records is
 * written again.
 *
 * Cost: 5 us of Redis for an event where 8 callers send batches of 100 to 8 partitions, 9 us where one does
 * (bench/events.ts).
 */
import type { Clock } from '../clock.ts';
import { MillraceError } from '../errors.ts';
import type { EventType } from '../project/project.ts';
import { createRedisSchemas } from '../records/redis-schemas.ts';
import type { RedisSchemas } from '../records/redis-schemas.ts';
import { createHashCommands } from '../redis/hash-commands.ts';
import { WRITE_TIMEOUT_MS, createRedisCommands, redisFailure } from '../redis/redis-commands.ts';
import type { RedisCommands, RedisScript } from '../redis/redis-commands.ts';
import type { RedisConnection } from '../redis/redis-connection.ts';
import type { RedisArgument } from '../redis/redis-shard.ts';
import { UnknownSchemaError, createEventCodec } from './event-codec.ts';
import type { EventCodec } from './event-codec.ts';
import type {
  AppendOutcome,
  EventLog,
  EventWrite,
  LogRead,
  LogRecord,
  PartitionSize,
  ReadLimits,
} from './event-log.ts';
import { createGroupCommit } from './group-commit.ts';
import type { GroupLimits } from './group-commit.ts';
import { chunkTimeMs, splitChunk } from './log-chunk.ts';
import { checkPartition, decodeRecord, logLimits, packWrite } from './log-records.ts';
import type { PackedWrite } from './log-records.ts';
import { appendToRedis } from './redis-log-append.ts';
import { checkFormat, logNames, scriptCall } from './redis-log-layout.ts';
import type { LogNames } from './redis-log-layout.ts';
import { STEP_RECORDS_MAX, endScript, readScript, searchScript } from './redis-log-scripts.ts';
import { trimRedisLog } from './redis-log-trim.ts';

export interface RedisEventLogOptions {
  /** Stays open when the log is closed. */
  readonly connection: RedisConnection;
  /** Its name, which the keys begin with. */
  readonly project: string;
  /** Every event type that will be appended or read, by name. */
  readonly types: ReadonlyMap<string, EventType>;
  readonly partitionCount: number;
  readonly clock: Clock;
  readonly limits?: Partial<GroupLimits>;
}

/** The event log, and what else keeps events in its Redis needs. */
export interface RedisEventLog extends EventLog {
  readonly codec: EventCodec;
}

/** @throws MillraceError INVALID_PROJECT if the log was made with another number of partitions; STORE_FAILED */
export async function openRedisEventLog(options: RedisEventLogOptions): Promise<RedisEventLog> {
  const { connection, project, types, partitionCount, clock } = options;
  const names = logNames(project);
  const commands = createRedisCommands(connection);
  const hashes = createHashCommands(commands);
  const columns = new Map([...types].map(([name, { fields }]) => [name, fields]));
  const schemas = createRedisSchemas(names.schemas, columns, 'events');
  const prepare = async (): Promise<void> => {
    await checkFormat(hashes, names, partitionCount);
    await schemas.prepare(hashes);
  };
  await prepare();
  const codec = createEventCodec(types, schemas);
  const limits = { ...logLimits, ...options.limits };
  return createLog({ commands, names, schemas, codec, partitionCount, clock, limits, prepare });
}

interface OpenedLog {
  readonly commands: RedisCommands;
  readonly names: LogNames;
  readonly schemas: RedisSchemas;
  readonly codec: EventCodec;
  readonly partitionCount: number;
  readonly clock: Clock;
  readonly limits: GroupLimits;
  /**
   * Reads what lies beside the records, and writes what is missing.
   * @throws MillraceError INVALID_PROJECT, STORE_FAILED
   */
  readonly prepare: () => Promise<void>;
}

function createLog(opened: OpenedLog): RedisEventLog {
  const { commands, names, codec, partitionCount, clock } = opened;
  const listeners = new Set<(partitions: ReadonlySet<number>) => void>();
  const group = createGroupCommit<readonly PackedWrite[], AppendOutcome[] | MillraceError>(
    commit,
    opened.limits,
  );
  /** False = nothing is appended before what lies beside the records is there. */
  let isPrepared = true;
  let isClosed = false;

  async function commit(
    calls: readonly (readonly PackedWrite[])[],
  ): Promise<readonly (AppendOutcome[] | MillraceError)[]> {
    const { results, touched, isNew } = await appendToRedis({ commands, names, nowMs: clock.nowMs() }, calls);
    if (touched.size > 0) for (const listener of listeners) listener(touched);
    // Before it is acknowledged: events may not be in a log that nobody could read.
    if (isNew) await prepare();
    return results;
  }

  async function prepare(): Promise<void> {
    try {
      await opened.prepare();
      isPrepared = true;
    } catch (error) {
      isPrepared = false;
      throw error;
    }
  }

  function requireOpen(): void {
    if (isClosed) throw new Error('the event log is closed');
  }

  return {
    partitionCount,
    codec,
    ...createReader(opened, requireOpen),

    async append(writes) {
      requireOpen();
      if (writes.length === 0) return [];
      const items = writes.map((write) => packWrite(codec, partitionCount, write));
      if (!isPrepared) await prepare();
      checkSchemas(opened.schemas, writes);
      const bytes = items.reduce((sum, { original }) => sum + original.length, 0);
      const result = await group.submit({ items, count: items.length, bytes });
      if (result instanceof MillraceError) throw result;
      return result;
    },

    async trim(limits) {
      requireOpen();
      // Now and then: what lies beside the records may be lost where they are not, on another node of a cluster.
      await prepare();
      return trimRedisLog({ commands, names, partitionCount }, limits);
    },

    onAppend(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },

    async close() {
      isClosed = true;
      await group.whenIdle();
    },
  };
}

/** @throws MillraceError STORE_FAILED for a type whose schema others could not know */
function checkSchemas(schemas: RedisSchemas, writes: readonly EventWrite[]): void {
  for (const { event } of writes) {
    const { name } = event.type;
    if (schemas.isListed(name)) continue;
    const sentence = `Redis takes no events of "${name}": its schema could not be written.`;
    throw new MillraceError('STORE_FAILED', sentence);
  }
}

function createReader(
  opened: OpenedLog,
  requireOpen: () => void,
): Pick<EventLog, 'read' | 'sizes' | 'offsetAt' | 'appendedAt'> {
  const { commands, names, partitionCount } = opened;

  async function run(script: RedisScript, partition: number, ...args: RedisArgument[]): Promise<unknown> {
    requireOpen();
    checkPartition(partition, partitionCount);
    const [reply] = await commands.runEach(script, [scriptCall(names, partition, args)], WRITE_TIMEOUT_MS);
    if (reply instanceof Error) throw redisFailure(reply);
    return reply;
  }

  return {
    async read(partition, fromOffset, limits) {
      const { recordsMax, bytesMax } = limits;
      const reply = await run(readScript, partition, fromOffset, recordsMax, bytesMax);
      const [endOffset, ...entries] = reply as readonly [number, ...(number | Buffer)[]];
      const chunks: ReadChunk[] = [];
      for (let i = 0; i + 1 < entries.length; i += 2) {
        const [firstOffset, bytes] = [entries[i] as number, entries[i + 1] as Buffer];
        const { records, isWhole } = splitChunk(bytes);
        if (isWhole) chunks.push({ firstOffset, records });
        else {
          const end = (await run(endScript, partition, firstOffset)) as number;
          chunks.push(damagedChunk(firstOffset, bytes, end));
          return decodeChunks(opened, { fromOffset, endOffset: end, chunks }, limits);
        }
      }
      return decodeChunks(opened, { fromOffset, endOffset, chunks }, limits);
    },

    async sizes() {
      requireOpen();
      const states = Array.from({ length: partitionCount }, (_, partition) => names.state(partition));
      const replies = await commands.sendAll(
        states,
        (i) => ['HMGET', states[i] as string, 'first', 'next', 'bytes'],
        WRITE_TIMEOUT_MS,
      );
      return replies.map((reply): PartitionSize => {
        const [firstOffset = 0, nextOffset = 0, bytes = 0] = (reply as readonly unknown[]).map(Number);
        return { firstOffset, nextOffset, bytes };
      });
    },

    offsetAt: async (partition, timeMs) => (await run(searchScript, partition, timeMs)) as number,

    async appendedAt(partition, fromOffset) {
      const [, , chunk] = (await run(readScript, partition, fromOffset, 1, 1)) as readonly unknown[];
      return Buffer.isBuffer(chunk) ? chunkTimeMs(chunk) : undefined;
    },
  };
}

interface ReadChunk {
  readonly firstOffset: number;
  /** Undefined = it cannot be told which bytes are its. */
  readonly records: readonly (Buffer | undefined)[];
}

/**
 * One whose bytes do not fit together, by where it ends at the most: what is told apart of it, and what must have been
 * there beside. The scripts have believed it, so what they gave behind it is of no use.
 */
function damagedChunk(firstOffset: number, bytes: Buffer, endOffset: number): ReadChunk {
  const count = Math.min(endOffset - firstOffset, STEP_RECORDS_MAX);
  const { records } = splitChunk(bytes, count);
  return { firstOffset, records: Array.from({ length: count }, (_, i) => records[i]) };
}

interface StoredRead {
  readonly fromOffset: number;
  /** Where the last chunk ends, or where a gap behind it does. */
  readonly endOffset: number;
  readonly chunks: readonly ReadChunk[];
}

/** Another server may have added a schema: then the list is read again, once. */
async function decodeChunks(
  { codec, prepare }: OpenedLog,
  read: StoredRead,
  limits: ReadLimits,
): Promise<LogRead> {
  try {
    return takeRecords(codec, read, limits, 'throw');
  } catch (error) {
    if (!(error instanceof UnknownSchemaError)) throw error;
  }
  await prepare();
  return takeRecords(codec, read, limits, 'problem');
}

function takeRecords(
  codec: EventCodec,
  { fromOffset, endOffset, chunks }: StoredRead,
  { recordsMax, bytesMax }: ReadLimits,
  unknownSchema: 'problem' | 'throw',
): LogRead {
  const records: LogRecord[] = [];
  let left = bytesMax;
  for (const { firstOffset, records: split } of chunks) {
    for (let i = Math.max(0, fromOffset - firstOffset); i < split.length; i++) {
      const offset = firstOffset + i;
      if (records.length === recordsMax || left <= 0) return { records, nextOffset: offset };
      records.push(decodeRecord(codec, offset, split[i], unknownSchema));
      left -= split[i]?.length ?? 0;
    }
  }
  return { records, nextOffset: endOffset };
}
