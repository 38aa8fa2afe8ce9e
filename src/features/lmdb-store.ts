/**
 * The embedded online store: three databases of an LMDB environment (lmdb/lmdb-environment.ts), which holds other things
 * beside them:
 *
 *   rows      `<view>/<entity key>` in UTF-8 -> a row (row-codec.ts). View names are identifiers, so the first slash
 *             ends the name, no two keys collide, and the rows of one view are one contiguous range.
 *   schemas   which schemas rows were written under, by view (records/lmdb-schemas.ts).
 *   changes   which rows were written lately (row-changes.ts).
 *
 * Invariants: a row's schema is committed before the row. Several processes may read and write at once, with different
 * versions of the project file: each writes under its own schema and converts what it reads.
 *
 * Comparing event times and storing happens on the event loop, inside the transaction: about 2 us a row.
 *
 * A read sees every commit that was acknowledged before the turn of the event loop in which its request came in, also
 * one of another process. The binding alone keeps its view of the data for a timer's millisecond, which is longer than
 * a caller needs to push to one process and ask another: then most of such reads were stale. Rows are kept in memory
 * once they were read (row-memory.ts); at the first read of every turn the store looks up what has changed since, and
 * forgets it.
 *
 * Cost of a read that memory cannot answer: about 0.7 us for 8 features, of which two thirds are LMDB's (Node 20,
 * 2-core machine).
 */
import { openLmdbEnvironment } from '../lmdb/lmdb-environment.ts';
import type { LmdbDatabase, LmdbEnvironment, LmdbOptions } from '../lmdb/lmdb-environment.ts';
import type { FeatureView } from '../project/project.ts';
import { openLmdbSchemas } from '../records/lmdb-schemas.ts';
import type { RowCodec } from '../records/row-codec.ts';
import { createRowCodec } from '../records/row-codec.ts';
import type { RowConversion, Schemas } from '../records/row-schema.ts';
import { createRowConversion } from '../records/row-schema.ts';
import { checkEntityKeyLength } from './entity-key.ts';
import type { EntityKey, OnlineStore, Row, RowWrite, StoreState, WriteOutcome } from './online-store.ts';
import type { RowChanges } from './row-changes.ts';
import { createRowChanges } from './row-changes.ts';
import type { RowMemory } from './row-memory.ts';
import { createRowMemory } from './row-memory.ts';

export interface LmdbStoreOptions {
  /** Stays open when the store is closed. A read-only one makes a store that changes nothing. */
  readonly environment: LmdbEnvironment;
  /** Every view that will be read or written. */
  readonly views: Iterable<FeatureView>;
  /** Memory for rows that were read, about; 0 = keep none. */
  readonly memoryBytesMax?: number;
}

type Rows = LmdbDatabase<string>;

/** How often a store whose reads fail is tried again. */
const TRY_AGAIN_MS = 1000;

/** A view as it is stored. */
interface StoredView {
  readonly view: FeatureView;
  /** What its keys begin with. */
  readonly prefix: string;
  /** Undefined in a read-only store that holds no row of the current schema. */
  readonly schemaId: number | undefined;
  /** By the id of the schema to convert from; filled when such a row is first met. */
  readonly conversions: Map<number, RowConversion>;
}

/**
 * Opens the store in an environment.
 * @throws MillraceError STORE_FAILED
 */
export async function openLmdbStore(options: LmdbStoreOptions): Promise<OnlineStore> {
  const { environment, memoryBytesMax = 0 } = options;
  try {
    const rows = environment.textKeys('rows');
    const all = [...options.views];
    const columns = new Map(all.map((view) => [view.name, view.features]));
    const schemas = await openLmdbSchemas(environment, 'schemas', columns);
    if (rows === undefined || schemas === undefined) throw new Error('it holds no features yet');
    const views = storedViews(all, schemas);
    const records = environment.textKeys('changes');
    const changes = records && createRowChanges(records);
    const memory =
      changes && memoryBytesMax > 0 ? createRowMemory(memoryBytesMax, () => changes.take()) : undefined;
    return createStore({ environment, rows, schemas, views, changes, memory });
  } catch (error) {
    throw environment.failure(error);
  }
}

/**
 * Opens the store in a folder where this process keeps nothing else: its environment is closed with it.
 * @throws MillraceError STORE_FAILED
 */
export async function openLmdbStoreAlone(
  options: Omit<LmdbStoreOptions, 'environment'> & LmdbOptions,
): Promise<OnlineStore> {
  const environment = await openLmdbEnvironment(options);
  try {
    const store = await openLmdbStore({ ...options, environment });
    const close = async (): Promise<void> => {
      await store.close();
      await environment.close();
    };
    return { ...store, close };
  } catch (error) {
    await environment.close();
    throw error;
  }
}

function storedViews(views: readonly FeatureView[], schemas: Schemas): Map<FeatureView, StoredView> {
  const stored = views.map((view): [FeatureView, StoredView] => [
    view,
    { view, prefix: `${view.name}/`, schemaId: schemas.idOf(view.name), conversions: new Map() },
  ]);
  return new Map(stored);
}

interface OpenedStore {
  readonly environment: LmdbEnvironment;
  readonly rows: Rows;
  readonly schemas: Schemas;
  readonly views: ReadonlyMap<FeatureView, StoredView>;
  /** Undefined in a read-only store that nobody has written to since rows have been listed. */
  readonly changes: RowChanges | undefined;
  readonly memory: RowMemory | undefined;
}

function createStore(opened: OpenedStore): OnlineStore {
  const { environment } = opened;
  const codec = createRowCodec();
  const readRow = createReader(opened, codec);
  const writeNewest = createWriter(opened, codec);
  let isClosed = false;
  const reads = new ReadWatch(opened);
  /** Commits that are under way. */
  const commits = new Set<Promise<unknown>>();
  /** Whether the reads of this turn share a view of the data. */
  let holdsView = false;

  function takeView(): void {
    // The events and tiles of the process are read in this environment as well: one of these reads may have taken a view
    // before the request came in.
    environment.refresh();
    opened.memory?.forgetChanged();
    holdsView = true;
    // Once a turn: a new view at each read would add 0.3 us to it, this adds 0.02 us.
    setImmediate(dropView);
  }

  function dropView(): void {
    holdsView = false;
  }

  function get(view: FeatureView, key: EntityKey): Row | null {
    if (isClosed || environment.isClosed()) throw reads.failed(closedError());
    const stored = storedView(opened, view);
    try {
      if (!holdsView) takeView();
      return reads.worked(readRow(stored, key));
    } catch (error) {
      throw environment.failure(reads.failed(error));
    }
  }

  async function commit(writes: readonly RowWrite[]): Promise<WriteOutcome[]> {
    const committed = environment.transaction(() => writeNewest(writes));
    commits.add(committed);
    try {
      const outcomes = await committed;
      dropView();
      return outcomes;
    } finally {
      commits.delete(committed);
    }
  }

  return {
    get,
    staleMs: () => 0,
    state: () => reads.state(),

    async read(keys) {
      return keys.map(({ view, key }) => get(view, key));
    },

    async write(writes) {
      if (isClosed || environment.isClosed()) throw closedError();
      if (environment.readOnly) throw new Error('the store was opened for reading only');
      for (const write of writes) checkWrite(write, storedView(opened, write.view));
      if (writes.length === 0) return [];
      return commit(writes);
    },

    async close() {
      isClosed = true;
      await Promise.allSettled(commits);
    },
  };
}

/** Whether the last read threw. Who is not asked any more because reads do would never notice that they work again. */
class ReadWatch {
  private isFailing = false;
  private triedAtMs = -Infinity;
  private readonly opened: OpenedStore;

  constructor(opened: OpenedStore) {
    this.opened = opened;
  }

  worked(row: Row | null): Row | null {
    this.isFailing = false;
    return row;
  }

  failed<T>(error: T): T {
    this.isFailing = true;
    return error;
  }

  state(): StoreState {
    if (!this.isFailing) return 'answers';
    const nowMs = performance.now();
    if (nowMs - this.triedAtMs < TRY_AGAIN_MS) return 'failing';
    this.triedAtMs = nowMs;
    this.isFailing = !canRead(this.opened);
    return this.isFailing ? 'failing' : 'answers';
  }
}

/** In the memory map: a key that no row has. */
function canRead({ environment, rows }: OpenedStore): boolean {
  try {
    if (environment.isClosed()) return false;
    rows.getBinaryFast('/');
    return true;
  } catch {
    return false;
  }
}

function createReader(
  { rows, schemas, memory }: OpenedStore,
  codec: RowCodec,
): (stored: StoredView, key: EntityKey) => Row | null {
  function conversion({ view, conversions }: StoredView, schemaId: number): RowConversion {
    const known = conversions.get(schemaId);
    if (known !== undefined) return known;
    const schema = schemas.schema(view.name, schemaId);
    if (schema === undefined) throw new Error(`schema ${schemaId} of ${view.name} is missing`);
    const made = createRowConversion(view.features, schema);
    conversions.set(schemaId, made);
    return made;
  }

  function decode(stored: StoredView, bytes: Buffer): Row {
    const { row, schemaId } = codec.decode(bytes);
    return schemaId === stored.schemaId ? row : [row[0], ...conversion(stored, schemaId)(row, 1)];
  }

  return (stored, entityKey) => {
    const key = stored.prefix + entityKey;
    const known = memory?.get(key);
    if (known !== undefined) return known;
    const bytes = rows.getBinaryFast(key);
    if (bytes === undefined) return null;
    const row = decode(stored, bytes);
    memory?.keep(key, row);
    return row;
  };
}

/**
 * What a write does inside its transaction. All is read and decided before the first row is put: an error in between
 * would not take back what was put, because the transaction is shared with other calls.
 */
function createWriter(opened: OpenedStore, codec: RowCodec): (writes: readonly RowWrite[]) => WriteOutcome[] {
  const { rows, changes } = opened;

  function storedEventTimeMs(key: string): number {
    const bytes = rows.getBinaryFast(key);
    return bytes === undefined ? -Infinity : codec.decode(bytes).row[0];
  }

  return (writes) => {
    const newest = new Map<string, RowWrite>();
    const outcomes = writes.map((write): WriteOutcome => {
      const key = storedView(opened, write.view).prefix + write.key;
      const eventTimeMs = newest.get(key)?.row[0] ?? storedEventTimeMs(key);
      if (eventTimeMs > write.row[0]) return 'older';
      newest.set(key, write);
      return 'written';
    });
    for (const [key, { view, row }] of newest) {
      // A store that is not read-only has registered the schema of every view.
      void rows.put(key, codec.encode(row, storedView(opened, view).schemaId as number));
    }
    if (newest.size > 0) changes?.add([...newest.keys()]);
    return outcomes;
  };
}

function storedView({ views }: OpenedStore, view: FeatureView): StoredView {
  const stored = views.get(view);
  if (stored === undefined) throw new Error(`feature view ${view.name} was not given to openLmdbStore`);
  return stored;
}

function checkWrite({ view, key, row }: RowWrite, stored: StoredView): void {
  checkEntityKeyLength(view.entity, key);
  if (row.length === stored.view.features.length + 1) return;
  throw new Error(`a row of ${view.name} has ${view.features.length} values, got ${row.length - 1}`);
}

function closedError(): Error {
  return new Error('the store is closed');
}
