/** A table of Markdown. prettier aligns it. */
export function markdownTable(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  return [lineOf(heads), lineOf(heads.map(() => '---')), ...rows.map(lineOf)].join('\n');
}

function lineOf(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}
