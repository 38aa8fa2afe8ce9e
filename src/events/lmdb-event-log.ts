/**
 * The event log in an LMDB environment (lmdb-log-layout.ts). Several processes may append and read at once: where a
 * partition ends is read inside the write transaction, of which there is one at a time.
 *
 * Invariants: records, ids and state of a commit are there together, or not at all. All is read and decided before the
 * first put, because the transaction is shared. What is acknowledged is synced to the disk.
 *
 * Cost: about 6 us of the event loop for an event of five fields with a client's id, half of which is its id; then the
 * call waits for the disk (bench/events.ts).
 */
import type { Clock } from '../clock.ts';
import { MillraceError } from '../errors.ts';
import type { LmdbEnvironment } from '../lmdb/lmdb-environment.ts';
import type { EventType } from '../project/project.ts';
import { openLmdbSchemas } from '../records/lmdb-schemas.ts';
import type { EventCodec } from './event-codec.ts';
import { createEventCodec } from './event-codec.ts';
import type { AppendOutcome, EventLog, LogRead, LogRecord, ReadLimits } from './event-log.ts';
import { createIdIndex } from './id-index.ts';
import type { IdIndex } from './id-index.ts';
import { createGroupCommit } from './group-commit.ts';
import type { GroupLimits } from './group-commit.ts';
import type { LogDatabases, LogKind, LogState, PartitionState } from './lmdb-log-layout.ts';
import {
  appendedMsOf,
  chunkKey,
  openLogDatabases,
  putState,
  readChunk,
  readState,
  searchOffset,
} from './lmdb-log-layout.ts';
import { trimStep } from './lmdb-log-trim.ts';
import { chunkLimits, chunksOf, packChunk } from './log-chunk.ts';
import { checkPartition, decodeRecord, logLimits, packWrite } from './log-records.ts';
import type { PackedWrite } from './log-records.ts';

export interface LmdbEventLogOptions {
  /** Stays open when the log is closed. */
  readonly environment: LmdbEnvironment;
  /** Default event. */
  readonly kind?: LogKind;
  /** Every event type that will be appended or read, by name. */
  readonly types: ReadonlyMap<string, EventType>;
  readonly partitionCount: number;
  readonly clock: Clock;
  readonly limits?: Partial<GroupLimits>;
  /** Ids that are kept in memory at least before they are written; for tests. */
  readonly tailIdsMin?: number;
}

/** The event log, and what else keeps events in its environment needs. */
export interface LmdbEventLog extends EventLog {
  readonly codec: EventCodec;
}

const TAIL_IDS_MIN = 65_536;

/**
 * @throws MillraceError INVALID_PROJECT if the log was made with another number of partitions; STORE_FAILED
 */
export async function openLmdbEventLog(options: LmdbEventLogOptions): Promise<LmdbEventLog> {
  const { environment, kind = 'event', types, partitionCount, clock } = options;
  try {
    const databases = openLogDatabases(environment, kind);
    if (databases === undefined) throw new Error('it holds no events yet');
    await checkFormat(environment, databases, partitionCount);
    const columns = new Map([...types].map(([name, { fields }]) => [name, fields]));
    const schemas = await openLmdbSchemas(environment, `${kind}_schemas`, columns);
    if (schemas === undefined) throw new Error('it holds no events yet');
    const codec = createEventCodec(types, schemas);
    const limits = { ...logLimits, ...options.limits };
    const ids = createIdIndex(databases, options.tailIdsMin ?? TAIL_IDS_MIN);
    return createLog({ environment, databases, ids, codec, partitionCount, clock, limits });
  } catch (error) {
    throw environment.failure(error);
  }
}

const FORMAT_VERSION = 2;

async function checkFormat(
  environment: LmdbEnvironment,
  { log }: LogDatabases,
  partitionCount: number,
): Promise<void> {
  environment.refresh();
  const read = (): Buffer | undefined => log.get('format');
  let text = read();
  if (text === undefined && !environment.readOnly) {
    text = await environment.transaction(() => {
      // Looked up again: another process may have made it meanwhile.
      const found = read();
      if (found !== undefined) return found;
      const made = Buffer.from(JSON.stringify({ version: FORMAT_VERSION, partitions: partitionCount }));
      log.put('format', made);
      return made;
    });
  }
  if (text === undefined) throw new Error('it holds no events yet');
  const { version, partitions } = JSON.parse(text.toString()) as { version: number; partitions: number };
  if (version !== FORMAT_VERSION)
    throw new Error(
      `its events are of another version of Millrace (format ${version}, not ${FORMAT_VERSION})`,
    );
  if (partitions === partitionCount) return;
  const sentence = `streaming.partitions is ${partitionCount}, but the event log in ${environment.path} has ${partitions}, and a key would be looked for in another one: write ${partitions}, or name another data folder.`;
  throw new MillraceError('INVALID_PROJECT', sentence);
}

interface OpenedLog {
  readonly environment: LmdbEnvironment;
  readonly databases: LogDatabases;
  readonly ids: IdIndex;
  readonly codec: EventCodec;
  readonly partitionCount: number;
  readonly clock: Clock;
  readonly limits: GroupLimits;
}

function createLog(opened: OpenedLog): LmdbEventLog {
  const { environment, codec, partitionCount } = opened;
  const listeners = new Set<(partitions: ReadonlySet<number>) => void>();
  const group = createGroupCommit<readonly PackedWrite[], AppendOutcome[]>(commit, opened.limits);
  let isClosed = false;

  async function commit(calls: readonly (readonly PackedWrite[])[]): Promise<AppendOutcome[][]> {
    const { outcomes, touched } = await commitAppends(opened, calls);
    if (touched.size > 0) for (const listener of listeners) listener(touched);
    return outcomes;
  }

  function requireOpen(): void {
    if (isClosed || environment.isClosed()) throw new Error('the event log is closed');
  }

  return {
    partitionCount,
    codec,
    ...createReader(opened, requireOpen),

    async append(writes) {
      requireOpen();
      if (environment.readOnly) throw new Error('the event log was opened for reading only');
      if (writes.length === 0) return [];
      const items = writes.map((write) => packWrite(codec, partitionCount, write));
      const bytes = items.reduce((sum, { original }) => sum + original.length, 0);
      return group.submit({ items, count: items.length, bytes });
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

function createReader(
  opened: OpenedLog,
  requireOpen: () => void,
): Pick<EventLog, 'read' | 'sizes' | 'offsetAt' | 'appendedAt' | 'trim'> {
  const { environment, databases, partitionCount } = opened;

  function reading<T>(read: () => T): T {
    requireOpen();
    try {
      environment.refresh();
      return read();
    } catch (error) {
      throw environment.failure(error);
    }
  }

  return {
    async read(partition, fromOffset, readLimits) {
      checkPartition(partition, partitionCount);
      return reading(() => readRecords(opened, partition, fromOffset, readLimits));
    },

    async sizes() {
      const { partitions } = reading(() => readState(databases, partitionCount));
      return partitions.map(({ firstOffset, nextOffset, bytes }) => ({ firstOffset, nextOffset, bytes }));
    },

    async offsetAt(partition, timeMs) {
      checkPartition(partition, partitionCount);
      return reading(() => {
        const state = readState(databases, partitionCount).partitions[partition];
        return state === undefined ? 0 : searchOffset(databases, partition, state, timeMs);
      });
    },

    async appendedAt(partition, fromOffset) {
      checkPartition(partition, partitionCount);
      return reading(() => {
        const state = readState(databases, partitionCount).partitions[partition];
        return state === undefined ? undefined : appendedMsOf(databases, partition, state, fromOffset);
      });
    },

    async trim(limits) {
      let dropped = 0;
      // Looked at first without a transaction: mostly there is nothing to do.
      while (reading(() => trimStep(databases, partitionCount, limits, 'look')) > 0)
        dropped += await environment.transaction(() => trimStep(databases, partitionCount, limits, 'drop'));
      return dropped;
    },
  };
}

async function commitAppends(
  opened: OpenedLog,
  calls: readonly (readonly PackedWrite[])[],
): Promise<Appended> {
  try {
    return await opened.environment.transaction(() => appendAll(opened, calls));
  } catch (error) {
    opened.ids.reset();
    throw error;
  }
}

interface Appended {
  readonly outcomes: AppendOutcome[][];
  readonly touched: ReadonlySet<number>;
}

/** Inside a transaction. */
function appendAll(opened: OpenedLog, calls: readonly (readonly PackedWrite[])[]): Appended {
  const { databases, ids, partitionCount } = opened;
  const state = readState(databases, partitionCount);
  ids.catchUp(state);
  const recordsOf = new Map<number, Buffer[]>();
  let newIds = 0;
  const addTo = (partition: number, record: Buffer): number => {
    const records = recordsOf.get(partition);
    if (records === undefined) recordsOf.set(partition, [record]);
    else records.push(record);
    return (state.partitions[partition] as PartitionState).nextOffset + (records?.length ?? 1) - 1;
  };
  const outcomes = calls.map((writes) =>
    writes.map(({ id, partitions, original, copy }): AppendOutcome => {
      if (ids.has(id, state)) return 'duplicate';
      const [first = 0, ...others] = partitions;
      ids.add(id, first, addTo(first, original));
      for (const partition of others) addTo(partition, copy as Buffer);
      newIds++;
      return 'appended';
    }),
  );
  for (const [partition, records] of recordsOf) putRecords(opened, state, partition, records);
  if (newIds > 0) {
    ids.flush(newIds, state);
    putState(databases, state);
  }
  return { outcomes, touched: new Set(recordsOf.keys()) };
}

function putRecords(
  { databases, clock }: OpenedLog,
  state: LogState,
  partition: number,
  records: readonly Buffer[],
): void {
  const of = state.partitions[partition] as PartitionState;
  of.appendedMs = Math.max(of.appendedMs, clock.nowMs());
  for (const part of chunksOf(records, chunkLimits)) {
    const chunk = packChunk(of.appendedMs, part);
    databases.chunks.put(chunkKey(partition, of.nextOffset), chunk);
    of.nextOffset += part.length;
    of.bytes += chunk.length;
  }
}

function readRecords(
  { databases, codec, partitionCount }: OpenedLog,
  partition: number,
  fromOffset: number,
  { recordsMax, bytesMax }: ReadLimits,
): LogRead {
  const { firstOffset = 0, nextOffset = 0 } =
    readState(databases, partitionCount).partitions[partition] ?? {};
  const records: LogRecord[] = [];
  let offset = Math.max(fromOffset, firstOffset);
  let left = bytesMax;
  while (offset < nextOffset && records.length < recordsMax && left > 0) {
    const chunk = readChunk(databases, partition, offset, nextOffset);
    const split = chunk.records.slice(offset - chunk.firstOffset);
    for (let i = 0; i < split.length && records.length < recordsMax && left > 0; i++) {
      records.push(decodeRecord(codec, offset, split[i]));
      left -= split[i]?.length ?? 0;
      offset++;
    }
  }
  return { records, nextOffset: offset };
}
