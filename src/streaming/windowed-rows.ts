/**
 * Rows of streaming views, from tiles in memory: those of the entities that were asked for or that events came for
 * lately, within a limit of memory. The applier puts events into the very tiles that are read here, so an event is in
 * the next prediction before it is stored with them. That is sound: it is in the log already, and will be applied by
 * somebody.
 *
 * Tiles that have events in them which are not stored are pinned: they leave the memory when they are stored, not
 * before. What other processes change is forgotten at the first read of each turn of the event loop.
 */
import { LRUCache } from 'lru-cache';
import type { EntityKey, Row, RowKey } from '../features/online-store.ts';
import type { FeatureView } from '../project/project.ts';
import type { EntityTiles } from './entity-tiles.ts';
import type { StoredTiles } from './stored-tiles.ts';
import type { TilePlan } from './tile-plan.ts';
import { tiledName } from './tile-store.ts';
import type { StoredTile, TiledEntity, TileStore } from './tile-store.ts';

export interface WindowedRows {
  /** As `RowSource.get`, of a view with a stream. */
  get(view: FeatureView, key: EntityKey, asOfMs: number, isHistorical: boolean): Row | null | undefined;
  read(keys: readonly RowKey[], asOfMs: number, isHistorical: boolean): Promise<(Row | null)[]>;

  /** For whoever applies events to one partition: the tiles of its entities, pinned until `release`. */
  take(entities: readonly TiledEntity[]): Promise<readonly TakenTiles[]>;
  /** @param isStored whether all that was changed is stored; else it is forgotten */
  release(taken: readonly TakenTiles[], isStored: boolean): void;
  /** Somebody else has applied events of the partition. */
  forgetPartition(partition: number): void;
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
  readonly partitionOf: (view: FeatureView, key: EntityKey) => number;
  readonly memoryBytesMax: number;
}

interface Kept extends TakenTiles {
  readonly measuredAtMs: number;
}

interface Reading {
  readonly partition: number;
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
  /** Names of pinned tiles that somebody else has changed: not to be kept. */
  private readonly outdated = new Set<string>();
  /** Reads of tiles that are not here yet, and that nobody has changed since they began. */
  private readonly reading = new Map<string, Reading>();
  private isFresh = false;

  constructor(parts: WindowedRowsParts) {
    this.parts = parts;
    this.kept = new LRUCache({ maxSize: Math.max(1, parts.memoryBytesMax) });
  }

  get(view: FeatureView, key: EntityKey, asOfMs: number, isHistorical: boolean): Row | null | undefined {
    return this.find(view, key)?.tiles.read(asOfMs, isHistorical);
  }

  async read(keys: readonly RowKey[], asOfMs: number, isHistorical: boolean): Promise<(Row | null)[]> {
    const found = await Promise.all(
      keys.map(async ({ view, key }) => this.find(view, key) ?? (await this.load(this.entityOf(view, key)))),
    );
    return found.map(({ tiles }) => tiles.read(asOfMs, isHistorical));
  }

  async take(entities: readonly TiledEntity[]): Promise<readonly TakenTiles[]> {
    const taken = await Promise.all(
      entities.map(async (entity) => this.find(entity.view, entity.key) ?? (await this.load(entity))),
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
      const isOutdated = this.outdated.delete(name);
      if (!isStored || isOutdated || each === undefined) this.kept.delete(name);
      else if (this.kept.peek(name) !== each || nowMs - each.measuredAtMs > MEASURE_EVERY_MS)
        this.keep(entity, each.tiles);
    }
  }

  forgetPartition(partition: number): void {
    for (const [name, { entity }] of this.kept.entries())
      if (entity.partition === partition) this.kept.delete(name);
    for (const [name, read] of this.reading) if (read.partition === partition) this.reading.delete(name);
  }

  /** Once a turn. */
  private forgetChanged(): void {
    if (this.isFresh) return;
    this.isFresh = true;
    setImmediate(() => (this.isFresh = false));
    const changed = this.parts.store.takeChanged();
    if (changed === undefined) {
      this.kept.clear();
      this.reading.clear();
    }
    for (const name of changed ?? this.pinned.keys()) {
      this.kept.delete(name);
      this.reading.delete(name);
      if (this.pinned.has(name)) this.outdated.add(name);
    }
  }

  private find(view: FeatureView, key: EntityKey): Kept | undefined {
    this.forgetChanged();
    const name = tiledName({ view, key });
    const found = this.pinned.get(name) ?? this.kept.get(name);
    if (found !== undefined) return found;
    const entity = this.entityOf(view, key);
    const tiles = this.parts.store.get(entity);
    return tiles === undefined ? undefined : this.keepStored(entity, tiles);
  }

  private async load(entity: TiledEntity): Promise<Kept> {
    const name = tiledName(entity);
    const known = this.reading.get(name);
    if (known !== undefined) return known.tiles;
    const read: Reading = { partition: entity.partition, tiles: this.loadStored(entity, () => isCurrent()) };
    const isCurrent = (): boolean => this.reading.get(name) === read;
    this.reading.set(name, read);
    try {
      return await read.tiles;
    } finally {
      if (isCurrent()) this.reading.delete(name);
    }
  }

  /** What was changed while it was read is for those who wait for it only. */
  private async loadStored(entity: TiledEntity, isCurrent: () => boolean): Promise<Kept> {
    const [tiles = []] = await this.parts.store.read([entity]);
    return isCurrent() ? this.keepStored(entity, tiles) : this.keptOf(entity, this.decode(entity, tiles));
  }

  private keepStored(entity: TiledEntity, stored: readonly StoredTile[]): Kept {
    return this.keep(entity, this.decode(entity, stored));
  }

  private decode(entity: TiledEntity, stored: readonly StoredTile[]): EntityTiles {
    return this.parts.stored.decode(this.planOf(entity.view), stored);
  }

  private keptOf(entity: TiledEntity, tiles: EntityTiles): Kept {
    return { entity, plan: this.planOf(entity.view), tiles, measuredAtMs: performance.now() };
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
