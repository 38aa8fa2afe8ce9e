/**
 * The environments that this process may write, each shared by all who open its folder. The locks of LMDB belong to a
 * process: whoever opened a folder while another part of the process writes to it would wait for a thread that waits for
 * him.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { RootDatabase } from 'lmdb';

type Root = RootDatabase<unknown, string>;

export interface SharedRoot {
  readonly root: Root;
  /** Waits for the commits that are under way; the last one closes the environment. */
  release(): Promise<void>;
}

interface Entry {
  readonly root: Root;
  users: number;
  /** Settles when the environment is closed; undefined = it is open. */
  closing: Promise<void> | undefined;
}

/** By what the system calls the file of data. Of the process, and not of who opens them, as the locks are. */
const entries = new Map<string, Entry>();

/** @param open opens the environment of the folder */
export async function shareRoot(path: string, open: () => Root): Promise<SharedRoot> {
  for (let found = entryOf(path); found !== undefined; found = entryOf(path)) {
    if (found.closing === undefined) return use(found);
    await found.closing;
  }
  // Nothing is waited for between the last look and this.
  const entry: Entry = { root: open(), users: 0, closing: undefined };
  entries.set(fileOf(path) ?? path, entry);
  return use(entry);
}

function entryOf(path: string): Entry | undefined {
  return entries.get(fileOf(path) ?? '');
}

function use(entry: Entry): SharedRoot {
  const own = entry;
  own.users++;
  return { root: entry.root, release: async () => release(entry) };
}

async function release(entry: Entry): Promise<void> {
  const own = entry;
  own.users--;
  if (own.users > 0) {
    await own.root.flushed;
    return;
  }
  own.closing = own.root.close().finally(() => {
    for (const [file, each] of entries) if (each === entry) entries.delete(file);
  });
  await own.closing;
}

/** Undefined = there is none yet. */
function fileOf(path: string): string | undefined {
  const found = statSync(join(path, 'data.mdb'), { throwIfNoEntry: false });
  return found && `${found.dev}:${found.ino}`;
}
