/** The errors of a load: one sentence each that names the file, what is wrong with it and what to do. */
import { MillraceError } from '../../errors.ts';

export function loadFailure(sentence: string, cause?: unknown): MillraceError {
  return new MillraceError('LOAD_FAILED', sentence, { cause });
}

/** The error for a file that the operating system does not let us open, read or write. */
export function fileFailure(path: string, cause: unknown): MillraceError {
  if (cause instanceof MillraceError) return cause;
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  switch (code) {
    case 'ENOENT':
      return loadFailure(`there is no file ${path}`, cause);
    case 'EISDIR':
      return loadFailure(`${path} is a folder: name a file`, cause);
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return loadFailure(`no permission for ${path}`, cause);
    case 'ENOSPC':
      return loadFailure(`the disk is full: ${path} could not be written`, cause);
    default:
      return loadFailure(`${path} failed: ${messageOf(cause)}`, cause);
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
