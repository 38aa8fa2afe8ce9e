/** A table that reads well in a terminal and can be pasted into a document. */

/** @param numericColumns how many columns after the first are aligned to the right */
export function markdownTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  numericColumns: number,
): string {
  const isNumeric = (column: number): boolean => column > 0 && column <= numericColumns;
  const widths = head.map((title, c) => Math.max(3, title.length, ...rows.map((row) => row[c]?.length ?? 0)));
  const rule = widths.map((width, c) => (isNumeric(c) ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width)));
  const pad = (cells: readonly string[]): string[] =>
    widths.map((width, c) =>
      isNumeric(c) ? (cells[c] ?? '').padStart(width) : (cells[c] ?? '').padEnd(width),
    );
  return [pad(head), rule, ...rows.map(pad)].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
