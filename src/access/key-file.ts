/**
 * The file of keys on disk. Written whole under another name, synced, and renamed, so that a reader sees the old keys or the
 * new ones; with the mode 0600. A change is made under a lock, so that two commands at once lose nothing: it is a second file,
 * `<file>.lock`, with the process that holds it. A lock that a killed command left behind is not broken, since two that broke
 * it could both believe to hold it: the message says which file to delete.
 *
 * Beside it lies `<file>.closed` from the first key on: it says that there were keys, so that a server whose file of keys was
 * deleted lets nobody in, instead of everybody. Only its owner takes it away.
 */
import { randomUUID } from 'node:crypto';
import type { Stats } from 'node:fs';
import { lchown, lstat, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MillraceError } from '../errors.ts';
import { formatKeyRecords, parseKeyRecords } from './key-records.ts';
import type { KeyRecord } from './key-records.ts';

/** Only its owner may read or write it. */
const KEY_FILE_MODE = 0o600;
const BYTES_MAX = 16 * 1024 * 1024;
const LOCK_WAIT_MS = 5000;
const LOCK_RETRY_MS = 20;

/**
 * @returns undefined when there is no such file
 * @throws MillraceError KEYS_FAILED
 */
export async function readKeyFile(file: string): Promise<readonly KeyRecord[] | undefined> {
  const bytes = await readBytes(file);
  return bytes === undefined ? undefined : parseKeyRecords(bytes, file);
}

/**
 * Makes the next content of the file from the present one; a file that is not there holds no keys.
 * @param lockWaitMs for whoever else is changing it
 * @returns what `change` returns as `result`
 * @throws MillraceError KEYS_FAILED, and what `change` throws, which changes nothing
 */
export async function changeKeyFile<T>(
  file: string,
  change: (records: readonly KeyRecord[]) => { readonly records: readonly KeyRecord[]; readonly result: T },
  lockWaitMs: number = LOCK_WAIT_MS,
): Promise<T> {
  const unlock = await lock(file, lockWaitMs);
  try {
    const { records, result } = change((await readKeyFile(file)) ?? []);
    await markClosed(file);
    await writeWhole(file, formatKeyRecords(records));
    return result;
  } finally {
    await unlock();
  }
}

/** Undefined when there is no such file. */
export async function statKeyFile(file: string): Promise<Stats | undefined> {
  try {
    return await stat(file);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw failed(file, 'read', error);
  }
}

/** The file that says that there were keys. */
export function closedMarkerOf(file: string): string {
  return `${file}.closed`;
}

/**
 * Writes down that there were keys; does nothing where that is said already.
 * @throws MillraceError KEYS_FAILED
 */
export async function markClosed(file: string): Promise<void> {
  const marker = closedMarkerOf(file);
  try {
    const handle = await open(marker, 'wx', KEY_FILE_MODE);
    try {
      await giveToOwner(handle, file);
      await handle.writeFile(
        `${basename(file)} had keys. Without this file and that one, everybody is let in.\n`,
      );
      await handle.sync();
    } finally {
      await handle.close();
    }
    await syncFolder(dirname(file));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return;
    // Without keys beside it, half a marker would let nobody in.
    await rm(marker, { force: true });
    throw failed(marker, 'written', error);
  }
}

/**
 * Whether there were keys, though the file of them may be gone.
 * @throws MillraceError KEYS_FAILED
 */
export async function isMarkedClosed(file: string): Promise<boolean> {
  return (await statKeyFile(closedMarkerOf(file))) !== undefined;
}

async function readBytes(file: string): Promise<Buffer | undefined> {
  const found = await statKeyFile(file);
  if (found === undefined) return undefined;
  // A pipe or a device may never end.
  if (!found.isFile()) throw new MillraceError('KEYS_FAILED', `${file} is not a regular file.`);
  if (found.size > BYTES_MAX)
    throw new MillraceError(
      'KEYS_FAILED',
      `${file} is larger than ${BYTES_MAX} bytes: it is no file of keys.`,
    );
  try {
    return await readFile(file);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw failed(file, 'read', error);
  }
}

async function writeWhole(file: string, text: string): Promise<void> {
  const partial = `${file}.${randomUUID()}.partial`;
  try {
    const handle = await open(partial, 'wx', KEY_FILE_MODE);
    try {
      await giveToOwner(handle, file);
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(partial, file);
    await syncFolder(dirname(file));
  } catch (error) {
    await rm(partial, { force: true });
    throw failed(file, 'written', error);
  }
}

/**
 * What root writes belongs to whom the file or its folder belongs: the server that reads it is another user. Where owners
 * cannot be given, as in a container without the right to, it stays root's.
 */
async function giveToOwner(handle: FileHandle, file: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  // Not what a link points to: somebody else may have put it there.
  const { uid, gid } = await lstat(file).catch(async () => stat(dirname(file)));
  await handle.chown(uid, gid).catch(() => undefined);
}

/** The new name is in the folder, which has a disk of its own to get to. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function lock(file: string, waitMs: number): Promise<() => Promise<void>> {
  const lockFile = `${file}.lock`;
  const untilMs = performance.now() + waitMs;
  await makeFolder(file);
  while (!(await tryLock(lockFile))) {
    if (performance.now() > untilMs) throw await lockedError(file, lockFile);
    await sleep(LOCK_RETRY_MS);
  }
  return async () => rm(lockFile, { force: true });
}

async function makeFolder(file: string): Promise<void> {
  const folder = dirname(file);
  try {
    const first = await mkdir(folder, { recursive: true });
    if (first !== undefined && process.getuid?.() === 0) await giveFolders(first, folder);
  } catch (error) {
    throw failed(file, 'written', error);
  }
}

/** Folders that root has just made belong to whom the one above them belongs. */
async function giveFolders(first: string, last: string): Promise<void> {
  const { uid, gid } = await stat(dirname(first));
  for (let folder = last; ; folder = dirname(folder)) {
    await lchown(folder, uid, gid).catch(() => undefined);
    if (folder === first || folder === dirname(folder)) return;
  }
}

async function tryLock(lockFile: string): Promise<boolean> {
  try {
    const handle = await open(lockFile, 'wx', KEY_FILE_MODE);
    await handle.writeFile(String(process.pid));
    await handle.close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw failed(lockFile, 'written', error);
  }
}

async function lockedError(file: string, lockFile: string): Promise<MillraceError> {
  const holder = await readFile(lockFile, 'latin1').catch(() => '');
  const by = /^\d+$/.test(holder) ? ` by process ${holder}` : '';
  const sentence = `${file} is being changed${by}. If nothing is, a command was killed: delete ${lockFile}.`;
  return new MillraceError('KEYS_FAILED', sentence);
}

function failed(file: string, done: 'read' | 'written', cause: unknown): MillraceError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const fix =
    code === 'EACCES' || code === 'EPERM' ? ' Run it as the owner of the file, or name another.' : '';
  return new MillraceError('KEYS_FAILED', `${file} cannot be ${done} (${message}).${fix}`, { cause });
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}
