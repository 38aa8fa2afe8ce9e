/**
 * Rows of streaming views, from tiles in memory: those of the entities that were asked for or that events came for
 * lately, within a limit of memory. The applier puts events into the very tiles that are read here, so an event is in
 * the next prediction before it is stored with them. That is sound: it is in the log already, and will be applied by
 * somebody.
 *
 * - Tiles that have events in them which are not stored are pinned: they leave the memory when they are stored, not
 *   before.
 * - What other processes change is not true any more from the first read of the next turn of the event loop on; nor is
 *   anything of a partition of which changes may have been missed. It is read again.
 * - While the store is away, what was true last is given, up to `staleMsMax` after it was. What is not in memory then is
 *   missing, or an error, as its view says (`on_unavailable`).
 */
import { LRUCache } from 'lru-cache';
import { MillraceError } from '../errors.ts';
import type { EntityKey, Row, RowKey } from '../features/online-store.ts';
import type { FeatureView } from '../project/project.ts';
import type { EntityTiles } from './entity-tiles.ts';
import { UnreadableTileError } from './stored-tiles.ts';
import type { StoredTiles } from './stored-tiles.ts';
import type { TilePlan } from './tile-plan.ts';
import { tiledName } from './tile-store.ts';
import type { ReadPatience, StoredTile, TiledEntity, TileStore } from './tile-store.ts';

export interface WindowedRows {
  /** As `RowSource.get`, of a view with a stream. */
  get(view: FeatureView, key: EntityKey, asOfMs: number, isHistorical: boolean): Row | null | undefined;
  read(keys: readonly RowKey[], asOfMs: number, isHistorical: boolean): Promise<(Row | null)[]>;

  /** How long ago a row was last known to be true that was just given; 0 = it is. */
  staleMs(row: Row | null): number;

  /**
   * For whoever applies events to one partition: the tiles of its entities, pinned until `release`.
   * @throws MillraceError STORE_FAILED
   */
  take(entities: readonly TiledEntity[]): Promise<readonly TakenTiles[]>;
  /** @param isStored whether all that was changed is stored; else it is read again */
  release(taken: readonly TakenTiles[], isStored: boolean): void;
}

export interface TakenTiles {
  readonly entity: TiledEntity;
  readonly plan: TilePlan;
  readonly tiles: EntityTiles;
}

export interface WindowedRowsParts {
  readonly plans: ReadonlyMap<FeatureView, TilePlan>;
  readonly store: TileStore;
  readonly stored: StoredTiles;
  readonly partitionCount: number;
  readonly partitionOf: (view: FeatureView, key: EntityKey) => number;
  readonly memoryBytesMax: number;
  readonly staleMsMax: number;
}

interface Kept extends TakenTiles {
  readonly measuredAtMs: number;
  /** How many epochs of its partition had ended. */
  readonly epochsEnded: number;
  /** When it was true last; undefined = it is, or was until its epoch ended. */
  trueUntilMs: number | undefined;
}

interface Reading {
  readonly epoch: number;
  readonly patience: ReadPatience;
  readonly tiles: Promise<Kept>;
}

/** Measuring looks at every tile of an entity, so not after every event. */
const MEASURE_EVERY_MS = 1000;

export function createWindowedRows(parts: WindowedRowsParts): WindowedRows {
  return new TilesInMemory(parts);
}

class TilesInMemory implements WindowedRows {
  private readonly parts: WindowedRowsParts;
  private readonly kept: LRUCache<string, Kept>;
  private readonly pinned = new Map<string, Kept>();
  /** Names of pinned tiles that are not to be kept as true: somebody else has changed them, or may have. */
  private readonly outdated = new Set<string>();
  /** Reads of tiles that are not here yet, and that nobody has changed since they began. */
  private readonly reading = new Map<string, Reading>();
  /** Of each partition, as of the last look. */
  private readonly epochs: number[] = [];
  private readonly ends: readonly EpochEnds[];
  /** Rows that were given while the store was away, and when they were true last. */
  private readonly staleRows = new WeakMap<Row, number>();
  private isFresh = false;

  constructor(parts: WindowedRowsParts) {
    this.parts = parts;
    this.kept = new LRUCache({ maxSize: Math.max(1, parts.memoryBytesMax) });
    this.ends = Array.from({ length: parts.partitionCount }, () => new EpochEnds(parts.staleMsMax));
  }

  get(view: FeatureView, key: EntityKey, asOfMs: number, isHistorical: boolean): Row | null | undefined {
    const found = this.findReadable(view, key);
    if (found === null) return null;
    if (found !== undefined) return found.tiles.read(asOfMs, isHistorical);
    if (!this.parts.store.isAway(this.parts.partitionOf(view, key))) return undefined;
    const last = this.lastTrue(view, key);
    return last && this.staleRow(last, asOfMs, isHistorical);
  }

  async read(keys: readonly RowKey[], asOfMs: number, isHistorical: boolean): Promise<(Row | null)[]> {
    return Promise.all(keys.map(async ({ view, key }) => this.readOne(view, key, asOfMs, isHistorical)));
  }

  staleMs(row: Row | null): number {
    const trueUntilMs = row === null ? undefined : this.staleRows.get(row);
    return trueUntilMs === undefined ? 0 : performance.now() - trueUntilMs;
  }

  async take(entities: readonly TiledEntity[]): Promise<readonly TakenTiles[]> {
    // Also of this turn: what is taken must be true as of the position that was read in it.
    this.forgetChanged();
    const taken = await Promise.all(
      entities.map(
        async (entity) => this.find(entity.view, entity.key) ?? (await this.load(entity, 'applier')),
      ),
    );
    for (const each of taken) this.pinned.set(tiledName(each.entity), each);
    return taken;
  }

  release(taken: readonly TakenTiles[], isStored: boolean): void {
    const nowMs = performance.now();
    for (const { entity } of taken) {
      const name = tiledName(entity);
      const each = this.pinned.get(name);
      this.pinned.delete(name);
      // A read that began before these events were stored would bring back tiles without them.
      this.reading.delete(name);
      const isOutdated = this.outdated.delete(name) || this.parts.store.epochOf(entity.partition) === 0;
      if (each === undefined) continue;
      if (this.kept.peek(name) !== each || nowMs - each.measuredAtMs > MEASURE_EVERY_MS)
        this.keep(entity, each.tiles);
      if (!isStored || isOutdated) this.outdate(name);
    }
  }

  /** Once a turn. */
  private refresh(): void {
    if (this.isFresh) return;
    this.isFresh = true;
    setImmediate(() => (this.isFresh = false));
    this.forgetChanged();
  }

  private forgetChanged(): void {
    for (const name of this.parts.store.takeChanged()) this.outdate(name);
    for (let partition = 0; partition < this.parts.partitionCount; partition++) {
      const epoch = this.parts.store.epochOf(partition);
      if (epoch !== this.epochs[partition]) this.endEpoch(partition);
      this.epochs[partition] = epoch;
    }
  }

  /** Walks through none but those that are pinned: there may be a million others. */
  private endEpoch(partition: number): void {
    this.ends[partition]?.add(performance.now());
    for (const [name, { entity }] of this.pinned) if (entity.partition === partition) this.outdate(name);
  }

  private outdate(name: string): void {
    this.reading.delete(name);
    if (this.pinned.has(name)) this.outdated.add(name);
    const kept = this.kept.peek(name);
    if (kept !== undefined) kept.trueUntilMs = this.trueUntilMs(kept) ?? performance.now();
  }

  private trueUntilMs({ entity, epochsEnded, trueUntilMs }: Kept): number | undefined {
    return trueUntilMs ?? this.ends[entity.partition]?.endMs(epochsEnded);
  }

  private find(view: FeatureView, key: EntityKey): Kept | undefined {
    this.refresh();
    const name = tiledName({ view, key });
    const pinned = this.pinned.get(name);
    if (pinned !== undefined) return pinned;
    const kept = this.kept.get(name);
    if (kept !== undefined && this.trueUntilMs(kept) === undefined) return kept;
    const entity = this.entityOf(view, key);
    const tiles = this.parts.store.get(entity);
    return tiles === undefined ? undefined : this.keepStored(entity, tiles);
  }

  /** Null = what is stored of it cannot be read, and its view can do without. */
  private findReadable(view: FeatureView, key: EntityKey): Kept | null | undefined {
    try {
      return this.find(view, key);
    } catch (error) {
      if (error instanceof UnreadableTileError) return withoutTiles(view, error);
      throw error;
    }
  }

  private async readOne(
    view: FeatureView,
    key: EntityKey,
    asOfMs: number,
    isHistorical: boolean,
  ): Promise<Row | null> {
    try {
      const found = this.find(view, key) ?? (await this.load(this.entityOf(view, key), 'prediction'));
      return found.tiles.read(asOfMs, isHistorical);
    } catch (error) {
      if (error instanceof UnreadableTileError) return withoutTiles(view, error);
      if (!(error instanceof MillraceError) || error.code !== 'STORE_FAILED') throw error;
      const last = this.lastTrue(view, key);
      if (last !== undefined) return this.staleRow(last, asOfMs, isHistorical);
      if (view.onUnavailable === 'default') return null;
      throw error;
    }
  }

  /** What may be given while the store is away. */
  private lastTrue(view: FeatureView, key: EntityKey): Kept | undefined {
    const kept = this.kept.get(tiledName({ view, key }));
    const trueUntilMs = kept && this.trueUntilMs(kept);
    if (trueUntilMs === undefined) return kept;
    return performance.now() - trueUntilMs > this.parts.staleMsMax ? undefined : kept;
  }

  private staleRow(kept: Kept, asOfMs: number, isHistorical: boolean): Row | null {
    const trueUntilMs = this.trueUntilMs(kept);
    const row = kept.tiles.read(asOfMs, isHistorical);
    if (row !== null && trueUntilMs !== undefined) this.staleRows.set(row, trueUntilMs);
    return row;
  }

  private async load(entity: TiledEntity, patience: ReadPatience): Promise<Kept> {
    const name = tiledName(entity);
    const epoch = this.parts.store.epochOf(entity.partition);
    const known = this.reading.get(name);
    // Without an epoch nothing tells whether it was read before somebody else changed it.
    if (epoch !== 0 && known?.epoch === epoch && known.patience === patience) return known.tiles;
    const tiles = this.loadStored(entity, patience, () => isCurrent());
    const read: Reading = { epoch, patience, tiles };
    const isCurrent = (): boolean => this.reading.get(name) === read;
    this.reading.set(name, read);
    try {
      return await read.tiles;
    } finally {
      if (isCurrent()) this.reading.delete(name);
    }
  }

  /** What was changed while it was read is for those who wait for it only. */
  private async loadStored(
    entity: TiledEntity,
    patience: ReadPatience,
    isCurrent: () => boolean,
  ): Promise<Kept> {
    const { store } = this.parts;
    const epoch = store.epochOf(entity.partition);
    const [tiles = []] = await store.read([entity], patience);
    if (!isCurrent()) return this.keptOf(entity, this.decode(entity, tiles));
    const kept = this.keepStored(entity, tiles);
    // The best that is known, should the store go away.
    if (epoch === 0 || epoch !== store.epochOf(entity.partition)) this.outdate(tiledName(entity));
    return kept;
  }

  private keepStored(entity: TiledEntity, stored: readonly StoredTile[]): Kept {
    return this.keep(entity, this.decode(entity, stored));
  }

  private decode(entity: TiledEntity, stored: readonly StoredTile[]): EntityTiles {
    return this.parts.stored.decode(this.planOf(entity.view), stored);
  }

  private keptOf(entity: TiledEntity, tiles: EntityTiles): Kept {
    return {
      entity,
      plan: this.planOf(entity.view),
      tiles,
      measuredAtMs: performance.now(),
      epochsEnded: this.ends[entity.partition]?.count ?? 0,
      trueUntilMs: undefined,
    };
  }

  /** The cache measures an entry only when it is new. */
  private keep(entity: TiledEntity, tiles: EntityTiles): Kept {
    const name = tiledName(entity);
    const kept = this.keptOf(entity, tiles);
    this.kept.delete(name);
    this.kept.set(name, kept, { size: tiles.bytes() });
    return kept;
  }

  private planOf(view: FeatureView): TilePlan {
    const plan = this.parts.plans.get(view);
    if (plan === undefined) throw new Error(`feature view ${view.name} has no stream`);
    return plan;
  }

  private entityOf(view: FeatureView, key: EntityKey): TiledEntity {
    return { view, key, partition: this.parts.partitionOf(view, key) };
  }
}

/** When the epochs of a partition ended, for as long as somebody is given what was true in them. */
class EpochEnds {
  count = 0;
  private readonly keptMs: number;
  private readonly endsMs = new Map<number, number>();

  constructor(keptMs: number) {
    this.keptMs = keptMs;
  }

  add(nowMs: number): void {
    for (const [number, endMs] of this.endsMs) {
      if (nowMs - endMs <= this.keptMs) break;
      this.endsMs.delete(number);
    }
    this.endsMs.set(this.count++, nowMs);
  }

  /** @param number how many had ended before it; undefined = it lasts */
  endMs(number: number): number | undefined {
    return number === this.count ? undefined : (this.endsMs.get(number) ?? -Infinity);
  }
}

/**
 * What is damaged is to a prediction as if the store were away.
 * @throws MillraceError STORE_FAILED
 */
function withoutTiles({ name, onUnavailable }: FeatureView, error: UnreadableTileError): null {
  if (onUnavailable === 'default') return null;
  throw new MillraceError('STORE_FAILED', `What is stored of "${name}" is damaged.`, { cause: error });
}
