/**
 * Loads a file into a feature view: reads it chunk by chunk, writes its rows batch by batch, and puts the rows that
 * do not fit into a rejects file with their reasons.
 *
 * Invariants: memory holds one chunk of the file and a few batches, whatever the size of the file. Batches are given
 * to the store in the order of the file, so of two rows with one key and one event time the later wins. A load that
 * was cut off or failed can be repeated: rows that are there already are written again with the same values.
 */
import { systemClock } from '../../clock.ts';
import { MillraceError } from '../../errors.ts';
import type { FeatureView } from '../../project/project.ts';
import type { OnlineStore, RowWrite } from '../online-store.ts';
import { refuseRows } from '../refuse-rows.ts';
import type { FeatureFile, FileRow } from './feature-file.ts';
import { resolveColumns } from './file-columns.ts';
import { loadFailure } from './load-failure.ts';
import type { FileFormat } from './open-feature-file.ts';
import { openFeatureFile } from './open-feature-file.ts';
import type { Reject, RejectsFile } from './rejects-file.ts';
import { createRejectsFile } from './rejects-file.ts';
import type { RowDecoder } from './row-decoder.ts';
import { createRowDecoder } from './row-decoder.ts';
import { createWriteQueue } from './write-queue.ts';

export interface LoadOptions {
  readonly file: string;
  readonly view: FeatureView;
  readonly store: Pick<OnlineStore, 'write'>;
  /** Join key, timestamp field or feature -> the column of the file that holds it, where the names differ. */
  readonly columns?: ReadonlyMap<string, string>;
  /** Event time of every row in milliseconds, instead of a column of the file. */
  readonly eventTime?: number;
  /** Without it, the extension of the file tells. */
  readonly format?: FileFormat;
  /** Without it, the name of the file with `.rejects.ndjson` behind it. */
  readonly rejectsPath?: string;
  /** Most rows of one write. */
  readonly batchRows?: number;
  /** Called after every batch. `bytesRead` counts the file as it is, compressed or not. */
  readonly onProgress?: (bytesRead: number, bytesTotal: number, rows: number) => void;
}

export interface LoadSummary {
  /** Rows of the file: written + older + rejected. */
  readonly rows: number;
  readonly written: number;
  /** Rows that were not written because the store has a later event time for their key. */
  readonly older: number;
  readonly rejected: number;
  /** The first row that was rejected, to be shown. */
  readonly firstReject: Reject | undefined;
  /** What `line` in rejects counts. */
  readonly counts: FeatureFile['counts'];
  /** Columns of the file that are not part of the view. */
  readonly ignoredColumns: readonly string[];
  readonly durationMs: number;
  /** Where the rejected rows are; undefined if there are none. */
  readonly rejectsPath: string | undefined;
}

const BATCH_ROWS = 1000;

/**
 * @throws MillraceError LOAD_FAILED when the file cannot be read, does not have the columns of the view, or the view is
 *   computed from events; STORE_FAILED
 */
export async function loadFile(options: LoadOptions): Promise<LoadSummary> {
  const startMs = performance.now();
  const { file: path, view, columns = new Map<string, string>(), eventTime } = options;
  if (view.stream !== undefined) throw loadFailure(refuseRows(view, view.stream));
  const rejectsPath = options.rejectsPath ?? `${path}.rejects.ndjson`;
  const file = await openFeatureFile(path, options.format);
  try {
    const { wanted, ignored } = resolveColumns(path, file, view, columns, eventTime === undefined);
    const decode = createRowDecoder(view, wanted, file.cells, eventTime, systemClock.nowMs());
    const rejects = await createRejectsFile(rejectsPath, path);
    const counted = await loadRows(options, { file, wanted, decode, rejects });
    return {
      ...counted,
      counts: file.counts,
      ignoredColumns: ignored,
      durationMs: performance.now() - startMs,
      rejectsPath: counted.rejected > 0 ? rejectsPath : undefined,
    };
  } finally {
    await file.close();
  }
}

interface Load {
  readonly file: FeatureFile;
  readonly wanted: readonly string[];
  readonly decode: RowDecoder;
  readonly rejects: RejectsFile;
}

type Counted = Pick<LoadSummary, 'rows' | 'written' | 'older' | 'rejected' | 'firstReject'>;

async function loadRows(options: LoadOptions, { file, wanted, decode, rejects }: Load): Promise<Counted> {
  const { store, batchRows = BATCH_ROWS, onProgress } = options;
  const queue = createWriteQueue(store);
  let rows = 0;
  let rejected = 0;
  let firstReject: Reject | undefined;

  async function load(batch: readonly FileRow[]): Promise<void> {
    const decoded = decodeBatch(batch, decode);
    rows += batch.length;
    rejected += decoded.rejects.length;
    firstReject ??= decoded.rejects[0];
    await rejects.add(decoded.rejects);
    await queue.write(decoded.writes);
    onProgress?.(file.bytesRead(), file.bytesTotal, rows);
  }

  try {
    for await (const chunk of file.chunks(wanted)) {
      for (let from = 0; from < chunk.length; from += batchRows)
        await load(chunk.slice(from, from + batchRows));
    }
  } catch (error) {
    await queue.drain();
    const { written, older } = queue.counted();
    throw brokenOff(error, written + older);
  } finally {
    await rejects.close();
  }
  await queue.drain();
  return { rows, rejected, firstReject, ...queue.counted() };
}

function decodeBatch(
  batch: readonly FileRow[],
  decode: RowDecoder,
): { writes: RowWrite[]; rejects: Reject[] } {
  const writes: RowWrite[] = [];
  const rejects: Reject[] = [];
  for (const row of batch) {
    const decoded = decode(row);
    if ('key' in decoded) writes.push(decoded);
    else rejects.push({ line: row.number, reasons: decoded, row: row.whole() });
  }
  return { writes, rejects };
}

/** A file that cannot be read to its end: what was read before is loaded, and the user wants to know. */
function brokenOff(error: unknown, rowsLoaded: number): unknown {
  if (!(error instanceof MillraceError) || error.code !== 'LOAD_FAILED' || rowsLoaded === 0) return error;
  return loadFailure(`${error.message}. Rows loaded before it: ${rowsLoaded}; loading again is safe`, error);
}
