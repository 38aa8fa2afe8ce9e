/**
 * `npm run bench:prediction-log`: what the prediction log costs a server under load over HTTP. Each round measures a fresh
 * process without the log, one with it, and one that logs the features of every request, one after the other, in an
 * order that turns. Ratios are taken within the rounds. CPU time is that of the whole server, with the thread that
 * commits; it changes less than the rate with what else the machine does. Takes about two minutes, after
 * `npm run build`.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeBenchProject } from '../loadtest/bench-project.ts';
import { markdownTable } from '../loadtest/peers/markdown-table.ts';
import { manyRows, oneRow } from '../loadtest/peers/measure.ts';
import type { Measure, Reading } from '../loadtest/peers/measure.ts';
import { startPeer } from '../loadtest/peers/peer-process.ts';
import { millracePeer } from '../loadtest/peers/peers.ts';
import { median } from './median.ts';
import { scriptOptions } from './script-options.ts';

const ROUNDS = 7;
const usage = 'npm run bench:prediction-log [-- --quick]';
const { quick = false } = scriptOptions(usage, { quick: { type: 'boolean' } });
const rounds = quick ? 3 : ROUNDS;
const times = { warmUpMs: 700, roundMs: quick ? 1500 : 2500 };

const kinds = [
  { name: 'no log', log: { sample: 0 } },
  { name: 'log', log: {} },
  { name: 'log with all features', log: { features_sample: 1 } },
] as const;
const loads: readonly (readonly [string, Measure])[] = [
  ['1 row', oneRow(times)],
  ['32 rows', manyRows(times)],
];

interface Measured extends Reading {
  /** Share of the answers of the whole process that the log did not take. */
  readonly droppedShare: number;
}

async function measure(dir: string, load: Measure): Promise<Measured> {
  const peer = millracePeer(dir, ['--log-level', 'info']);
  const server = await startPeer(peer);
  try {
    const reading = await load(peer, server);
    const text = await (await fetch(`http://127.0.0.1:${server.port}/metrics`)).text();
    const sum = (name: string): number =>
      [...text.matchAll(new RegExp(`^millrace_prediction_log_${name}_total\\{.*\\} (\\d+)$`, 'gm'))].reduce(
        (total, [, count]) => total + Number(count),
        0,
      );
    const dropped = sum('dropped');
    return { ...reading, droppedShare: dropped === 0 ? 0 : dropped / (dropped + sum('written')) };
  } finally {
    await server.stop();
  }
}

function spread(values: readonly number[]): string {
  const shown = [median(values), Math.min(...values), Math.max(...values)].map((value) => value.toFixed(2));
  return `${shown[0]} (${shown[1]} to ${shown[2]})`;
}

const root = await mkdtemp(join(tmpdir(), 'millrace-bench-log-'));
const table: string[][] = [];
try {
  for (const [k, { log }] of kinds.entries())
    await writeBenchProject(join(root, String(k)), join(root, String(k), 'data'), { log, isSteady: true });
  for (const [loadName, load] of loads) {
    const readings: Measured[][] = kinds.map(() => []);
    for (let round = 0; round < rounds; round++) {
      for (let turn = 0; turn < kinds.length; turn++) {
        const k = (round + turn) % kinds.length;
        readings[k]?.push(await measure(join(root, String(k)), load));
      }
      process.stderr.write(`${loadName}, round ${round + 1} of ${rounds}\n`);
    }
    const [base = []] = readings;
    for (const [k, { name }] of kinds.entries()) {
      const own = readings[k] ?? [];
      const ratio = (of: (reading: Reading) => number): string =>
        spread(own.map((reading, round) => of(reading) / of(base[round] as Reading)));
      table.push([
        `${loadName}, ${name}`,
        Math.round(median(own.map(({ perSecond }) => perSecond))).toLocaleString('en'),
        median(own.map(({ serverUs = NaN }) => serverUs)).toFixed(1),
        k === 0 ? '' : ratio(({ perSecond }) => perSecond),
        k === 0 ? '' : ratio(({ serverUs = NaN }) => serverUs),
        `${(100 * median(own.map(({ droppedShare }) => droppedShare))).toFixed(1)} %`,
      ]);
    }
  }
} finally {
  await rm(root, { recursive: true, force: true });
}
const head = [
  'HTTP',
  'requests/s',
  'server us each',
  'rate to no log (>= 0.9)',
  'CPU time to no log',
  'dropped',
];
console.log(markdownTable(head, table, 2));
