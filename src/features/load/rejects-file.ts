/**
 * The rows that were not loaded, each with its reasons: NDJSON, one
 * `{"line": 17, "reasons": [{"column": "delay", "reason": "must be a number, not \"x\""}], "row": {…}}` a row.
 * The file is made with the first reject. What an earlier load left at its path is removed before.
 */
import type { FileHandle } from 'node:fs/promises';
import { lstat, open, rm, stat } from 'node:fs/promises';
import { MillraceError } from '../../errors.ts';
import { loadFailure, messageOf } from './load-failure.ts';

export interface RejectReason {
  /** Column of the file; undefined when the row as a whole is broken. */
  readonly column?: string;
  /** A sentence without its subject. */
  readonly reason: string;
}

export interface Reject {
  /** Line of a text file, row of a Parquet file; from 1. */
  readonly line: number;
  readonly reasons: readonly RejectReason[];
  /** Column -> cell; the text of the row when it could not be taken apart. */
  readonly row: unknown;
}

export interface RejectsFile {
  /** @throws MillraceError LOAD_FAILED */
  add(rejects: readonly Reject[]): Promise<void>;
  close(): Promise<void>;
}

/**
 * @param loaded the file that is being loaded, which must be another one
 * @throws MillraceError LOAD_FAILED
 */
export async function createRejectsFile(path: string, loaded: string): Promise<RejectsFile> {
  await removeEarlier(path, loaded);
  let handle: FileHandle | undefined;
  return {
    async add(rejects) {
      if (rejects.length === 0) return;
      try {
        handle ??= await open(path, 'w');
        await handle.appendFile(rejects.map((reject) => `${JSON.stringify(reject, withDigits)}\n`).join(''));
      } catch (error) {
        throw writeFailure(path, error);
      }
    },
    close: async () => handle?.close(),
  };
}

async function removeEarlier(path: string, loaded: string): Promise<void> {
  try {
    const [rejects, input] = await Promise.all([stat(path), stat(loaded)]);
    if (rejects.dev === input.dev && rejects.ino === input.ino) {
      throw loadFailure(`${path} is the file to load: the rejected rows need another one`);
    }
    // What is not a plain file, such as /dev/stderr, is written to and stays.
    if ((await lstat(path)).isFile()) await rm(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw writeFailure(path, error);
  }
}

function writeFailure(path: string, error: unknown): Error {
  if (error instanceof MillraceError) return error;
  const sentence = `rejected rows cannot be written to ${path} (${messageOf(error)}): name another file for them with --rejects`;
  return loadFailure(sentence, error);
}

/** JSON has no bigint; decimal digits are taken back for an int64. */
function withDigits(_name: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}
