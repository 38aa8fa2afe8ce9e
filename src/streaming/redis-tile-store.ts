/**
 * Tiles in Redis (redis-tile-layout.ts). Keeps none in memory: the rows that are read from them do (windowed-rows.ts).
 *
 * A commit is one script, which does nothing where the offset is not the one that the batch began at: so each event is in
 * the tiles once, whichever servers apply, and whenever one of them or Redis is killed. It is as durable as Redis is
 * configured (`appendfsync`).
 *
 * Cost: a batch takes four round trips and about 1 us of Redis for each tile that it changes, so batches are smaller than
 * those of LMDB: nobody else is served by Redis while a script runs.
 */
import { encodeSetAside } from '../events/set-aside-entry.ts';
import type { RedisSetAsideLog } from '../events/redis-set-aside-log.ts';
import { WRITE_TIMEOUT_MS, redisFailure } from '../redis/redis-commands.ts';
import type { RedisCommands } from '../redis/redis-commands.ts';
import type { RedisConnection } from '../redis/redis-connection.ts';
import type { RedisArgument, RedisCommand, RedisShard } from '../redis/redis-shard.ts';
import { createTileChanges } from './redis-tile-changes.ts';
import type { CommitEntry, TileChanges } from './redis-tile-changes.ts';
import {
  commitScript,
  maxText,
  readPosition,
  readTiles,
  tileArguments,
  tileNames,
} from './redis-tile-layout.ts';
import type { TileNames } from './redis-tile-layout.ts';
import { createRedisSweep } from './redis-tile-sweep.ts';
import { FORM_ID_BYTES, tiledName } from './tile-store.ts';
import type {
  AppliedBatch,
  Position,
  ReadPatience,
  StoredTile,
  SweepStep,
  SweptTile,
  TiledEntity,
  TileForm,
  TileStore,
} from './tile-store.ts';

export interface RedisTileStoreParts {
  readonly project: string;
  readonly partitionCount: number;
  /** To be told of `tileNames(project).appliedPrefix`. Stays open: it is its owner's. */
  readonly connection: RedisConnection;
  readonly commands: RedisCommands;
  readonly readTimeoutMs: number;
  readonly deadLetters: RedisSetAsideLog;
  readonly corrections: RedisSetAsideLog;
}

const BATCH_ENTITIES_MAX = 256;

/** @throws MillraceError STORE_FAILED */
export async function openRedisTileStore(parts: RedisTileStoreParts): Promise<TileStore> {
  const store = new RedisTileStore(parts);
  await store.begin();
  return store;
}

class RedisTileStore implements TileStore {
  readonly batchEntitiesMax = BATCH_ENTITIES_MAX;
  private readonly parts: RedisTileStoreParts;
  private readonly names: TileNames;
  private readonly partitions: readonly number[];
  /** The name of each partition's position, by which it is found. */
  private readonly placeNames: readonly string[];
  private readonly forms = new Map<number, TileForm>();
  private readonly changes: TileChanges;
  private readonly sweeper: (tilesMax: number, isExpired: (tile: SweptTile) => boolean) => Promise<SweepStep>;
  /** Partitions of which something has changed, or is not known. */
  private readonly toLook = new Set<number>();
  private looking: Promise<void> | undefined;
  private isClosed = false;

  constructor(parts: RedisTileStoreParts) {
    this.parts = parts;
    this.names = tileNames(parts.project);
    const { connection, commands, partitionCount } = parts;
    this.partitions = Array.from({ length: partitionCount }, (_, partition) => partition);
    this.placeNames = this.partitions.map((partition) => this.names.applied(partition));
    this.changes = createTileChanges((partition) => this.shardOf(partition));
    this.sweeper = createRedisSweep(this.names, partitionCount, commands);
    connection.onChange((names) => this.heard(names));
  }

  async begin(): Promise<void> {
    await this.readForms();
    await this.positions(this.partitions);
  }

  async position(partition: number): Promise<Position> {
    const [position] = await this.positions([partition]);
    return position as Position;
  }

  get(): undefined {
    return undefined;
  }

  async read(
    entities: readonly TiledEntity[],
    patience: ReadPatience = 'prediction',
  ): Promise<(readonly StoredTile[])[]> {
    const names = entities.map((entity) => this.names.tiles(entity.partition, tiledName(entity)));
    const command = (i: number): RedisCommand => ['HGETALL', names[i] as string];
    const timeoutMs = patience === 'prediction' ? this.parts.readTimeoutMs : WRITE_TIMEOUT_MS;
    const replies = await this.parts.commands.sendAll(names, command, timeoutMs);
    const found = replies.map((reply) => readTiles(reply as Buffer[]));
    if (found.some((tiles) => tiles.some(({ bytes }) => !this.isKnownForm(bytes)))) await this.readForms();
    return found;
  }

  async commit(batch: AppliedBatch): Promise<boolean> {
    const { partition, from, to } = batch;
    const { deadLetters, corrections, commands } = this.parts;
    const { changed, keys, args } = tileArguments(this.names, batch);
    const name = this.names.applied(partition);
    const call = {
      name,
      keys: [
        name,
        this.names.changes(partition),
        this.names.entities(partition),
        deadLetters.keyOf(partition),
        corrections.keyOf(partition),
        ...keys,
      ] as [string, ...string[]],
      args: [
        from.offset,
        to.offset,
        maxText(to.maxTimeMs),
        this.changes.by,
        JSON.stringify(changed),
        ...setAsideArguments(batch.deadLetters),
        ...setAsideArguments(batch.corrections),
        ...args,
      ],
    };
    const [reply] = await commands.runEach(commitScript, [call], WRITE_TIMEOUT_MS);
    if (reply instanceof Error) {
      // It may be carried out yet.
      this.changes.rename();
      throw redisFailure(reply);
    }
    if (reply !== 1) return false;
    this.changes.applied(partition, from.offset, to.offset);
    return true;
  }

  takeChanged(): readonly string[] {
    for (const partition of this.partitions)
      if (this.changes.epochOf(partition) === 0 && !this.isAway(partition)) this.lookAt(partition);
    return this.changes.take();
  }

  epochOf(partition: number): number {
    return this.changes.epochOf(partition);
  }

  isAway(partition: number): boolean {
    return this.shardOf(partition).isAway;
  }

  async sweep(tilesMax: number, isExpired: (tile: SweptTile) => boolean): Promise<SweepStep> {
    return this.sweeper(tilesMax, isExpired);
  }

  async registerForm(id: number, form: TileForm): Promise<void> {
    const command: RedisCommand = ['HSETNX', this.names.forms, String(id), JSON.stringify(form)];
    await this.parts.commands.send(this.names.forms, command, WRITE_TIMEOUT_MS);
    this.forms.set(id, form);
  }

  formOf(id: number): TileForm | undefined {
    return this.forms.get(id);
  }

  async close(): Promise<void> {
    this.isClosed = true;
    await this.looking;
  }

  private shardOf(partition: number): RedisShard {
    return this.parts.connection.shardOf(this.placeNames[partition] as string);
  }

  private async positions(partitions: readonly number[]): Promise<Position[]> {
    const looks = partitions.map((partition) => this.changes.begin(partition));
    // Two commands for each: the commits after the position, so that none of those before it is missing.
    const names = partitions.flatMap((partition) => [
      this.names.applied(partition),
      this.names.applied(partition),
    ]);
    const command = (i: number): RedisCommand => {
      const at = Math.floor(i / 2);
      if (i % 2 === 0) return ['HMGET', names[i] as string, 'offset', 'max'];
      return ['XRANGE', this.names.changes(partitions[at] as number), ...rangeBehind(looks[at]?.seen)];
    };
    const replies = await this.parts.commands.sendAll(names, command, WRITE_TIMEOUT_MS);
    return looks.map((look, i) => {
      const position = readPosition(replies[2 * i] as (Buffer | null)[]);
      this.changes.end(look, position.offset, readCommits(replies[2 * i + 1]));
      return position;
    });
  }

  private heard(names: readonly Buffer[] | undefined): void {
    for (const name of names ?? []) {
      const partition = this.names.partitionOf(String(name));
      if (partition !== undefined && partition < this.parts.partitionCount) this.lookAt(partition);
    }
  }

  /** All that is heard of while one look is under way shares the next. */
  private lookAt(partition: number): void {
    if (this.isClosed) return;
    this.toLook.add(partition);
    this.looking ??= this.look().finally(() => (this.looking = undefined));
  }

  private async look(): Promise<void> {
    while (this.toLook.size > 0 && !this.isClosed) {
      const partitions = [...this.toLook];
      this.toLook.clear();
      // What fails leaves the epoch as it is; the connection ends it.
      await this.positions(partitions).catch(() => undefined);
    }
  }

  private isKnownForm(bytes: Buffer): boolean {
    return bytes.length < FORM_ID_BYTES || this.forms.has(bytes.readUIntBE(0, FORM_ID_BYTES));
  }

  private async readForms(): Promise<void> {
    const { commands, readTimeoutMs } = this.parts;
    const { forms } = this.names;
    const reply = (await commands.send(forms, ['HGETALL', forms], readTimeoutMs)) as Buffer[];
    for (let i = 0; i + 1 < reply.length; i += 2)
      this.forms.set(Number(String(reply[i])), JSON.parse(String(reply[i + 1])) as TileForm);
  }
}

function setAsideArguments(entries: AppliedBatch['deadLetters']): RedisArgument[] {
  return [entries.length, ...entries.map(encodeSetAside)];
}

/** Of XRANGE. Backwards, it is empty. */
function rangeBehind(seen: number | undefined): [string, string] {
  return seen === undefined ? ['+', '-'] : [`${seen + 1}-0`, '+'];
}

function readCommits(reply: unknown): CommitEntry[] {
  return (reply as readonly (readonly [Buffer, readonly Buffer[]])[]).map(([id, fields]) => ({
    to: Number.parseInt(String(id), 10),
    from: Number(String(fields[1])),
    by: String(fields[3]),
    names: JSON.parse(String(fields[5])) as string[],
  }));
}
