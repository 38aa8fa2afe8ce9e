/**
 * `npm run bench`: all benchmarks, as one table of rates and ratios in Markdown. Takes about a minute.
 *
 *     npx tsx bench/run.ts store inference    # only these parts
 */
import { cpus } from 'node:os';
import { markdownTable } from '../loadtest/peers/markdown-table.ts';
import type { BenchRow } from './bench-row.ts';
import { benchInference } from './inference.ts';
import { benchStore } from './store.ts';
import { benchStreaming } from './streaming.ts';
import { benchTransforms } from './transforms.ts';

const parts: readonly { readonly name: string; run(): Promise<readonly BenchRow[]> }[] = [
  { name: 'transforms', run: benchTransforms },
  { name: 'inference', run: inferenceRows },
  { name: 'store', run: benchStore },
  { name: 'streaming', run: benchStreaming },
];
const head = ['what', 'per second', 'ratio', 'rounds', 'to', 'target'];
const NUMERIC_COLUMNS = 3;

/** Pairs what `benchInference` measures at each number of waiting requests. */
async function inferenceRows(): Promise<BenchRow[]> {
  const found = await benchInference();
  const reference = found[0]?.name ?? '';
  return found.map(({ name, concurrency, rowsPerSecond }): BenchRow => {
    const row = { name: `inference: ${name}, ${concurrency} waiting`, perSecond: rowsPerSecond };
    const other = found.find((bench) => bench.name === reference && bench.concurrency === concurrency);
    if (name === reference || other === undefined) return row;
    return { ...row, ratioTo: reference, ratio: rowsPerSecond / other.rowsPerSecond };
  });
}

function cellsOf({ name, perSecond, ratio, ratioSpread, ratioTo = '', target = '' }: BenchRow): string[] {
  return [
    name,
    Math.round(perSecond).toLocaleString('en'),
    ratio?.toFixed(2) ?? '',
    ratioSpread?.map((value) => value.toFixed(2)).join(' to ') ?? '',
    ratioTo,
    target,
  ];
}

const wanted = process.argv.slice(2);
if (wanted.includes('--help')) {
  console.log(`npm run bench -- [PART]…; parts: ${parts.map(({ name }) => name).join(', ')}`);
  process.exit(0);
}
const unknown = wanted.filter((name) => !parts.some((part) => part.name === name));
if (unknown.length > 0) {
  console.error(
    `There is no part ${unknown.join(', ')}; the parts are ${parts.map(({ name }) => name).join(', ')}.`,
  );
  process.exit(2);
}
const rows: BenchRow[] = [];
for (const part of parts) {
  if (wanted.length > 0 && !wanted.includes(part.name)) continue;
  process.stderr.write(`${part.name} …\n`);
  rows.push(...(await part.run()));
}
const [cpu] = cpus();
const date = new Date().toISOString().slice(0, 10);
console.log(`${date}, ${cpus().length} x ${cpu?.model ?? 'CPU'}, Node ${process.version}\n`);
console.log(markdownTable(head, rows.map(cellsOf), NUMERIC_COLUMNS - 1));
