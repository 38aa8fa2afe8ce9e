import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { CsvRow } from '../../../src/features/load/split-csv.ts';
import { createCsvSplitter } from '../../../src/features/load/split-csv.ts';

type Cells = CsvRow['cells'];

function split(...chunks: string[]): CsvRow[] {
  const splitter = createCsvSplitter();
  return [...chunks.flatMap((chunk) => splitter.push(chunk)), ...splitter.end()];
}

const cellsOf = (rows: readonly CsvRow[]): Cells[] => rows.map(({ cells }) => cells);
const linesOf = (rows: readonly CsvRow[]): number[] => rows.map(({ line }) => line);

function cut(text: string, places: readonly number[]): string[] {
  const at = [0, ...places.map((place) => place % (text.length + 1)).toSorted((a, b) => a - b), text.length];
  return at.slice(1).map((end, index) => text.slice(at[index], end));
}

const lineEnd = fc.constantFrom('\n', '\r\n', '\r');
const cell = fc.record({
  text: fc.string({ unit: fc.constantFrom('a', ',', '"', '\n', '\r', ' ', 'é', '✈', '😀'), maxLength: 6 }),
  isQuoted: fc.boolean(),
});

it('gives back the cells that were written, wherever the text is cut into chunks', () => {
  const rows = fc.array(fc.tuple(fc.array(cell, { minLength: 2, maxLength: 4 }), lineEnd), { maxLength: 5 });
  fc.assert(
    fc.property(rows, fc.array(fc.nat(), { maxLength: 6 }), fc.boolean(), (written, places, endsWithLine) => {
      const expected: Cells[] = [];
      let text = '';
      for (const [cells, end] of written) {
        const quoted = cells.map((c) => c.isQuoted || /[,"\n\r]/.test(c.text));
        text +=
          cells.map((c, i) => (quoted[i] ? `"${c.text.replaceAll('"', '""')}"` : c.text)).join(',') + end;
        expected.push(cells.map((c, i) => (c.text === '' && !quoted[i] ? null : c.text)));
      }
      if (!endsWithLine) text = text.replace(/(?:\r\n|\r|\n)$/, '');
      const actual = split(...cut(text, places));
      expect(cellsOf(actual)).toEqual(expected);
      expect(actual.every(({ problem }) => problem === undefined)).toBe(true);
    }),
    { numRuns: 500 },
  );
});

it('numbers a row by the line on which it begins', () => {
  expect(linesOf(split('a,b\r\n"x\r\ny",1\r\n\r\n"p\n\nq",2\nz,3\rw,4'))).toEqual([1, 2, 5, 8, 9]);
});

it('tells an empty cell from an empty quoted one', () => {
  expect(cellsOf(split('a,,""\n,\n'))).toEqual([
    ['a', null, ''],
    [null, null],
  ]);
});

it('keeps the comma at the very end of the file', () => {
  expect(cellsOf(split('1,'))).toEqual([['1', null]]);
});

it('names what is wrong with a broken row and goes on with the next', () => {
  const rows = split('1,"a"b,2\n2,c"d\n3,ok\n');
  expect(rows.map(({ problem }) => problem)).toEqual([
    'has text after the closing quote in cell 2',
    'has a quote inside text that does not begin with one in cell 2',
    undefined,
  ]);
  expect(rows.map((row) => row.text())).toEqual(['1,"a"b,2', '2,c"d', '3,ok']);
});

it('holds back a row whose quote is open', () => {
  const splitter = createCsvSplitter();
  expect(cellsOf(splitter.push('a\n"b\nc'))).toEqual([['a']]);
  expect([splitter.pendingChars(), splitter.pendingLine()]).toEqual([4, 2]);
  expect(splitter.end()).toEqual([]);
  expect(splitter.pendingChars()).toBe(4);
});
