/**
 * An LMDB environment: one folder, one memory map, several named databases. The only importer of lmdb. A process opens
 * one and gives it to all that keep something in it (feature rows, events, tiles), so that what belongs together can
 * be committed together. Whoever opened it closes it, last.
 *
 * Durability: a commit is synced to the disk before its promise resolves (no `overlappingSync`). Commits run on a
 * thread of LMDB's; the calls that come in meanwhile share the next one, so 64 concurrent writers share one sync.
 *
 * Snapshots: reads see the data as of the first read after the last `refresh`. The binding alone keeps its view for a
 * timer's millisecond. Who must see what others have committed calls `refresh` once a turn of the event loop: at every
 * read it would cost 0.3 us.
 *
 * Several processes may have one environment open, each in its own memory map. Within a process, all who open a folder
 * share it.
 */
import type { Database, DatabaseOptions, RootDatabase } from 'lmdb';
import { open } from 'lmdb';
import { lmdbFailure, openFailure, prepareLmdbFolder } from './lmdb-files.ts';
import { shareRoot } from './shared-root.ts';
import type { SharedRoot } from './shared-root.ts';

export interface LmdbOptions {
  /** The data folder; made if it is missing. */
  readonly path: string;
  /** Open what exists, and change nothing. */
  readonly readOnly?: boolean;
}

export interface LmdbEnvironment {
  readonly path: string;
  readonly readOnly: boolean;
  isClosed(): boolean;

  /** Binary values under keys of text. Undefined where a read-only environment has no database of this name. */
  textKeys(name: string): LmdbDatabase<string> | undefined;
  /** JSON values under keys of text. Undefined as above. */
  json<T>(name: string): LmdbJson<T> | undefined;
  /** Binary values under keys of bytes, which LMDB orders as bytes. Undefined as above. */
  byteKeys(name: string): LmdbDatabase<Buffer> | undefined;

  /**
   * Runs `action` inside a write transaction, on the event loop; resolves with its result when that is committed and
   * synced. The transaction is shared with other calls: what `action` put before it threw stays. So an action reads
   * and decides first, and puts then.
   * @throws MillraceError STORE_FAILED: nothing of the transaction was written
   */
  transaction<T>(action: () => T): Promise<T>;

  /** The next read sees all that is committed, by any process. */
  refresh(): void;

  /** A sentence for an error that a read threw. */
  failure(error: unknown): Error;

  /** Waits for the commits that are under way. */
  close(): Promise<void>;
}

/** Inside a transaction all calls act on it. */
export interface LmdbDatabase<K extends string | Buffer> {
  /** A copy of the bytes; undefined if there are none. */
  get(key: K): Buffer | undefined;
  /**
   * Without copying: valid until the next call. A view of more than the value, whose `length` is right: to be read with
   * an index or a `read…` method, not with `copy` and its like.
   */
  getBinaryFast(key: K): Buffer | undefined;
  /** To be called inside a transaction, whose promise tells of failures. */
  put(key: K, bytes: Buffer): unknown;
  /** As put. */
  remove(key: K): unknown;
  /** Keys and values from `start` up to but without `end`; with `reverse`, from `start` down to but without `end`. */
  range(range: LmdbRange<K>): { readonly key: K; readonly value: Buffer }[];
}

export interface LmdbRange<K> {
  readonly start: K;
  readonly end: K;
  readonly limit?: number;
  readonly reverse?: boolean;
}

export interface LmdbJson<T> {
  get(key: string): T | undefined;
  /** To be called inside a transaction. */
  put(key: string, value: T): unknown;
}

/**
 * Opens the environment in a folder.
 * @throws MillraceError STORE_FAILED
 */
export async function openLmdbEnvironment(options: LmdbOptions): Promise<LmdbEnvironment> {
  const { path, readOnly = false } = options;
  await prepareLmdbFolder(path, readOnly);
  try {
    return createEnvironment(path, readOnly, await sharedRoot(path, readOnly));
  } catch (error) {
    throw openFailure(path, error);
  }
}

/** Who only reads takes no lock. */
async function sharedRoot(path: string, readOnly: boolean): Promise<SharedRoot> {
  if (!readOnly) return shareRoot(path, () => openRoot(path, false));
  const root = openRoot(path, true);
  return { root, release: async () => root.close() };
}

const DATABASES_MAX = 64;

function openRoot(path: string, readOnly: boolean): RootDatabase<unknown, string> {
  return open<unknown, string>({
    path,
    readOnly,
    // A path with a dot in it is still a folder.
    noSubdir: false,
    overlappingSync: false,
    // Batching by turns opens a batch of its own, whose promise rejects unseen when a commit fails.
    eventTurnBatching: false,
    maxDbs: DATABASES_MAX,
  });
}

type KeyedOptions = DatabaseOptions & { readonly keyEncoder: object };

// Keys are plain UTF-8. The binding's own key encoding writes some short strings with control characters like others
// without them, so that different keys would collide.
const textKeyOptions: KeyedOptions = {
  keyEncoder: {
    writeKey: (key: string, target: Buffer, start: number): number => start + target.write(key, start),
    readKey: (source: Buffer, start: number, end: number): string => source.toString('utf8', start, end),
  },
};

const byteKeyOptions: KeyedOptions = {
  keyEncoder: {
    writeKey: (key: Buffer, target: Buffer, start: number): number => start + key.copy(target, start),
    readKey: (source: Buffer, start: number, end: number): Buffer => Buffer.from(source.subarray(start, end)),
  },
};

function createEnvironment(path: string, readOnly: boolean, shared: SharedRoot): LmdbEnvironment {
  const { root } = shared;
  let closing: Promise<void> | undefined;

  function binary<K extends string | Buffer>(
    name: string,
    keyOptions: KeyedOptions,
  ): LmdbDatabase<K> | undefined {
    const opened = root.openDB<Buffer, K>(name, { ...keyOptions, encoding: 'binary' }) as
      Database<Buffer, K> | undefined;
    if (opened === undefined) return undefined;
    return {
      get: (key) => opened.getBinary(key),
      getBinaryFast: (key) => opened.getBinaryFast(key),
      put: (key, bytes) => opened.put(key, bytes),
      remove: (key) => opened.remove(key),
      // Read at once: a refresh in the middle of an iteration would pull its snapshot away.
      range: (range) => [...opened.getRange(range)],
    };
  }

  return {
    path,
    readOnly,
    isClosed: () => closing !== undefined,
    textKeys: (name) => binary(name, textKeyOptions),
    byteKeys: (name) => binary(name, byteKeyOptions),

    json<T>(name: string): LmdbJson<T> | undefined {
      const opened = root.openDB<T, string>(name, { ...textKeyOptions, encoding: 'json' }) as
        Database<T, string> | undefined;
      return opened && { get: (key) => opened.get(key), put: (key, value) => opened.put(key, value) };
    },

    async transaction(action) {
      if (readOnly) throw new Error('the environment was opened for reading only');
      if (closing !== undefined) throw new Error('the environment is closed');
      try {
        return await root.transaction(action);
      } catch (error) {
        throw lmdbFailure(path, await commitCause(error));
      }
    },

    refresh() {
      if (closing === undefined) root.resetReadTxn();
    },

    failure: (error) => lmdbFailure(path, error),

    async close() {
      closing ??= shared.release();
      return closing;
    },
  };
}

/** LMDB rejects every write of a failed commit with a stand-in, which holds a promise of the cause. */
async function commitCause(error: unknown): Promise<unknown> {
  if (!(error instanceof Error) || !('commitError' in error)) return error;
  try {
    await error.commitError;
    return error;
  } catch (cause) {
    return cause;
  }
}
