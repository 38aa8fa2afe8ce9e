import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { LoadBench } from './load-fixture.ts';
import { createLoadBench, loadedAt } from './load-fixture.ts';

let bench: LoadBench;
beforeEach(async () => {
  bench = await createLoadBench();
});
afterEach(async () => bench.close());

it('loads a file with a byte order mark, CRLF, quoted line ends and Unicode', async () => {
  const text = '\ufeffiata,delay,state\r\nZRH,1.5,"Zürich,\r\n""✈"""\r\nJFK,,NY\r\n';
  expect(await bench.load('a.csv', text)).toMatchObject({ rows: 2, written: 2, rejected: 0 });
  expect(bench.row('ZRH')).toEqual([loadedAt, 1.5, 'Zürich,\r\n"✈"']);
  expect(bench.row('JFK')).toEqual([loadedAt, null, 'NY']);
});

it('loads a gzip-compressed file, also one without .gz in its name', async () => {
  const packed = gzipSync('iata,delay,state\nJFK,1,NY\n');
  expect(await bench.load('a.csv.gz', packed)).toMatchObject({ written: 1 });
  expect(await bench.load('a.csv', packed)).toMatchObject({ written: 1 });
});

it('says where a gzip-compressed file is damaged', async () => {
  const packed = gzipSync('iata,delay,state\nJFK,1,NY\n');
  await expect(bench.load('a.csv.gz', packed.subarray(0, -9))).rejects.toThrow(
    /a\.csv\.gz is damaged: gzip says/,
  );
});

it('takes an empty cell for null, and an empty quoted cell for an empty string', async () => {
  await bench.load('a.csv', 'iata,delay,state\nA,"",""\nB,,\n');
  expect(bench.row('A')).toEqual([loadedAt, null, '']);
  expect(bench.row('B')).toEqual([loadedAt, null, null]);
});

it('loads a cell of 65,536 characters, and rejects one of a megabyte', async () => {
  const state = 'é'.repeat(65_536);
  await bench.load('a.csv', `iata,delay,state\nA,1,"${state}"\nB,2,"${state.repeat(8)}"\nC,3,x\n`);
  expect(bench.row('A')).toEqual([loadedAt, 1, state]);
  expect(bench.row('C')).toEqual([loadedAt, 3, 'x']);
  const [reject] = await bench.rejects('a.csv');
  expect(reject).toMatchObject({ reasons: [{ column: 'state', reason: 'is longer than 65536 characters' }] });
});

it('rejects rows with too few or too many cells, and loads the others', async () => {
  const summary = await bench.load('a.csv', 'iata,delay,state\nA,1\nB,2,x,y\nC,3,z\n');
  expect(summary).toMatchObject({ rows: 3, written: 1, rejected: 2 });
  expect(await bench.rejects('a.csv')).toEqual([
    { line: 2, reasons: [{ reason: 'has 2 cells, and there are 3 columns' }], row: 'A,1' },
    { line: 3, reasons: [{ reason: 'has 4 cells, and there are 3 columns' }], row: 'B,2,x,y' },
  ]);
});

it('rejects a row with broken quotes, and loads the others', async () => {
  const summary = await bench.load('a.csv', 'iata,delay,state\nA,1,"x"y\nB,2,z\n');
  expect(summary).toMatchObject({ rows: 2, written: 1, rejected: 1 });
  expect(await bench.rejects('a.csv')).toEqual([
    { line: 2, reasons: [{ reason: 'has text after the closing quote in cell 3' }], row: 'A,1,"x"y' },
  ]);
});

it('fails at a quote that is never closed, says where it is and what is loaded', async () => {
  await expect(bench.load('a.csv', 'iata,delay,state\nA,1,x\nB,2,"y\nC,3,z\n')).rejects.toMatchObject({
    code: 'LOAD_FAILED',
    message: `${bench.path('a.csv')} ends inside a quote: the row on line 3 opens one and never closes it. Rows loaded before it: 1; loading again is safe`,
  });
});

it('fails at a row that is longer than 16 MiB', async () => {
  const text = `iata,delay,state\nA,1,"${'x\n'.repeat(9_000_000)}`;
  await expect(bench.load('a.csv', text)).rejects.toThrow(
    /the row on line 2 of .*a\.csv is longer than 16 MiB/,
  );
});

it('fails at text that is not UTF-8', async () => {
  const latin1 = Buffer.from('iata,delay,state\nZRH,1,Zürich\n', 'latin1');
  await expect(bench.load('a.csv', latin1)).rejects.toThrow(
    /is not UTF-8 \(near byte 24\): save it as UTF-8/,
  );
  const cutOff = Buffer.from('iata,delay,state\nZRH,1,Zü').subarray(0, -1);
  await expect(bench.load('a.csv', cutOff)).rejects.toThrow(/is not UTF-8/);
});

it.each([
  ['\n\n', /is empty: a CSV file needs a row of column names/],
  ['iata,"delay"x,state\nA,1,x\n', /line 1 of .*, with the column names, has text after the closing quote/],
  ['iata;delay;state\nA;1;x\n', /separates its columns by ";"/],
  ['iata,delay,state,delay\nA,1,x,2\n', /has two columns "delay"/],
])('fails at the header of %j', async (text, message) => {
  await expect(bench.load('a.csv', text)).rejects.toThrow(message);
});

it('fails at the header of a file that it has read only in part, compressed or not', async () => {
  const text = `iata;delay;state\n${'A;1;x\n'.repeat(300_000)}`;
  await expect(bench.load('a.csv', text)).rejects.toThrow(/separates its columns by ";"/);
  await expect(bench.load('a.csv.gz', gzipSync(text))).rejects.toThrow(/separates its columns by ";"/);
});

it('ignores a column that is there twice if it is not needed', async () => {
  expect(await bench.load('a.csv', 'iata,x,delay,state,x\nA,1,2,y,3\n')).toMatchObject({
    written: 1,
    ignoredColumns: ['x', 'x'],
  });
});
