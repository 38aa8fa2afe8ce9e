/** `npm run bench`: all benchmarks, as one table of rates and ratios. Takes about two minutes. */
import { cpus } from 'node:os';
import { formatTable } from '../src/cli/table.ts';
import type { BenchRow } from './bench-row.ts';
import { benchHttp } from './http.ts';
import { benchInference } from './inference.ts';
import { benchStore } from './store.ts';
import { benchTransforms } from './transforms.ts';

const parts: readonly { readonly name: string; run(): Promise<readonly BenchRow[]> }[] = [
  { name: 'transforms', run: benchTransforms },
  { name: 'inference', run: inferenceRows },
  { name: 'store', run: benchStore },
  { name: 'http', run: benchHttp },
];

async function inferenceRows(): Promise<BenchRow[]> {
  return (await benchInference()).map(({ name, concurrency, rowsPerSecond }) => ({
    name: `inference: ${name}, ${concurrency} waiting`,
    perSecond: rowsPerSecond,
  }));
}

const only = process.argv.slice(2);
const rows: BenchRow[] = [];
for (const part of parts) {
  if (only.length > 0 && !only.includes(part.name)) continue;
  process.stderr.write(`${part.name} …\n`);
  rows.push(...(await part.run()));
}
const head = ['what', 'per second', 'ratio', 'to', 'target'];
const cells = rows.map(({ name, perSecond, ratio, ratioTo = '', target = '' }) => [
  name,
  Math.round(perSecond).toLocaleString('en'),
  ratio === undefined ? '' : ratio.toFixed(2),
  ratioTo,
  target,
]);
const [cpu] = cpus();
console.log(
  `${new Date().toISOString().slice(0, 10)}, ${cpus().length} x ${cpu?.model ?? 'CPU'}, Node ${process.version}\n`,
);
console.log(formatTable([head, ...cells]));
