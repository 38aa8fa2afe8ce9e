/**
 * The folder of an LMDB environment before it is opened, and a sentence for what goes wrong in it.
 *
 * The checks here are not a courtesy: the LMDB binding ends the process with a segmentation fault when the files are
 * not a database, or when the lock file may not be opened. So both are found out first.
 */
import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { access, mkdir, open, rm, stat, writeFile } from 'node:fs/promises';
import { constants as osConstants } from 'node:os';
import { dirname, join } from 'node:path';
import { MillraceError } from '../errors.ts';

/** What LMDB's lock file and first pages need. */
const ROOM_BYTES = 262_144;

/**
 * Makes the folder if it is missing and checks that what is in it can be opened.
 * @throws MillraceError STORE_FAILED
 */
export async function prepareLmdbFolder(path: string, readOnly: boolean): Promise<void> {
  try {
    if (!readOnly) await makeFolder(path);
    const dataPath = join(path, 'data.mdb');
    const lockPath = join(path, 'lock.mdb');
    const writeOk = constants.R_OK | constants.W_OK;
    const hasData = await exists(dataPath);
    if (readOnly && !hasData) throw noStore(path);
    // Readers register in the lock file, so that the writer does not reuse the pages that they look at.
    const hasLock = await exists(lockPath);
    if (hasLock) await access(lockPath, writeOk);
    if (!hasLock || !hasData) {
      await access(path, writeOk | constants.X_OK);
      await requireRoom(path);
    }
    if (!hasData) return;
    await access(dataPath, readOnly ? constants.R_OK : writeOk);
    if (!(await isLmdbData(dataPath))) throw damaged(path, undefined);
  } catch (error) {
    throw lmdbFailure(path, error);
  }
}

/** Level by level: where no folder can be made, as under /proc, Node's recursive form tries for ever. */
async function makeFolder(path: string): Promise<void> {
  if (await exists(path)) return;
  const parent = dirname(path);
  if (parent !== path) await makeFolder(parent);
  await mkdir(path).catch((error: NodeJS.ErrnoException) => {
    // Another process may have made it meanwhile. What is there but no folder is refused when it is opened.
    if (error.code !== 'EEXIST') throw error;
  });
}

/** LMDB makes its files in shared memory, where a full disk ends the process instead of giving an error. */
async function requireRoom(path: string): Promise<void> {
  const probe = join(path, `room-${process.pid}`);
  try {
    await writeFile(probe, Buffer.alloc(ROOM_BYTES, 1), { flush: true });
  } finally {
    await rm(probe, { force: true });
  }
}

/** The error that the caller gets for an error of LMDB or of the file system. */
export function lmdbFailure(path: string, cause: unknown): MillraceError {
  if (cause instanceof MillraceError) return cause;
  const number = errorNumber(cause);
  if (number !== undefined && damageNumbers.includes(number)) return damaged(path, cause);
  const known = number === undefined ? undefined : sentences.find(({ numbers }) => numbers.includes(number));
  const reason = cause instanceof Error ? cause.message : String(cause);
  const sentence = known?.sentence(path) ?? `The store in ${path} failed: ${reason}.`;
  return new MillraceError('STORE_FAILED', sentence, { cause });
}

/**
 * The error of opening an environment. Who closes it last destroys the locks in its lock file; who opens it in that very
 * moment is left with locks that are none, of which LMDB says EINVAL. The next one makes new ones.
 */
export function openFailure(path: string, cause: unknown): MillraceError {
  if (errorNumber(cause) !== errno.EINVAL) return lmdbFailure(path, cause);
  const sentence = `The store in ${path} was closed by another process in the moment in which it was opened: start again.`;
  return new MillraceError('STORE_FAILED', sentence, { cause });
}

const { errno } = osConstants;

const sentences: readonly { readonly numbers: readonly number[]; sentence(path: string): string }[] = [
  {
    numbers: [errno.EACCES, errno.EPERM, errno.EROFS],
    sentence: (path) =>
      `No permission for the store in ${path}: let this user read and write the folder and its files.`,
  },
  {
    numbers: [errno.ENOTDIR, errno.EEXIST],
    sentence: (path) =>
      `The store needs a folder, but ${path} is a file or lies in one: name another data folder.`,
  },
  {
    numbers: [errno.ENOENT],
    sentence: (path) => `The folder ${path} for the store cannot be made: name another data folder.`,
  },
  {
    numbers: [errno.ENOSPC, errno.EDQUOT, errno.EFBIG],
    sentence: (path) =>
      `No space is left for the store in ${path}: free some on its disk. Nothing was written.`,
  },
  {
    // LMDB reports a write that was cut short as an input/output error; that is what a full disk may look like.
    numbers: [errno.EIO],
    sentence: (path) => `The disk of the store in ${path} is full or failing. Nothing was written.`,
  },
];

// MDB_PAGE_NOTFOUND, MDB_CORRUPTED, MDB_VERSION_MISMATCH, MDB_INVALID.
const damageNumbers: readonly number[] = [-30797, -30796, -30794, -30793];

/** LMDB's errors carry their number, an errno or one of its own, as code; the file system's as a negative errno. */
function errorNumber(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined;
  if ('code' in error && typeof error.code === 'number') return error.code;
  return 'errno' in error && typeof error.errno === 'number' ? -error.errno : undefined;
}

function damaged(path: string, cause: unknown): MillraceError {
  const sentence = `${join(path, 'data.mdb')} is damaged or not a Millrace store: move it away and load the features again.`;
  return new MillraceError('STORE_FAILED', sentence, { cause });
}

function noStore(path: string): MillraceError {
  return new MillraceError(
    'STORE_FAILED',
    `There is no store in ${path} yet: start a server, or load features, first.`,
  );
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (errorNumber(error) === errno.ENOENT) return false;
    throw error;
  }
}

// The first page of data.mdb: 24 bytes of page header, then a magic number and the format's version, in the byte
// order of the machine (little-endian on all that are supported). Two such pages are written at once.
const MAGIC = 0xbeefc0de;
const FORMAT_VERSION = 2;
const MAGIC_OFFSET = 24;
const META_BYTES_MIN = 8192;

async function isLmdbData(path: string): Promise<boolean> {
  const file = await open(path, 'r');
  try {
    return await hasLmdbHeader(file);
  } finally {
    await file.close();
  }
}

async function hasLmdbHeader(file: FileHandle): Promise<boolean> {
  const { size } = await file.stat();
  // An empty file is what a first start leaves behind when it is killed: LMDB begins anew in it.
  if (size === 0) return true;
  if (size < META_BYTES_MIN) return false;
  const { buffer } = await file.read(Buffer.alloc(8), 0, 8, MAGIC_OFFSET);
  return buffer.readUInt32LE(0) === MAGIC && buffer.readUInt16LE(4) === FORMAT_VERSION;
}
