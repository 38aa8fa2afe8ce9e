/**
 * A file of feature rows, whatever its format. The reader of a format opens the file, tells its columns, and then gives
 * the rows chunk by chunk, so that memory holds one chunk and never the file. Another format is one more
 * `read-<format>.ts` and one more line in open-feature-file.ts.
 */
import type { FileHandle } from 'node:fs/promises';

export interface FeatureFile {
  /** In the order of the file. */
  readonly columns: readonly string[];
  /**
   * `text`: cells are strings, to be converted by the type of the feature; null is an empty cell. `values`: cells
   * have types of their own (numbers, bigints, booleans, strings, Dates, arrays).
   */
  readonly cells: 'text' | 'values';
  /** What the numbers of the rows count: lines of text, the first of which may be a header, or rows. All from 1. */
  readonly counts: 'line' | 'row';
  readonly bytesTotal: number;
  bytesRead(): number;
  /**
   * The rows, once. A chunk is at least one row and about as many as were read at a time.
   * @param wanted the columns whose cells are needed, in the order in which they are needed
   * @throws MillraceError LOAD_FAILED where reading cannot go on
   */
  chunks(wanted: readonly string[]): AsyncIterable<readonly FileRow[]>;
  close(): Promise<void>;
}

export interface FileRow {
  readonly number: number;
  /** One per wanted column; undefined when the row cannot be taken apart. */
  readonly cells: readonly unknown[] | undefined;
  /** Why it cannot. A sentence without a subject, as in a Refusal. */
  readonly problem?: string;
  /** The row as far as it could be read, for the rejects file. */
  whole(): unknown;
}

/** A file that was found to be readable and not empty, before its format is looked at. */
export interface OpenFile {
  readonly path: string;
  readonly handle: FileHandle;
  readonly bytesTotal: number;
}
