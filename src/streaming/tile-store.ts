/**
 * Where tiles are kept between processes and starts. Two stores (LMDB, Redis) behind one interface and one contract
 * suite (test/contract/tile-store.ts).
 *
 * What belongs to one partition of the event log (tiles of its entities, the offset up to which events are in them, the
 * latest event time, events that came too late, and dead letters) changes in one step, and only if the offset still is
 * where the change began. So each event is in the tiles once, however many appliers compete, stop or are killed.
 */
import type { SetAsideEntry } from '../events/set-aside-log.ts';
import type { EntityKey } from '../features/online-store.ts';
import type { FeatureView } from '../project/project.ts';

/** One entity in one view; all its events are in one partition. */
export interface TiledEntity {
  readonly view: FeatureView;
  readonly key: EntityKey;
  readonly partition: number;
}

/** The place of a tile among those of its entity. */
export interface TilePlace {
  readonly tileMs: number;
  readonly startMs: number;
}

/** A tile as a sweep meets it; its view may have left the project. */
export interface SweptTile extends TilePlace {
  readonly view: string;
  readonly key: EntityKey;
}

export interface SweepStep {
  readonly dropped: number;
  /** Whether all tiles were looked at; the next step begins anew. */
  readonly isDone: boolean;
}

/** The id of its form is what a stored tile begins with (stored-tiles.ts). */
export const FORM_ID_BYTES = 6;

export interface StoredTile extends TilePlace {
  readonly bytes: Buffer;
}

/**
 * `prediction`: somebody waits, and is better served with what there is. `applier`: what is given up is asked for again,
 * and would never come where it takes longer than that.
 */
export type ReadPatience = 'prediction' | 'applier';

export interface TileChange extends TilePlace {
  readonly entity: TiledEntity;
  /** Undefined = it is dropped. */
  readonly bytes: Buffer | undefined;
}

/** How far a partition of the log is applied. */
export interface Position {
  /** Of the next event to apply. */
  readonly offset: number;
  /** Time of the latest event that was applied; -Infinity before the first. */
  readonly maxTimeMs: number;
}

export interface AppliedBatch {
  readonly partition: number;
  readonly from: Position;
  readonly to: Position;
  readonly tiles: readonly TileChange[];
  /** Events that could not be applied. */
  readonly deadLetters: readonly SetAsideEntry[];
  /** Events that came too late. */
  readonly corrections: readonly SetAsideEntry[];
}

export interface TileStore {
  /** Of how many entities a batch should change tiles at most, about: a large one holds up what else the store does. */
  readonly batchEntitiesMax: number;

  /**
   * How far a partition is applied. What others have changed until then is told by the next `takeChanged`, or its epoch
   * has ended.
   * @throws MillraceError STORE_FAILED
   */
  position(partition: number): Promise<Position>;

  /** The tiles of an entity, if they can be had at once; undefined = ask `read`. */
  get(entity: TiledEntity): readonly StoredTile[] | undefined;

  /**
   * @param patience how long to wait for a store that is behind a network
   * @throws MillraceError STORE_FAILED
   */
  read(entities: readonly TiledEntity[], patience?: ReadPatience): Promise<(readonly StoredTile[])[]>;

  /**
   * Stores a batch and resolves when it is durable; false = somebody else has applied events of the partition since
   * `from`, and nothing was changed.
   * @throws MillraceError STORE_FAILED: nothing was changed, or it is not known
   */
  commit(batch: AppliedBatch): Promise<boolean>;

  /** Names (`tiledName`) of entities whose tiles others have changed since the last call, of the epochs that last. */
  takeChanged(): readonly string[];

  /**
   * Counts the times without a gap in what `takeChanged` tells of a partition; 0 = at the moment nothing is told. What
   * was read in one epoch is true for as long as the epoch lasts and no change of it is told. To be looked at after
   * `takeChanged`.
   */
  epochOf(partition: number): number;

  /** Whether reads of a partition fail at once at the moment, because its server does not answer. */
  isAway(partition: number): boolean;

  /**
   * Looks at the next tiles, from the first one after the last, and drops those that are expired. Nobody is told: no
   * event in time changes such a tile, and no read needs it.
   * @param tilesMax how many are looked at, about
   */
  sweep(tilesMax: number, isExpired: (tile: SweptTile) => boolean): Promise<SweepStep>;

  /** Keeps what the states of a tile mean, under an id; of an id that is known it is the same. */
  registerForm(id: number, form: TileForm): Promise<void>;
  formOf(id: number): TileForm | undefined;

  close(): Promise<void>;
}

/** What the events are of which a tile is, then the keys of the partials (tile-plan.ts) whose states it holds, in order. */
export type TileForm = readonly string[];

export function tiledName({ view, key }: Pick<TiledEntity, 'view' | 'key'>): string {
  return `${view.name}/${key}`;
}
