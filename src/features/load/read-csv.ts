/** CSV: the first row names the columns, every cell is text. */
import type { FeatureFile, FileRow, OpenFile } from './feature-file.ts';
import { loadFailure } from './load-failure.ts';
import type { CsvRow } from './split-csv.ts';
import { createCsvSplitter } from './split-csv.ts';
import { openTextFile, ROW_CHARS_MAX } from './text-file.ts';

export async function openCsv(file: OpenFile): Promise<FeatureFile> {
  const text = await openTextFile(file);
  const chunks = splitChunks(file.path, text.chunks());
  const first = await chunks.next();
  if (first.done === true) throw loadFailure(`${file.path} is empty: a CSV file needs a row of column names`);
  const [header, ...firstRows] = first.value as [CsvRow, ...CsvRow[]];
  const columns = readHeader(file.path, header);

  return {
    columns,
    cells: 'text',
    counts: 'line',
    bytesTotal: file.bytesTotal,
    bytesRead: () => text.bytesRead(),
    async *chunks(wanted) {
      const places = wanted.map((name) => columns.indexOf(name));
      const toFileRows = (rows: readonly CsvRow[]): FileRow[] =>
        rows.map((row) => toFileRow(row, columns, places));
      if (firstRows.length > 0) yield toFileRows(firstRows);
      for await (const rows of chunks) yield toFileRows(rows);
    },
    async close() {
      await chunks.return();
      await file.handle.close();
    },
  };
}

/** At least one row at a time. */
async function* splitChunks(
  path: string,
  chunks: AsyncGenerator<string, void>,
): AsyncGenerator<CsvRow[], void> {
  const splitter = createCsvSplitter();
  for await (const chunk of chunks) {
    const rows = splitter.push(chunk);
    if (rows.length > 0) yield rows;
    if (splitter.pendingChars() > ROW_CHARS_MAX) throw tooLong(path, splitter.pendingLine());
  }
  const rows = splitter.end();
  if (rows.length > 0) yield rows;
  if (splitter.pendingChars() > 0) {
    throw loadFailure(
      `${path} ends inside a quote: the row on line ${splitter.pendingLine()} opens one and never closes it`,
    );
  }
}

function tooLong(path: string, line: number): Error {
  const limit = `${ROW_CHARS_MAX / 1024 / 1024} MiB`;
  return loadFailure(
    `the row on line ${line} of ${path} is longer than ${limit}: look for a quote that is not closed`,
  );
}

function readHeader(path: string, { cells, problem, line }: CsvRow): readonly string[] {
  if (problem !== undefined) throw loadFailure(`line ${line} of ${path}, with the column names, ${problem}`);
  const columns = cells.map((cell) => cell?.trim() ?? '');
  const separator = columns.length === 1 ? /[;\t|]/.exec(columns[0] ?? '')?.[0] : undefined;
  if (separator === undefined) return columns;
  throw loadFailure(
    `${path} separates its columns by ${JSON.stringify(separator)}: write it with commas between them`,
  );
}

function toFileRow(row: CsvRow, columns: readonly string[], places: readonly number[]): FileRow {
  const { line: number, cells } = row;
  const text = (): string => row.text();
  if (row.problem !== undefined) return { number, cells: undefined, problem: row.problem, whole: text };
  if (cells.length !== columns.length) {
    const problem = `has ${cells.length} cells, and there are ${columns.length} columns`;
    return { number, cells: undefined, problem, whole: text };
  }
  return {
    number,
    cells: places.map((place) => cells[place]),
    whole: () => Object.fromEntries(columns.map((name, place) => [name, cells[place]])),
  };
}
