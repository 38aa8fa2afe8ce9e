/** A file that has another name until it is complete: whoever finds it finds all of it. */
import { open, rename, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';

/**
 * @param failure what is thrown where the file cannot be written; what `write` throws else is thrown as it is
 * @returns what `write` gives
 */
export async function writeWhole<T>(
  path: string,
  failure: (sentence: string, cause: unknown) => Error,
  write: (file: FileHandle) => Promise<T>,
): Promise<T> {
  const partial = `${path}.partial`;
  let file: FileHandle | undefined;
  try {
    file = await open(partial, 'w');
    const result = await write(file);
    await file.close();
    await rename(partial, path);
    return result;
  } catch (error) {
    await file?.close();
    await rm(partial, { force: true });
    if (!(error instanceof Error && 'syscall' in error)) throw error;
    throw failure(`${path} cannot be written (${error.message})`, error);
  }
}
