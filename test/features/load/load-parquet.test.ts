import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { loadFile } from '../../../src/features/load/load-file.ts';
import type { LoadSummary } from '../../../src/features/load/load-file.ts';
import type { LoadBench } from './load-fixture.ts';
import { createLoadBench, featureView } from './load-fixture.ts';

const casePath = (name: string): string =>
  fileURLToPath(new URL(`../../cases/load/${name}.parquet`, import.meta.url));

const flights = featureView([{ name: 'flight_id', type: 'int64' }], {
  state: 'string',
  delay: 'float64',
  fare: 'float64',
  late: 'bool',
  scheduled: 'timestamp',
  day: 'timestamp',
  embedding: 'float32[3]',
  recent: 'int64[2]',
  seats: 'int64',
});
const flightsBy = (hour: number): number => Date.parse('2001-03-09T00:05:00.250Z') + hour * 3_600_000;

let bench: LoadBench;
beforeEach(async () => {
  bench = await createLoadBench(flights);
});
afterEach(async () => bench.close());

const loadCase = async (name: string): Promise<LoadSummary> =>
  loadFile({
    file: casePath(name),
    view: flights,
    store: bench.store,
    rejectsPath: bench.path(`${name}.rejects.ndjson`),
  });

it.each(['none', 'snappy', 'gzip', 'zstd', 'brotli', 'lz4'])(
  'loads a file compressed with %s',
  async (codec) => {
    const summary = await loadCase(`flights-${codec}`);
    expect(summary).toMatchObject({
      rows: 6,
      written: 3,
      rejected: 3,
      counts: 'row',
      ignoredColumns: ['note'],
    });
    const scheduled = flightsBy(12);
    const day = Date.parse('2001-03-09T00:00:00Z');
    const recent = [9007199254740993n, 2];
    expect(bench.row(1)).toEqual([
      flightsBy(0),
      'CA',
      1.5,
      0.57,
      true,
      scheduled,
      day,
      [1.5, 2.5, 3.5],
      recent,
      1,
    ]);
    expect(bench.row(2)).toEqual([
      flightsBy(1),
      'TX',
      null,
      12.3,
      false,
      scheduled,
      day,
      [0, 0, 0],
      recent,
      2,
    ]);
    expect(bench.row(9007199254740993n)).toEqual([
      flightsBy(2),
      'CA',
      null,
      null,
      null,
      scheduled,
      day,
      null,
      recent,
      3,
    ]);
  },
);

it('rejects rows by their number, with digits that JSON can hold', async () => {
  await loadCase('flights-snappy');
  const rejects = await bench.rejects('flights-snappy');
  expect(rejects.map(({ line, reasons }) => [line, reasons])).toEqual([
    [4, [{ column: 'embedding', reason: 'must have 3 elements (float32[3]), not 2' }]],
    [5, [{ column: 'embedding', reason: 'has a bad element [1]: must be a number, not null' }]],
    [6, [{ column: 'flight_id', reason: 'is empty, and every row needs its join keys' }]],
  ]);
  expect(rejects[0]?.row).toMatchObject({
    flight_id: '-9223372036854775808',
    event_timestamp: '2001-03-09T03:05:00.250Z',
    state: null,
    recent: ['9007199254740993', '2'],
  });
});

it('loads a file of several row groups and tells how far it is', async () => {
  const counts = featureView([{ name: 'iata', type: 'string' }], { flights: 'int64' });
  const own = await createLoadBench(counts);
  try {
    const seen: number[] = [];
    const onProgress = (bytesRead: number, bytesTotal: number): unknown => seen.push(bytesRead / bytesTotal);
    const summary = await loadFile({ file: casePath('groups'), view: counts, store: own.store, onProgress });
    expect(summary).toMatchObject({ rows: 5000, written: 5000 });
    expect(own.row('K0')?.[1]).toBe(0);
    expect(own.row('K4999')?.[1]).toBe(4999);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(seen.at(-1)).toBe(1);
  } finally {
    await own.close();
  }
});

it('loads a file without rows as nothing', async () => {
  const counts = featureView([{ name: 'iata', type: 'string' }], { flights: 'int64' });
  expect(await loadFile({ file: casePath('no-rows'), view: counts, store: bench.store })).toMatchObject({
    rows: 0,
  });
});

it('fails with a sentence at a file that is no Parquet, is cut off, or has a damaged page', async () => {
  const whole = await readFile(casePath('flights-snappy'));
  const damaged = Buffer.from(whole);
  damaged.fill(0xff, 4, 60);
  for (const bytes of [Buffer.from('iata,delay,state\nA,1,x\n'), whole.subarray(0, -20), damaged]) {
    await expect(bench.load('a.parquet', bytes)).rejects.toMatchObject({
      code: 'LOAD_FAILED',
      message: expect.stringContaining(`${bench.path('a.parquet')} cannot be read as Parquet: `) as string,
    });
  }
});
