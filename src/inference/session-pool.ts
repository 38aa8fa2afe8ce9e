/**
 * The open sessions of a process, each shared by all who serve the same file in the same way. When a project is served
 * anew, what has not changed in it is not loaded again, and what has is closed when nobody serves it any more.
 *
 * A file is the same while its place, size and times are: files that are replaced have others. The weights of a model may
 * lie in files beside it, which count as well.
 */
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { ModelVersion } from '../project/project.ts';
import { createExitGuard } from './exit-guard.ts';
import type { ExitGuard } from './exit-guard.ts';
import { openSession } from './session.ts';
import type { ModelSession } from './session.ts';
import { openWorkerSession } from './worker-session.ts';
import type { WorkerSessionOptions } from './worker-session.ts';

/** Of how many threads, and who hears of their ends. */
export type ThreadPlan = Pick<WorkerSessionOptions, 'threads' | 'onRestart'>;

/** Files of more are not loaded on the event loop, which they would hold up for longer than a tenth of a second. */
export const LOOP_BYTES_MAX: number = 32 * 1024 * 1024;

export interface SessionPool {
  /**
   * The session of a version, which is opened if it is not open yet: in threads where model.yaml says so or its files are
   * large, else on the event loop.
   * @throws MillraceError INVALID_MODEL, WORKER_LOST
   */
  take(version: ModelVersion): Promise<SessionLease>;
  /**
   * The session of what the file of a version held before, where that is still open; undefined = it is not. For a file that
   * was replaced by one that cannot be loaded.
   */
  takeEarlier(version: ModelVersion): SessionLease | undefined;
  /**
   * Another session of a file, in a thread that gives way to all others; whoever opened it releases it.
   * @throws MillraceError INVALID_MODEL, WORKER_LOST
   */
  openBackground(path: string, onRestart: NonNullable<ThreadPlan['onRestart']>): Promise<ModelSession>;
}

export interface SessionLease {
  readonly session: ModelSession;
  /** Of the files of the model. */
  readonly bytes: number;
  /**
   * Gives it all the threads of its plan, and releases the session before. Where it is shared, whoever took it first has
   * decided: then this does nothing.
   * @throws MillraceError INVALID_MODEL, WORKER_LOST, STARTUP_FAILED
   */
  moveToThreads(): Promise<void>;
  /** What is found out by runs of this session, once for all who share it. */
  once<T>(name: string, find: () => Promise<T>): Promise<T>;
  /** What belongs to the session as long as it is open, in threads or not: the same for all who share it. */
  keep<T>(name: string, create: () => T): T;
  /** The last one waits for the runs in flight, then frees the model. */
  release(): Promise<void>;
}

interface Entry {
  session: ModelSession;
  readonly version: ModelVersion;
  readonly bytes: number;
  leases: number;
  isShared: boolean;
  readonly found: Map<string, Promise<unknown>>;
  readonly kept: Map<string, unknown>;
}

/** @param threadsOf plans the threads of a model; undefined = all models are on the event loop, and stay there */
export function createSessionPool(threadsOf?: (version: ModelVersion) => ThreadPlan): SessionPool {
  const entries = new Map<string, Entry>();
  const exitGuard = createExitGuard();

  async function take(version: ModelVersion): Promise<SessionLease> {
    const { onnxPath, execution, workers = 'auto' } = version;
    const { bytes, fingerprint } = await filesOf(onnxPath);
    const key = JSON.stringify([onnxPath, execution, workers, fingerprint]);
    const known = entries.get(key);
    if (known !== undefined) return share(key, known);
    const plan = threadsOf && threadsAtFirst(version, bytes, threadsOf(version));
    const session =
      plan === undefined
        ? await openSession(onnxPath)
        : await openWorkerSession(onnxPath, { ...plan, exitGuard });
    const maps = { found: new Map<string, Promise<unknown>>(), kept: new Map<string, unknown>() };
    const entry: Entry = { session, version, bytes, leases: 1, isShared: false, ...maps };
    entries.set(key, entry);
    return leaseOf(key, entry);
  }

  function share(key: string, entry: Entry): SessionLease {
    const own = entry;
    own.leases++;
    own.isShared = true;
    return leaseOf(key, entry);
  }

  function leaseOf(key: string, entry: Entry): SessionLease {
    return {
      get session() {
        return entry.session;
      },
      bytes: entry.bytes,
      async moveToThreads() {
        if (threadsOf !== undefined) await moveEntry(entry, threadsOf(entry.version), exitGuard);
      },
      once: async (name, find) => findOnce(entry, name, find),
      keep: (name, create) => keepIn(entry, name, create),
      async release() {
        const own = entry;
        own.leases--;
        if (entry.leases > 0) return;
        if (entries.get(key) === entry) entries.delete(key);
        await entry.session.release();
      },
    };
  }

  return {
    take,
    takeEarlier({ onnxPath }) {
      const found = [...entries].findLast(([, { version }]) => version.onnxPath === onnxPath);
      return found && share(...found);
    },
    openBackground: async (path, onRestart) =>
      openWorkerSession(path, { threads: 1, exitGuard, onRestart, isBackground: true }),
  };
}

async function findOnce<T>({ found }: Entry, name: string, find: () => Promise<T>): Promise<T> {
  const known = found.get(name) as Promise<T> | undefined;
  if (known !== undefined) return known;
  const finding = find();
  found.set(name, finding);
  // What failed is tried again by the next.
  finding.catch(() => found.delete(name));
  return finding;
}

function keepIn<T>({ kept }: Entry, name: string, create: () => T): T {
  if (!kept.has(name)) kept.set(name, create());
  return kept.get(name) as T;
}

async function moveEntry(entry: Entry, plan: ThreadPlan, exitGuard: ExitGuard): Promise<void> {
  if (entry.isShared || entry.session.threads >= plan.threads) return;
  const own = entry;
  const before = entry.session;
  own.session = await openWorkerSession(before.path, { ...plan, exitGuard });
  entry.found.clear();
  await before.release();
}

/**
 * Undefined = it is opened on the event loop. Each thread holds the whole model: one that is large, and perhaps not slow,
 * has one.
 */
function threadsAtFirst(version: ModelVersion, bytes: number, plan: ThreadPlan): ThreadPlan | undefined {
  const { execution, workers } = version;
  if (execution === 'worker') return plan;
  if (execution !== 'auto' || bytes <= LOOP_BYTES_MAX) return undefined;
  return workers === undefined ? { ...plan, threads: 1 } : plan;
}

/** Descriptions and data, which may lie beside a model and are not loaded with it. */
const notOfModel = /\.(ya?ml|json|csv|ndjson|parquet|md|txt|gz)$/;

/** Weights may lie beside a model, and in folders of its version. */
async function namesOf(path: string): Promise<string[]> {
  const [folder, own] = [dirname(path), basename(path)];
  // A file in the project folder has the whole project beside it: those named like it are its own.
  const isAlone = own !== 'model.onnx';
  const names = await readdir(folder, { recursive: !isAlone }).catch((): string[] => []);
  return isAlone ? names.filter((name) => name.startsWith(own)) : names;
}

interface ModelFiles {
  readonly bytes: number;
  readonly fingerprint: string;
}

async function filesOf(path: string): Promise<ModelFiles> {
  const folder = dirname(path);
  const files = (await namesOf(path))
    .filter((name) => !notOfModel.test(name))
    .map(async (name) => ({ name, found: await stat(join(folder, name)).catch(() => undefined) }));
  let bytes = 0;
  const lines: string[] = [];
  for (const { name, found } of await Promise.all(files)) {
    if (found?.isFile() !== true) continue;
    bytes += found.size;
    lines.push(`${name} ${found.dev} ${found.ino} ${found.size} ${found.mtimeMs}`);
  }
  return { bytes, fingerprint: lines.join('\n') };
}
