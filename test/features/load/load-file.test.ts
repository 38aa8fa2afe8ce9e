import { link, mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { loadFile } from '../../../src/features/load/load-file.ts';
import { openLmdbStoreAlone } from '../../../src/features/lmdb-store.ts';
import type { LoadBench } from './load-fixture.ts';
import { airports, createLoadBench, featureView, loadedAt } from './load-fixture.ts';

let bench: LoadBench;
beforeEach(async () => {
  bench = await createLoadBench();
});
afterEach(async () => bench.close());

const csvOf = (rows: number): string =>
  `iata,delay,state\n${Array.from({ length: rows }, (_, i) => `K${i},${i},S${i}\n`).join('')}`;

it('changes nothing when it loads the same file again', async () => {
  const text = csvOf(2500);
  const first = await bench.load('a.csv', text);
  const row = bench.row('K2499');
  const second = await bench.load('a.csv', text);
  expect([first.written, second.written]).toEqual([2500, 2500]);
  expect(bench.row('K2499')).toEqual(row);
});

it('does not replace rows by those of an older file', async () => {
  await bench.load('new.csv', 'iata,delay,state\nA,1,new\n', { eventTime: loadedAt + 1 });
  const summary = await bench.load('old.csv', 'iata,delay,state\nA,2,old\nB,3,old\n', {
    eventTime: loadedAt,
  });
  expect(summary).toMatchObject({ rows: 2, written: 1, older: 1 });
  expect(bench.row('A')).toEqual([loadedAt + 1, 1, 'new']);
});

it('keeps the newest of the rows with one key, and the later of two that are equally new', async () => {
  const text =
    'iata,event_timestamp,delay,state\n' +
    'A,2001-03-09T12:00Z,1,x\nA,2001-03-10T12:00Z,2,x\nA,2001-03-10T12:00Z,3,x\nA,2001-03-08,4,x\n';
  // One row a batch, so that the order also holds between batches.
  const summary = await bench.load('a.csv', text, { batchRows: 1 });
  expect(summary).toMatchObject({ written: 3, older: 1 });
  expect(bench.row('A')).toEqual([Date.parse('2001-03-10T12:00Z'), 3, 'x']);
});

it('takes join keys, event time and features from the columns that it is told', async () => {
  const columns = new Map([
    ['iata', 'code'],
    ['event_timestamp', 'at'],
    ['state', 'region'],
  ]);
  const text = 'code,at,delay,region,name\nA,2001-03-09,1,CA,Alpha\n';
  expect(await bench.load('a.csv', text, { columns })).toMatchObject({
    written: 1,
    ignoredColumns: ['name'],
  });
  expect(bench.row('A')).toEqual([loadedAt, 1, 'CA']);
});

it('encodes several join keys and int64 keys as every other reader does', async () => {
  const view = featureView(
    [
      { name: 'origin', type: 'string' },
      { name: 'number', type: 'int64' },
    ],
    { delay: 'float64' },
  );
  const own = await createLoadBench(view);
  try {
    await own.load('a.csv', 'number,origin,delay\n007,"a:b",1\n');
    expect(own.row('a:b', 7)).toEqual([loadedAt, 1]);
  } finally {
    await own.close();
  }
});

it('gives all reasons of a rejected row, and the row itself', async () => {
  const text = 'iata,event_timestamp,delay,state\n,2001-02-30,x,y\nA,2001-03-09,1,z\n';
  const summary = await bench.load('a.csv', text, {});
  expect(summary).toMatchObject({
    rows: 2,
    written: 1,
    rejected: 1,
    rejectsPath: bench.path('a.csv.rejects.ndjson'),
  });
  const [reject] = await bench.rejects('a.csv');
  expect(reject).toEqual(summary.firstReject);
  expect(reject).toEqual({
    line: 2,
    reasons: [
      { column: 'iata', reason: 'is empty, and every row needs its join keys' },
      {
        column: 'event_timestamp',
        reason: 'must be ISO 8601, such as 2001-03-09T14:05:00Z, or milliseconds since 1970',
      },
      { column: 'delay', reason: 'must be a number, not "x"' },
    ],
    row: { iata: null, event_timestamp: '2001-02-30', delay: 'x', state: 'y' },
  });
});

it('rejects a key that no store keeps', async () => {
  await bench.load('a.csv', `iata,delay,state\n${'k'.repeat(1025)},1,x\nA,1,x\n`);
  const [reject] = await bench.rejects('a.csv');
  expect(reject?.reasons[0]?.reason).toMatch(/has 1025 bytes; at most 1024 are stored/);
});

it('makes a rejects file only when a row is rejected, and removes that of an earlier load', async () => {
  await bench.load('a.csv', 'iata,delay,state\nA,x,y\n');
  expect(await readdir(bench.dir)).toContain('a.csv.rejects.ndjson');
  const summary = await bench.load('a.csv', 'iata,delay,state\nA,1,y\n');
  expect(summary.rejectsPath).toBeUndefined();
  expect(await readdir(bench.dir)).not.toContain('a.csv.rejects.ndjson');
});

it('never writes rejects over the file that it loads, by whatever name', async () => {
  const text = 'iata,delay,state\nA,x,y\n';
  await writeFile(bench.path('a.csv'), text);
  await link(bench.path('a.csv'), bench.path('b.csv'));
  await expect(bench.load('a.csv', text, { eventTime: 0, rejectsPath: bench.path('b.csv') })).rejects.toThrow(
    /b\.csv is the file to load/,
  );
  expect(await readFile(bench.path('a.csv'), 'utf8')).toBe(text);
});

it('fails when the rejects cannot be written, and says how to name another file', async () => {
  const options = { eventTime: 0, rejectsPath: bench.path('nowhere/r.ndjson') };
  await expect(bench.load('a.csv', 'iata,delay,state\nA,x,y\n', options)).rejects.toThrow(
    /rejected rows cannot be written to .*r\.ndjson.*name another file for them with --rejects/,
  );
});

it('names all columns that are missing, those of the file, and the options that help', async () => {
  await expect(bench.load('a.csv', 'iat,dely,name\nA,1,x\n', {})).rejects.toMatchObject({
    code: 'LOAD_FAILED',
    message:
      `${bench.path('a.csv')} has no column "iata" (join key), "event_timestamp" (event time), "delay" (feature), ` +
      '"state" (feature); its columns are iat, dely, name. Use options such as --key iata=iat ' +
      '--column delay=dely, or --event-time-value now',
  });
  expect(bench.row('A')).toBeNull();
});

it('shows how a column is named when no name comes near', async () => {
  await expect(bench.load('a.csv', 'x,y\nA,1\n')).rejects.toThrow(/Use options such as --key iata=COLUMN$/);
});

it('refuses a column for something that the view does not have', async () => {
  const columns = new Map([['dela', 'x']]);
  await expect(bench.load('a.csv', 'iata,delay,state\nA,1,x\n', { eventTime: 0, columns })).rejects.toThrow(
    'feature view "profile" has no join key or feature "dela"; did you mean "delay"?',
  );
});

it('fails with a sentence at a file that is not there, a folder, an empty file, and a name that tells no format', async () => {
  const load = async (name: string): Promise<unknown> =>
    loadFile({ file: bench.path(name), view: airports, store: bench.store, eventTime: 0 });
  await mkdir(bench.path('folder.csv'));
  await expect(load('gone.csv')).rejects.toThrow(`there is no file ${bench.path('gone.csv')}`);
  await expect(load('folder.csv')).rejects.toThrow('folder.csv is a folder: name a file');
  await expect(bench.load('empty.csv', '')).rejects.toThrow('empty.csv is empty');
  await expect(bench.load('a.txt', 'x')).rejects.toThrow('say --format csv, ndjson or parquet');
  await expect(bench.load('csv', 'x')).rejects.toThrow('say --format csv, ndjson or parquet');
  expect(await bench.load('a.txt', csvOf(1), { eventTime: 0, format: 'csv' })).toMatchObject({ written: 1 });
});

it('refuses a view that is computed from events, and leaves the file alone', async () => {
  const event = { name: 'departure', fields: [], timeField: undefined };
  const view = { ...airports, stream: { event, keyFields: [], where: undefined } };
  await expect(bench.load('a.csv', csvOf(1), { view })).rejects.toThrow(
    'is computed from "departure" events and takes no rows; send events instead',
  );
  await expect(bench.rejects('a.csv')).rejects.toThrow('ENOENT');
});

it('says how many rows are loaded when a file breaks off', async () => {
  const text = Buffer.concat([Buffer.from(csvOf(50_000)), Buffer.from([0xff])]);
  await expect(bench.load('a.csv', text)).rejects.toThrow(
    /is not UTF-8 .*\. Rows loaded before it: \d+; loading again is safe/,
  );
  expect(bench.row('K0')).toEqual([loadedAt, 0, 'S0']);
});

it('tells its progress up to the last byte', async () => {
  const seen: [number, number, number][] = [];
  const text = csvOf(3000);
  const options = { eventTime: 0, onProgress: (...args: [number, number, number]) => void seen.push(args) };
  await bench.load('a.csv', text, options);
  expect(seen.map(([, , rows]) => rows)).toEqual([1000, 2000, 3000]);
  expect(seen.at(-1)).toEqual([text.length, text.length, 3000]);
});

it('fails with the error of the store when it cannot write', async () => {
  const store = await openLmdbStoreAlone({ path: join(bench.dir, 'other'), views: [airports] });
  await store.close();
  await expect(bench.load('a.csv', csvOf(10_000), { eventTime: 0, store })).rejects.toThrow(
    'the store is closed',
  );
});
