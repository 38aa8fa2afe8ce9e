/** Rows of a table as text, one line each: CSV (RFC 4180) or NDJSON. */
import type { Value } from '../project/value.ts';

export type TableFormat = 'csv' | 'ndjson';

export interface TableText {
  /** What stands above the rows. */
  readonly head: string;
  /** @param cells one per column; null = missing */
  line(cells: readonly Value[]): string;
}

export function createTableText(format: TableFormat, columns: readonly string[]): TableText {
  if (format === 'csv') return { head: csvLine(columns), line: csvLine };
  const names = columns.map((name) => JSON.stringify(name));
  return {
    head: '',
    line: (cells) => `{${cells.map((cell, i) => `${names[i]}:${jsonText(cell)}`).join(',')}}\n`,
  };
}

function csvLine(cells: readonly Value[]): string {
  return `${cells.map(csvText).join(',')}\n`;
}

/** An empty cell is a missing value, an empty text is quoted: `millrace load` reads them as what they are. */
function csvText(cell: Value): string {
  if (cell === null) return '';
  const text = Array.isArray(cell) ? `[${cell.join(',')}]` : String(cell);
  return text === '' || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** JSON has no infinities, and no integers beyond 2^53 that every reader takes. */
function jsonText(cell: Value): string {
  if (typeof cell === 'number' && !Number.isFinite(cell)) return `"${cell}"`;
  return JSON.stringify(cell, (_name, value: unknown) => (typeof value === 'bigint' ? `${value}` : value));
}
