/**
 * The distributed online store: rows in Redis, under one of two layouts (row-layout.ts). Keeps nothing in memory; the
 * cached store stands in front of it.
 *
 * Reads: one HMGET per entity key, in one pipeline per server, within a time limit. Writes: compare-and-set on the
 * event time in one Lua call per entity key, so all rows of one entity in a call are written, or none. They are as
 * durable as Redis is configured (`appendfsync`).
 */
import { MillraceError } from '../../errors.ts';
import type { FeatureView } from '../../project/project.ts';
import { checkEntityKeyLength } from '../entity-key.ts';
import type { Row, RowWrite, WriteOutcome } from '../online-store.ts';
import { parseRecent } from '../recent-rows.ts';
import type { EntityRead, RecentRows, RemoteStore } from '../remote-store.ts';
import { createHashCommands } from '../../redis/hash-commands.ts';
import type { HashCommands } from '../../redis/hash-commands.ts';
import { frameFields, HashRead } from '../../redis/hash-read.ts';
import {
  WRITE_TIMEOUT_MS,
  createRedisCommands,
  indexesBy,
  leftMs,
  redisScript,
  successes,
} from '../../redis/redis-commands.ts';
import type { RedisCommands, RedisScript, ScriptCall } from '../../redis/redis-commands.ts';
import type { HashFields } from '../../redis/hash-read.ts';
import type { RedisConnection } from '../../redis/redis-connection.ts';
import type { RedisArgument, RedisShard } from '../../redis/redis-shard.ts';
import type { RowLayout } from './row-layout.ts';
import { within } from '../../redis/within.ts';

export interface RedisStoreParts {
  /** Of the keys beside the rows. */
  readonly project: string;
  readonly connection: RedisConnection;
  readonly layout: RowLayout;
  readonly readTimeoutMs: number;
}

/** Views of one entity that are asked for together. */
interface ReadShape extends HashFields<Decoded> {
  readonly views: readonly FeatureView[];
}

/** A list that somebody else has made larger is cut off, and is then none. */
const RECENT_BYTES_MAX = 32 * 1024 * 1024;
/** Rows of a schema that nobody has listed would else have the list read for each of them. */
const PREPARE_AGAIN_MS = 1000;

/** Resolves when the layout is prepared. */
export async function openRedisStore(parts: RedisStoreParts): Promise<RemoteStore> {
  const store = new RedisStore(parts);
  await store.prepare();
  return store;
}

class RedisStore implements RemoteStore {
  private readonly connection: RedisConnection;
  private readonly layout: RowLayout;
  private readonly readTimeoutMs: number;
  private readonly recentKey: string;
  private readonly writeScript: RedisScript;
  private readonly commands: RedisCommands;
  private readonly hashes: HashCommands;
  private readonly writing = new Set<Promise<unknown>>();
  private preparing: Promise<void> | undefined;
  /** When the list of schemas was read last, and did not have one that rows need. */
  private inVainAtMs = -Infinity;
  /** Of the last read: neighbouring reads mostly ask for the same views. */
  private shape: ReadShape = { views: [], fields: [], framed: '', encoding: 'utf8', decode: () => [] };

  constructor({ project, connection, layout, readTimeoutMs }: RedisStoreParts) {
    this.connection = connection;
    this.layout = layout;
    this.readTimeoutMs = readTimeoutMs;
    this.recentKey = `mr:${project}:recent`;
    this.writeScript = redisScript(layout.writeScript);
    this.commands = createRedisCommands(connection);
    this.hashes = createHashCommands(this.commands);
  }

  nameOf(view: FeatureView, key: string): string {
    return this.layout.hashOf(view.entity, key);
  }

  shardOf(name: string): RedisShard {
    return this.connection.shardOf(name);
  }

  get isAway(): boolean {
    for (const shard of this.connection.shards()) if (shard.isAway) return true;
    return false;
  }

  onChange(changed: (names: readonly string[]) => void): void {
    const { encoding } = this.layout;
    this.connection.onChange((names) => {
      if (names !== undefined) changed(names.map((name) => name.toString(encoding)));
      // What the layout keeps beside the rows may be lost. Where this fails, the next read of such a row tries again.
      else this.prepare().catch(() => undefined);
    });
  }

  async read(reads: readonly EntityRead[]): Promise<((Row | null | Error)[] | undefined)[]> {
    const endMs = performance.now() + this.readTimeoutMs;
    const replies = await this.readAll(reads, this.readTimeoutMs);
    const unknown = replies.flatMap((rows, i) => (rows?.includes(undefined) === true ? [i] : []));
    if (unknown.length > 0 && performance.now() - this.inVainAtMs > PREPARE_AGAIN_MS) {
      // Where it fails, the rows of schemas that are not known could not be read.
      await within(leftMs(endMs), this.prepare()).catch(() => undefined);
      const again = await this.readAll(
        unknown.map((i) => reads[i] as EntityRead),
        leftMs(endMs),
      );
      unknown.forEach((i, n) => (replies[i] = again[n]));
      if (again.some((rows) => rows?.includes(undefined) === true)) this.inVainAtMs = performance.now();
    }
    return replies.map((rows) =>
      rows?.includes(undefined) === true ? undefined : (rows as Known | undefined),
    );
  }

  private async readAll(reads: readonly EntityRead[], timeoutMs: number): Promise<(Decoded | undefined)[]> {
    const replies = await this.commands.sendEach(
      reads.map(({ name }) => name),
      (i) => {
        const { name, views } = reads[i] as EntityRead;
        return new HashRead(name, this.shapeOf(views));
      },
      timeoutMs,
    );
    return replies.map((reply, i) => {
      if (Array.isArray(reply)) return reply as Decoded;
      return isOtherType(reply) ? otherTypeFailures(reads[i] as EntityRead) : undefined;
    });
  }

  async write(writes: readonly RowWrite[]): Promise<WriteOutcome[]> {
    for (const write of writes) checkWrite(write);
    const byName = indexesBy(writes, ({ view, key }) => this.nameOf(view, key));
    const names = [...byName.keys()];
    const args = names.map((name) => {
      const indexes = byName.get(name) as number[];
      return indexes.flatMap((i) => this.layout.writeArgs(writes[i] as RowWrite));
    });
    const outcomes = new Array<WriteOutcome>(writes.length);
    const written = this.writeEach(names, args);
    this.writing.add(written);
    const replies = await written.finally(() => this.writing.delete(written));
    replies.forEach((reply, n) => {
      const each = this.layout.outcomes(reply);
      byName.get(names[n] as string)?.forEach((i, at) => (outcomes[i] = each[at] as WriteOutcome));
    });
    return outcomes;
  }

  async recent(keysMax: number): Promise<RecentRows> {
    const bytes = await this.send(['GETRANGE', this.recentKey, 0, RECENT_BYTES_MAX]);
    return parseRecent(String(bytes), keysMax);
  }

  async keepRecent(rows: RecentRows): Promise<void> {
    await this.send(['SET', this.recentKey, JSON.stringify(rows)]);
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.writing);
    await this.connection.close();
  }

  /** Reads what the layout keeps beside the rows; calls that come meanwhile share one reading. */
  async prepare(): Promise<void> {
    this.preparing ??= this.prepareLayout().finally(() => (this.preparing = undefined));
    return this.preparing;
  }

  private async prepareLayout(): Promise<void> {
    await this.layout.prepare?.(this.hashes);
  }

  /** A command whose first argument is the name that it is about. */
  private async send(command: readonly [string, string, ...RedisArgument[]]): Promise<unknown> {
    return this.commands.send(command[1], command, WRITE_TIMEOUT_MS);
  }

  private shapeOf(views: readonly FeatureView[]): ReadShape {
    const last = this.shape;
    if (last.views.length === views.length && last.views.every((view, i) => view === views[i])) return last;
    const { layout } = this;
    const fieldsOf = views.map((view) => layout.fieldsOf(view));
    const fields = fieldsOf.flat();
    let end = 0;
    const parts = views.map((view, i) => {
      const at = end;
      end += (fieldsOf[i] as readonly unknown[]).length;
      return { view, at };
    });
    return (this.shape = {
      views: [...views],
      fields,
      framed: frameFields(fields, layout.encoding),
      encoding: layout.encoding,
      decode: (hash, values) => parts.map(({ view, at }) => decodeRow(layout, hash, view, values, at)),
    });
  }

  private bytesOf(name: string): string | Buffer {
    return this.layout.encoding === 'utf8' ? name : Buffer.from(name, this.layout.encoding);
  }

  /** @throws MillraceError STORE_FAILED if any could not be written; others may have been */
  private async writeEach(
    names: readonly string[],
    args: readonly (readonly (string | Buffer)[])[],
  ): Promise<unknown[]> {
    const calls = names.map((name, i): ScriptCall => ({
      name,
      keys: [this.bytesOf(name)],
      args: args[i] as readonly (string | Buffer)[],
    }));
    return successes(await this.commands.runEach(this.writeScript, calls, WRITE_TIMEOUT_MS));
  }
}

type Known = (Row | null | Error)[];
/** Undefined = a row of a schema that is not known here yet. */
type Decoded = (Known[number] | undefined)[];

function decodeRow(
  layout: RowLayout,
  hash: string,
  view: FeatureView,
  values: readonly (Buffer | null)[],
  at: number,
): Decoded[number] {
  try {
    return layout.decode(view, values, at);
  } catch (error) {
    if (error instanceof MillraceError) return error;
    const sentence = `The row of "${view.name}" in the hash ${JSON.stringify(hash)} cannot be decoded.`;
    return new MillraceError('STORE_FAILED', sentence, { cause: error });
  }
}

function checkWrite({ view, key, row }: RowWrite): void {
  checkEntityKeyLength(view.entity, key);
  if (row.length === view.features.length + 1) return;
  throw new Error(`a row of ${view.name} has ${view.features.length} values, got ${row.length - 1}`);
}

function isOtherType(reply: unknown): boolean {
  return reply instanceof Error && reply.message.startsWith('WRONGTYPE');
}

/** No row, and none that could be read later: the key is somebody else's. */
function otherTypeFailures({ name, views }: EntityRead): Error[] {
  const sentence = `Redis: the key ${JSON.stringify(name)} holds no hash; it cannot be a row. Rename or delete it.`;
  return views.map(() => new MillraceError('STORE_FAILED', sentence));
}
