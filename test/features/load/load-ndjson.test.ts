import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { LoadBench } from './load-fixture.ts';
import { createLoadBench, featureView, loadedAt } from './load-fixture.ts';

let bench: LoadBench;
beforeEach(async () => {
  bench = await createLoadBench();
});
afterEach(async () => bench.close());

it('loads objects whose fields come in any order, and takes an absent field for null', async () => {
  const text = '\ufeff{"iata":"A","delay":1.5,"state":"x"}\r\n\n{"state":"y","iata":"B"}';
  expect(await bench.load('a.ndjson', text)).toMatchObject({ rows: 2, written: 2 });
  expect(bench.row('A')).toEqual([loadedAt, 1.5, 'x']);
  expect(bench.row('B')).toEqual([loadedAt, null, 'y']);
});

it('knows .jsonl and .jsonl.gz', async () => {
  const text = '{"iata":"A","delay":1,"state":"x"}\n';
  expect(await bench.load('a.jsonl', text)).toMatchObject({ written: 1 });
  expect(await bench.load('a.jsonl.gz', gzipSync(text))).toMatchObject({ written: 1 });
});

it('rejects broken lines in the middle, and loads the others', async () => {
  const good = (iata: string): string => `{"iata":"${iata}","delay":1,"state":"x"}`;
  const text = [good('A'), '{"iata":"B",', '[1]', '7', 'null', good('C')].join('\n');
  expect(await bench.load('a.ndjson', text)).toMatchObject({ rows: 6, written: 2, rejected: 4 });
  const rejects = await bench.rejects('a.ndjson');
  expect(rejects.map(({ line, row }) => [line, row])).toEqual([
    [2, '{"iata":"B",'],
    [3, '[1]'],
    [4, '7'],
    [5, 'null'],
  ]);
  expect(rejects.map(({ reasons }) => reasons[0]?.reason)).toEqual([
    expect.stringMatching(/^is not valid JSON: /),
    'must be a JSON object, not an array',
    'must be a JSON object, not a number',
    'must be a JSON object, not null',
  ]);
  expect(bench.row('C')).toEqual([loadedAt, 1, 'x']);
});

it('takes the last of a field that is there twice, and the later of two rows with one key', async () => {
  const text = '{"iata":"A","delay":1,"delay":2,"state":"x"}\n{"iata":"A","delay":3,"state":"y"}\n';
  expect(await bench.load('a.ndjson', text)).toMatchObject({ written: 2 });
  expect(bench.row('A')).toEqual([loadedAt, 3, 'y']);
});

it('reads names of the prototype as plain fields', async () => {
  const view = featureView([{ name: '__proto__', type: 'string' }], {
    constructor: 'float64',
    toString: 'string',
  });
  const own = await createLoadBench(view);
  try {
    const text = '{"__proto__":"A","constructor":1,"toString":"x"}\n{"constructor":2}\n{"__proto__":"B"}\n';
    expect(await own.load('a.ndjson', text)).toMatchObject({ written: 2, rejected: 1 });
    expect(own.row('A')).toEqual([loadedAt, 1, 'x']);
    expect(own.row('B')).toEqual([loadedAt, null, null]);
  } finally {
    await own.close();
  }
});

it('refuses an integer whose digits JSON has lost', async () => {
  const own = await createLoadBench(featureView([{ name: 'id', type: 'int64' }], { count: 'int64' }));
  try {
    const text = '{"id":9007199254740993,"count":1}\n{"id":"9007199254740993","count":2}\n';
    expect(await own.load('a.ndjson', text)).toMatchObject({ written: 1, rejected: 1 });
    expect(own.row(9007199254740993n)).toEqual([loadedAt, 2]);
  } finally {
    await own.close();
  }
});

it.each([
  ['\n \n', /is empty: an NDJSON file has one JSON object a line/],
  ['[{"iata":"A"}]', /is a JSON array: write it as one object a line/],
  ['\niata,delay,state\nA,1,x\n', /is not NDJSON: line 2 is not valid JSON/],
  ['{}\n', /is not NDJSON: line 1 has no fields/],
])('fails at %j', async (text, message) => {
  await expect(bench.load('a.ndjson', text)).rejects.toThrow(message);
});

it('fails at a line that is longer than 16 MiB', async () => {
  const text = `{"iata":"A","delay":1,"state":"x"}\n{"iata":"${'x'.repeat(17_000_000)}"}`;
  await expect(bench.load('a.ndjson', text)).rejects.toThrow(/line 2 of .*a\.ndjson is longer than 16 MiB/);
});
