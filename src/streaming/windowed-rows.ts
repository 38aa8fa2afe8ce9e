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
import type { TiledEntity, TileStore } from './tile-store.ts';

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
  bytes: number;
  measuredAtMs: number;
}

/** Measuring looks at every tile of an entity, so not after every event. */
const MEASURE_EVERY_MS = 1000;

export function createWindowedRows(parts: WindowedRowsParts): WindowedRows {
  const { plans, store, stored, partitionOf } = parts;
  const kept = new LRUCache<string, Kept>({ maxSize: Math.max(1, parts.memoryBytesMax) });
  const pinned = new Map<string, Kept>();
  /** Reads of tiles that are not here yet. */
  const reading = new Map<string, Promise<Kept>>();
  let isFresh = false;

  /** Once a turn. */
  function forgetChanged(): void {
    if (isFresh) return;
    isFresh = true;
    setImmediate(() => (isFresh = false));
    const changed = store.takeChanged();
    if (changed === undefined) kept.clear();
    else for (const name of changed) kept.delete(name);
  }

  function known(name: string): Kept | undefined {
    return pinned.get(name) ?? kept.get(name);
  }

  function planOf(view: FeatureView): TilePlan {
    const plan = plans.get(view);
    if (plan === undefined) throw new Error(`feature view ${view.name} has no stream`);
    return plan;
  }

  function entityOf(view: FeatureView, key: EntityKey): TiledEntity {
    return { view, key, partition: partitionOf(view, key) };
  }

  function keep(entity: TiledEntity, tiles: EntityTiles): Kept {
    const made = {
      entity,
      plan: planOf(entity.view),
      tiles,
      bytes: tiles.bytes(),
      measuredAtMs: performance.now(),
    };
    kept.set(tiledName(entity), made, { size: made.bytes });
    return made;
  }

  function find(view: FeatureView, key: EntityKey): Kept | undefined {
    forgetChanged();
    const found = known(tiledName({ view, key }));
    if (found !== undefined) return found;
    const entity = entityOf(view, key);
    const tiles = store.get(entity);
    return tiles === undefined ? undefined : keep(entity, stored.decode(planOf(view), tiles));
  }

  async function load(entity: TiledEntity): Promise<Kept> {
    const name = tiledName(entity);
    const under = reading.get(name);
    if (under !== undefined) return under;
    const read = store
      .read([entity])
      .then(([tiles = []]) => keep(entity, stored.decode(planOf(entity.view), tiles)))
      .finally(() => reading.delete(name));
    reading.set(name, read);
    return read;
  }

  return {
    get: (view, key, asOfMs, isHistorical) => find(view, key)?.tiles.read(asOfMs, isHistorical),

    async read(keys, asOfMs, isHistorical) {
      const found = await Promise.all(
        keys.map(async ({ view, key }) => find(view, key) ?? (await load(entityOf(view, key)))),
      );
      return found.map(({ tiles }) => tiles.read(asOfMs, isHistorical));
    },

    async take(entities) {
      forgetChanged();
      const taken = await Promise.all(
        entities.map(async (entity) => find(entity.view, entity.key) ?? (await load(entity))),
      );
      for (const each of taken) pinned.set(tiledName(each.entity), each);
      return taken;
    },

    release(taken, isStored) {
      const nowMs = performance.now();
      for (const { entity } of taken) {
        const name = tiledName(entity);
        const each = pinned.get(name);
        pinned.delete(name);
        if (!isStored) kept.delete(name);
        else if (each !== undefined && kept.peek(name) !== each) keep(entity, each.tiles);
        else if (each !== undefined && nowMs - each.measuredAtMs > MEASURE_EVERY_MS) {
          kept.delete(name);
          keep(entity, each.tiles);
        }
      }
    },

    forgetPartition(partition) {
      for (const [name, { entity }] of kept.entries()) if (entity.partition === partition) kept.delete(name);
    },
  };
}
