/** Opens a file of feature rows with the reader of its format. */
import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import type { FeatureFile, OpenFile } from './feature-file.ts';
import { fileFailure, loadFailure } from './load-failure.ts';
import { openCsv } from './read-csv.ts';
import { openNdjson } from './read-ndjson.ts';
import { openParquet } from './read-parquet.ts';

export type FileFormat = 'csv' | 'ndjson' | 'parquet';

export const fileFormats: readonly FileFormat[] = ['csv', 'ndjson', 'parquet'];

const openers: Readonly<Record<FileFormat, (file: OpenFile) => Promise<FeatureFile>>> = {
  csv: openCsv,
  ndjson: openNdjson,
  parquet: openParquet,
};

const formatOfExtension: ReadonlyMap<string, FileFormat> = new Map([
  ['csv', 'csv'],
  ['ndjson', 'ndjson'],
  ['jsonl', 'ndjson'],
  ['parquet', 'parquet'],
]);

/**
 * Opens a file and reads as much of it as tells its columns.
 * @param format undefined: by the extension of the name, behind which may be a `.gz`
 * @throws MillraceError LOAD_FAILED
 */
export async function openFeatureFile(path: string, format?: FileFormat): Promise<FeatureFile> {
  const file = await openExisting(path);
  try {
    return await openers[format ?? formatOfName(path)](file);
  } catch (error) {
    await file.handle.close();
    throw error;
  }
}

async function openExisting(path: string): Promise<OpenFile> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, 'r');
    const stats = await handle.stat();
    if (stats.isDirectory()) throw loadFailure(`${path} is a folder: name a file`);
    if (!stats.isFile()) throw loadFailure(`${path} is not a regular file: write the rows to a file first`);
    if (stats.size === 0) throw loadFailure(`${path} is empty`);
    return { path, handle, bytesTotal: stats.size };
  } catch (error) {
    await handle?.close();
    throw fileFailure(path, error);
  }
}

function formatOfName(path: string): FileFormat {
  const extension = /\.([^./\\]+?)(?:\.gz)?$/i.exec(path)?.[1]?.toLowerCase();
  const format = formatOfExtension.get(extension ?? '');
  if (format !== undefined) return format;
  throw loadFailure(
    `the name of ${path} does not tell its format: say --format ${fileFormats.slice(0, -1).join(', ')} or ${fileFormats.at(-1)}`,
  );
}
