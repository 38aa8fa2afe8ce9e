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
import { openSession } from './session.ts';
import type { ModelSession } from './session.ts';
import { openWorkerSession } from './worker-session.ts';
import type { WorkerSessionOptions } from './worker-session.ts';

/** Of how many threads, and who hears of their ends. */
export type ThreadPlan = Pick<WorkerSessionOptions, 'threads' | 'onRestart'>;

export interface SessionPool {
  /**
   * The session of a version, opened on the event loop if it is not open yet.
   * @throws MillraceError INVALID_MODEL
   */
  take(version: ModelVersion): Promise<SessionLease>;
  /**
   * Another session of a file, in a thread that gives way to all others; whoever opened it releases it.
   * @throws MillraceError INVALID_MODEL, WORKER_LOST
   */
  openBackground(path: string, onRestart: NonNullable<ThreadPlan['onRestart']>): Promise<ModelSession>;
}

export interface SessionLease {
  readonly session: ModelSession;
  /**
   * Gives it threads, and releases the session on the event loop. Where it is shared, whoever took it first has decided:
   * then this does nothing.
   * @throws MillraceError INVALID_MODEL, WORKER_LOST, STARTUP_FAILED
   */
  moveToThreads(plan: ThreadPlan): Promise<void>;
  /** What is found out by runs of this session, once for all who share it. */
  once<T>(name: string, find: () => Promise<T>): Promise<T>;
  /** What belongs to the session as long as it is open, in threads or not: the same for all who share it. */
  keep<T>(name: string, create: () => T): T;
  /** The last one waits for the runs in flight, then frees the model. */
  release(): Promise<void>;
}

interface Entry {
  session: ModelSession;
  leases: number;
  isShared: boolean;
  readonly found: Map<string, Promise<unknown>>;
  readonly kept: Map<string, unknown>;
}

export function createSessionPool(): SessionPool {
  const entries = new Map<string, Entry>();
  const exitGuard = createExitGuard();

  async function take(version: ModelVersion): Promise<SessionLease> {
    const { onnxPath, execution, workers = 'auto' } = version;
    const key = JSON.stringify([onnxPath, execution, workers, await fingerprint(onnxPath)]);
    const known = entries.get(key);
    if (known !== undefined) {
      known.leases++;
      known.isShared = true;
      return leaseOf(key, known);
    }
    const session = await openSession(onnxPath);
    const entry: Entry = { session, leases: 1, isShared: false, found: new Map(), kept: new Map() };
    entries.set(key, entry);
    return leaseOf(key, entry);
  }

  function leaseOf(key: string, entry: Entry): SessionLease {
    return {
      get session() {
        return entry.session;
      },
      async moveToThreads(plan) {
        if (entry.isShared || entry.session.threads > 0) return;
        const inline = entry.session;
        const own = entry;
        own.session = await openWorkerSession(inline.path, { ...plan, exitGuard });
        entry.found.clear();
        await inline.release();
      },
      async once<T>(name: string, find: () => Promise<T>) {
        const known = entry.found.get(name) as Promise<T> | undefined;
        if (known !== undefined) return known;
        const found = find();
        entry.found.set(name, found);
        // What failed is tried again by the next.
        found.catch(() => entry.found.delete(name));
        return found;
      },
      keep<T>(name: string, create: () => T) {
        if (!entry.kept.has(name)) entry.kept.set(name, create());
        return entry.kept.get(name) as T;
      },
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
    openBackground: async (path, onRestart) =>
      openWorkerSession(path, { threads: 1, exitGuard, onRestart, isBackground: true }),
  };
}

async function fingerprint(path: string): Promise<string> {
  const folder = dirname(path);
  // A file in the project folder has the whole project beside it.
  const isAlone = basename(path) !== 'model.onnx';
  const names = isAlone ? [basename(path)] : await readdir(folder).catch(() => []);
  const lines = names.map(async (name) => {
    const found = await stat(join(folder, name)).catch(() => undefined);
    return /\.(ya?ml|json)$/.test(name) || found === undefined
      ? ''
      : `${name} ${found.dev} ${found.ino} ${found.size} ${found.mtimeMs}`;
  });
  return (await Promise.all(lines)).join('\n');
}
