/** Text tables for the terminal: columns padded to their widest cell, numbers to the right. */

export type Cell = string | number;

/** A dash stands for a number that there is not; `< 0.0001` is one. */
const numeric = /^(-|([<>] )?[+-]?[\d,]+(\.\d+)?(e-?\d+)?( %)?)$/;

/** @param rows the cells of each line; the first line is the head */
export function formatTable(rows: readonly (readonly Cell[])[], indent = ''): string {
  const texts = rows.map((row) => row.map(String));
  const columns = Math.max(0, ...texts.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, c) =>
    Math.max(...texts.map((row) => row[c]?.length ?? 0)),
  );
  return texts
    .map((row, r) => {
      const cells = row.map((text, c) => {
        const isNumber = numeric.test(r === 0 ? (texts[1]?.[c] ?? '') : text);
        return isNumber ? text.padStart(widths[c] as number) : text.padEnd(widths[c] as number);
      });
      return `${indent}${cells.join('  ').trimEnd()}\n`;
    })
    .join('');
}
