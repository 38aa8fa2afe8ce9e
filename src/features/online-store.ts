/**
 * The online store: the latest row of every (feature view, entity key). One interface, several stores, one contract
 * suite (test/contract/online-store.ts) that all pass.
 *
 * Writes are compare-and-set on event time: a row never replaces one with a later event time; one with the same event
 * time does replace it, so that a corrected load can be repeated. Ages and max ages are not the store's business: it
 * keeps event times, the reader judges them (feature-status.ts).
 */
import type { FeatureView } from '../project/project.ts';
import type { Value } from '../project/value.ts';

/**
 * A stored row: event time in milliseconds, then the values in the order of the view's features; null = null value.
 * One flat array, because the generated transforms read it by index.
 *
 * Where features are stored one by one, some of a row may never have been written. They are null too, and one more
 * value follows the last feature: an array of their indexes. Only feature-status.ts looks at it.
 */
export type Row = readonly [eventTimeMs: number, ...values: Value[]];

/** An entity key in its canonical form (entity-key.ts): equal keys are equal strings, different keys never are. */
export type EntityKey = string;

/** Names one row. */
export interface RowKey {
  readonly view: FeatureView;
  readonly key: EntityKey;
}

export interface RowWrite extends RowKey {
  readonly row: Row;
}

/** What became of one write: `older` = the stored row has a later event time and stays. */
export type WriteOutcome = 'written' | 'older';

/**
 * What predictions and get-online-features read: rows that are stored, and rows that are computed from events for the
 * moment that is asked about. An online store is one, for which the moment does not matter.
 */
export interface RowSource {
  /**
   * As `OnlineStore.get`.
   * @param isHistorical whether the request named `asOfMs`; false if it is the server's clock
   */
  get(view: FeatureView, key: EntityKey, asOfMs: number, isHistorical: boolean): Row | null | undefined;
  /** As `OnlineStore.read`. */
  read(keys: readonly RowKey[], asOfMs: number, isHistorical: boolean): Promise<(Row | null)[]>;
  /** As `OnlineStore.staleMs`. */
  staleMs(view: FeatureView, key: EntityKey, row: Row | null): number;
}

/**
 * answers; stale: it cannot be asked, and memory answers with what was read before; away: no longer so, and each view
 * says what it is read as; failing: reads throw.
 */
export type StoreState = 'answers' | 'stale' | 'away' | 'failing';

export interface OnlineStore {
  /**
   * The row, if memory can answer at once: a row, null (there is none), or undefined (ask `read`). Never waits.
   * @throws MillraceError STORE_FAILED
   */
  get(view: FeatureView, key: EntityKey): Row | null | undefined;

  /**
   * How long ago a row was last known to be true, if it is the row that was just given for this key; 0 = it is true
   * now. More only where the store keeps rows of another one that is away.
   */
  staleMs(view: FeatureView, key: EntityKey, row: Row | null): number;

  /** What reads come to at the moment. Asked often: no I/O. */
  state(): StoreState;

  /**
   * The rows of many keys, in the order asked; null where there is none.
   * @throws MillraceError STORE_FAILED
   */
  read(keys: readonly RowKey[]): Promise<(Row | null)[]>;

  /**
   * Writes rows, in order, and resolves when they are as durable as the store makes them (LMDB: they survive kill -9
   * and power loss). All rows of one entity in one call are written, or none; of an embedded store, all of the call.
   * A call that failed may be repeated.
   * @throws MillraceError STORE_FAILED, KEY_TOO_LONG
   */
  write(rows: readonly RowWrite[]): Promise<WriteOutcome[]>;

  close(): Promise<void>;
}
