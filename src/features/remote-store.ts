/**
 * A store behind a network, as the cache in front of it sees it (cached-store.ts). It keeps nothing in memory, it may
 * be away, and it tells what changes in it, so that the cache can forget that.
 */
import type { FeatureView } from '../project/project.ts';
import type { EntityKey, Row, RowWrite, WriteOutcome } from './online-store.ts';

/**
 * A part of the store that is reached, lost and told about as one: a node of a cluster, or all of a single one. The
 * same object for as long as the store is open; its fields change.
 */
export interface Shard {
  /**
   * Counts the times without a gap in what is told of changes; 0 = at the moment they are not told. What was read in
   * one epoch is true for as long as the epoch lasts and no change of it is told.
   */
  readonly epoch: number;
  /** Whether reads fail at once at the moment, because it does not answer. */
  readonly isAway: boolean;
}

/** Rows of one entity key. */
export interface EntityRead {
  readonly name: string;
  /** Views of one entity. */
  readonly views: readonly FeatureView[];
}

/** Rows that were asked for lately, by the name of their entity. */
export type RecentRows = Readonly<
  Record<string, { readonly views: readonly string[]; readonly keys: readonly EntityKey[] }>
>;

export interface RemoteStore {
  /**
   * One name for all rows of one entity with this key: what is read and what changes are told by. Different entities
   * and keys have different names.
   */
  nameOf(view: FeatureView, key: EntityKey): string;

  /** The part of the store that holds what has this name. */
  shardOf(name: string): Shard;

  /** Whether any part of it does not answer at the moment. */
  readonly isAway: boolean;

  /**
   * Reads rows in as few round trips as there are shards, within a time limit. For each read the rows of its views,
   * null = there is no such row, an Error = what is there is no row of this view; or undefined if they could not be
   * read. Never rejects.
   */
  read(reads: readonly EntityRead[]): Promise<((Row | null | Error)[] | undefined)[]>;

  /**
   * As `OnlineStore.write`.
   * @throws MillraceError STORE_FAILED, KEY_TOO_LONG
   */
  write(rows: readonly RowWrite[]): Promise<WriteOutcome[]>;

  /**
   * Calls back with the names of what has changed, by whomever, in the epochs of their shards. To be called once,
   * before the first read.
   */
  onChange(changed: (names: readonly string[]) => void): void;

  /** What `keepRecent` was last given, by any server, up to so many keys; what is no such list is none. */
  recent(keysMax: number): Promise<RecentRows>;
  keepRecent(rows: RecentRows): Promise<void>;

  close(): Promise<void>;
}
