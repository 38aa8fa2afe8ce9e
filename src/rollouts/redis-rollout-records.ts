/**
 * The records of a project's endpoints in memory, as they are in Redis. They are read again when the connection tells of a
 * change, when it has told of none for a time (it was lost, or leads to another server), and every second, whatever it
 * tells. While Redis is away, what is here stays.
 *
 * Reads come one after the other, and none counts that was under way while this process changed a record itself. So what
 * is here never goes back to an older version, unless Redis did.
 */
import { MillraceError } from '../errors.ts';
import { WRITE_TIMEOUT_MS } from '../redis/redis-commands.ts';
import type { RedisCommands } from '../redis/redis-commands.ts';
import type { RedisConnection } from '../redis/redis-connection.ts';
import type { RedisCommand } from '../redis/redis-shard.ts';
import type { Log } from '../telemetry/log.ts';
import type { RolloutNames } from './redis-rollout-layout.ts';
import type { RolloutRecord } from './rollout-record.ts';

export interface RedisRecords {
  /** One more with each change. */
  revision(): number;
  get(endpoint: string): RolloutRecord | undefined;
  /** What this process has changed. */
  put(record: RolloutRecord): void;
  /** Resolves when records have been read again, or could not be. */
  refresh(endpoints: Iterable<string>): Promise<void>;
  /** Resolves when nothing is under way. */
  close(): Promise<void>;
}

export interface RedisRecordsParts {
  readonly connection: RedisConnection;
  readonly commands: RedisCommands;
  readonly names: RolloutNames;
  readonly endpoints: readonly string[];
  /** Changes may have been missed, also those of what lies beside the records. */
  readonly lost: () => void;
  readonly log: Log;
}

const POLL_MS = 1000;

/** @throws MillraceError STORE_FAILED */
export async function openRedisRecords(parts: RedisRecordsParts): Promise<RedisRecords> {
  const records = new Records(parts);
  try {
    await records.begin();
    return records;
  } catch (error) {
    await records.close();
    throw error;
  }
}

class Records implements RedisRecords {
  private readonly parts: RedisRecordsParts;
  private readonly endpoints: Set<string>;
  private readonly records = new Map<string, RolloutRecord>();
  /** As they were read last; undefined = there was none. */
  private readonly texts = new Map<string, string | undefined>();
  private changes = 0;
  private readonly toRead = new Set<string>();
  private reading: Promise<void> | undefined;
  private ownChanges = 0;
  private readonly timer: NodeJS.Timeout;
  private hasBegun = false;
  private isClosed = false;

  constructor(parts: RedisRecordsParts) {
    this.parts = parts;
    this.endpoints = new Set(parts.endpoints);
    this.timer = setInterval(() => void this.refresh(this.endpoints), POLL_MS).unref();
  }

  async begin(): Promise<void> {
    this.parts.connection.onChange((names) => this.heard(names));
    const endpoints = [...this.endpoints];
    for (const [i, reply] of (await this.read(endpoints)).entries()) this.keep(endpoints[i] as string, reply);
    this.hasBegun = true;
    // What was told meanwhile.
    void this.refresh([]);
  }

  revision(): number {
    return this.changes;
  }

  get(endpoint: string): RolloutRecord | undefined {
    return this.records.get(endpoint);
  }

  put(record: RolloutRecord): void {
    const { endpoint, version } = record;
    this.endpoints.add(endpoint);
    // Another process has gone on from it, and that was read already.
    if ((this.records.get(endpoint)?.version ?? 0) >= version) return void this.refresh([endpoint]);
    this.records.set(endpoint, record);
    this.texts.set(endpoint, JSON.stringify(record));
    this.changes++;
    this.ownChanges++;
  }

  async refresh(endpoints: Iterable<string>): Promise<void> {
    if (this.isClosed) return;
    for (const endpoint of endpoints) this.toRead.add(endpoint);
    if (this.hasBegun && this.toRead.size > 0) this.reading ??= this.readAll();
    await this.reading;
  }

  async close(): Promise<void> {
    this.isClosed = true;
    clearInterval(this.timer);
    await this.reading;
  }

  private heard(names: readonly Buffer[] | undefined): void {
    if (names === undefined) {
      this.parts.lost();
      void this.refresh(this.endpoints);
      return;
    }
    const heardOf = names.map((name) => this.parts.names.endpointOf(String(name)));
    const ours = heardOf.filter((endpoint) => endpoint !== undefined && this.endpoints.has(endpoint));
    void this.refresh(ours as string[]);
  }

  private async readAll(): Promise<void> {
    while (this.toRead.size > 0 && !this.isClosed) {
      const endpoints = [...this.toRead];
      this.toRead.clear();
      const before = this.ownChanges;
      // What fails is tried again in a second; the connection says why.
      const replies = await this.read(endpoints).catch(() => []);
      if (before === this.ownChanges)
        replies.forEach((reply, i) => this.tryToKeep(endpoints[i] as string, reply));
      else for (const endpoint of endpoints) this.toRead.add(endpoint);
    }
    this.reading = undefined;
  }

  /** The record's text; undefined if there is none. */
  private async read(endpoints: readonly string[]): Promise<(string | undefined)[]> {
    const { names, commands } = this.parts;
    const keys = endpoints.map((endpoint) => names.record(endpoint));
    const command = (i: number): RedisCommand => ['HGET', keys[i] as string, 'record'];
    const replies = await commands.sendAll(keys, command, WRITE_TIMEOUT_MS);
    return replies.map((reply) => (reply === null ? undefined : String(reply as Buffer)));
  }

  private tryToKeep(endpoint: string, text: string | undefined): void {
    try {
      this.keep(endpoint, text);
    } catch (error) {
      this.parts.log.error({ err: error }, 'a rollout was left as it was');
    }
  }

  private keep(endpoint: string, text: string | undefined): void {
    if (this.texts.get(endpoint) === text) return;
    // Also what is damaged is looked at once.
    this.texts.set(endpoint, text);
    if (text === undefined) this.records.delete(endpoint);
    else this.records.set(endpoint, parseRecord(this.parts.names.record(endpoint), text));
    this.changes++;
  }
}

/** @throws MillraceError STORE_FAILED */
function parseRecord(name: string, text: string): RolloutRecord {
  try {
    const record = JSON.parse(text) as RolloutRecord;
    if (typeof record.version === 'number' && typeof record.section === 'string') return record;
  } catch {
    // Said below.
  }
  throw new MillraceError(
    'STORE_FAILED',
    `In Redis, ${name} is no rollout. To begin with that of the project file, type: DEL ${name}`,
  );
}
