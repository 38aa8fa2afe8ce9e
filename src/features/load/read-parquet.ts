/**
 * Parquet: one row group at a time, and of it the wanted columns only. Memory holds these columns of one row group,
 * decoded, so it is bounded by how the file was written.
 */
import type { FileHandle } from 'node:fs/promises';
import { isUtf8 } from 'node:buffer';
import type { AsyncBuffer, DecodedArray, ParquetScan, SchemaElement } from 'hyparquet';
import { parquetMetadataAsync, parquetScan, parquetSchema } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { MillraceError } from '../../errors.ts';
import type { FeatureFile, FileRow, OpenFile } from './feature-file.ts';
import { loadFailure, messageOf } from './load-failure.ts';

/** Rows of one chunk. */
const CHUNK_ROWS = 1000;

export async function openParquet({ path, handle, bytesTotal }: OpenFile): Promise<FeatureFile> {
  const file = asyncBuffer(handle, bytesTotal);
  const metadata = await orFailure(path, async () => parquetMetadataAsync(file));
  const elements = new Map(parquetSchema(metadata).children.map(({ element }) => [element.name, element]));
  const rowsTotal = Number(metadata.num_rows);
  let rowsRead = 0;
  return {
    columns: [...elements.keys()],
    cells: 'values',
    counts: 'row',
    bytesTotal,
    // Columns that are not wanted are never read, so the share of the rows stands for that of the bytes.
    bytesRead: () => (rowsTotal === 0 ? bytesTotal : Math.round((bytesTotal * rowsRead) / rowsTotal)),
    async *chunks(wanted) {
      const columns = [...wanted];
      const options = { file, metadata, columns, compressors, parsers: { stringFromBytes } };
      const scan = await orFailure(path, async () => parquetScan(options));
      for (const range of scan.ranges) {
        const data = await orFailure(path, async () => readColumns(scan, range, columns, elements));
        for (let from = range.rowStart; from < range.rowEnd; from += CHUNK_ROWS) {
          const to = Math.min(from + CHUNK_ROWS, range.rowEnd);
          rowsRead = to;
          yield toFileRows(data, columns, { from, to, first: range.rowStart });
        }
      }
    },
    close: async () => handle.close(),
  };
}

function asyncBuffer(handle: FileHandle, byteLength: number): AsyncBuffer {
  return {
    byteLength,
    async slice(start, end = byteLength) {
      if (start < 0 || end < start || end > byteLength) throw new Error('it points outside of the file');
      const bytes = new Uint8Array(end - start);
      let filled = 0;
      while (filled < bytes.length) {
        const { bytesRead } = await handle.read(bytes, filled, bytes.length - filled, start + filled);
        if (bytesRead === 0) throw new Error('the file became shorter');
        filled += bytesRead;
      }
      return bytes.buffer;
    },
  };
}

/** Text that is not UTF-8 stays bytes, and so is refused where a string is needed. */
function stringFromBytes(bytes: Uint8Array | undefined): string | Uint8Array | undefined {
  return bytes !== undefined && isUtf8(bytes)
    ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString()
    : bytes;
}

async function readColumns(
  scan: ParquetScan,
  range: { readonly rowStart: number; readonly rowEnd: number },
  columns: readonly string[],
  elements: ReadonlyMap<string, SchemaElement>,
): Promise<ArrayLike<unknown>[]> {
  const data: ArrayLike<unknown>[] = [];
  for (const column of columns) {
    const values = await scan.readColumn({ column, ...range });
    if (values.length !== range.rowEnd - range.rowStart)
      throw new Error(`column "${column}" has missing rows`);
    data.push(exactDecimals(values, elements.get(column)));
  }
  return data;
}

/** Decimals arrive as `digits * 10 ** -scale`, which is off by a bit: 57 * 0.01 is 0.5700000000000001. */
function exactDecimals(values: DecodedArray, element: SchemaElement | undefined): ArrayLike<unknown> {
  const scale = element?.converted_type === 'DECIMAL' ? (element.scale ?? 0) : 0;
  if (scale === 0) return values as ArrayLike<unknown>;
  return Array.from(values as ArrayLike<unknown>, (value) =>
    typeof value === 'number' ? Number(value.toFixed(scale)) : value,
  );
}

function toFileRows(
  data: readonly ArrayLike<unknown>[],
  columns: readonly string[],
  { from, to, first }: { readonly from: number; readonly to: number; readonly first: number },
): FileRow[] {
  return Array.from({ length: to - from }, (_, index) => {
    const cells = data.map((values) => values[from + index - first] ?? null);
    return {
      number: from + index + 1,
      cells,
      whole: () => Object.fromEntries(columns.map((name, place) => [name, cells[place]])),
    };
  });
}

async function orFailure<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof MillraceError) throw error;
    throw loadFailure(`${path} cannot be read as Parquet: ${messageOf(error)}`, error);
  }
}
