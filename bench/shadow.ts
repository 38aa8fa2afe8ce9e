/**
 * `npm run bench:shadow`: what a shadow costs those that are answered, over HTTP with one row a request. Each round
 * measures a fresh process with each kind of shadow, one after the other, in an order that turns; ratios are taken within
 * the rounds. First the 99th percentile at half of the rate that saturates a server without a shadow, counted from the
 * times at which the requests should have been sent; then the rate of a closed loop. The time of the main thread is what a
 * shadow takes of the event loop; it changes less with what else the machine does than the others. Takes about four
 * minutes, after `npm run build`.
 */
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeBenchProject } from '../loadtest/bench-project.ts';
import { FEATURES } from '../loadtest/shape.ts';
import { markdownTable } from '../loadtest/peers/markdown-table.ts';
import { measureP99, oneRow } from '../loadtest/peers/measure.ts';
import type { PeerProcess } from '../loadtest/peers/peer-process.ts';
import { startPeer } from '../loadtest/peers/peer-process.ts';
import { millracePeer } from '../loadtest/peers/peers.ts';
import { median } from './median.ts';
import { scriptOptions } from './script-options.ts';

const ROUNDS = 7;
const usage = 'npm run bench:shadow [-- --quick]';
const { quick = false } = scriptOptions(usage, { quick: { type: 'boolean' } });
const rounds = quick ? 3 : ROUNDS;
const times = { warmUpMs: 700, roundMs: quick ? 1500 : 2500 };

interface Kind {
  readonly name: string;
  readonly isShadow: boolean;
  /** File in test/cases/models, without `.onnx`. */
  readonly model: string;
  readonly description: object;
}

const names = Array.from({ length: FEATURES }, (_, i) => `f${i}`);
const entities = { u: { entity: 'user', keys: { user_id: 'request.user_id' } } };
const sameInputs = { entities, inputs: { x: names.map((name) => `u.facts.${name} ?? 0`) } };
const oneInput = { entities, inputs: { x: 'u.facts.f0 ?? 0' }, outputs: { score: 'y' } };
const kinds: readonly Kind[] = [
  { name: 'none', isShadow: false, model: 'mlp', description: sameInputs },
  { name: 'the same model', isShadow: true, model: 'mlp', description: sameInputs },
  { name: 'one of some ms a run', isShadow: true, model: 'slow', description: oneInput },
  {
    name: 'one that always fails',
    isShadow: true,
    model: 'rejects_zeros',
    description: { inputs: { index: '0' }, outputs: { score: 'value' }, warmup: false },
  },
  {
    name: 'one that hangs',
    isShadow: true,
    model: 'endless',
    description: { ...oneInput, warmup: false },
  },
];

async function writeKind(dir: string, { isShadow, model, description }: Kind): Promise<void> {
  await writeBenchProject(dir, join(dir, 'data'), { isSteady: true, log: { sample: 0 } });
  const path = join(dir, 'millrace.json');
  const project = JSON.parse(await readFile(path, 'utf8')) as { endpoints: { m: object } };
  const variants = { only: { model: 'm@1' }, other: { model: 'other@1' } };
  const endpoint = { ...project.endpoints.m, variants, rollout: isShadow ? { shadow: ['other'] } : {} };
  await writeFile(path, JSON.stringify({ ...project, endpoints: { m: endpoint } }));
  await mkdir(join(dir, 'other', '1'), { recursive: true });
  const file = new URL(`../test/cases/models/${model}.onnx`, import.meta.url);
  await cp(file, join(dir, 'other', '1', 'model.onnx'));
  await writeFile(join(dir, 'other', 'model.json'), JSON.stringify({ execution: 'inline', ...description }));
}

interface Measured {
  readonly p99Us: number;
  readonly mainUs: number;
  readonly perSecond: number;
  /** Share of the requests at half of saturation, by what became of them in the shadow. */
  readonly outcomes: Readonly<Record<string, number>>;
}

async function measure(dir: string, ratePerSecond: number): Promise<Measured> {
  const peer = millracePeer(dir, ['--log-level', 'info']);
  const server = await startPeer(peer);
  try {
    const before = server.mainThreadMs() ?? NaN;
    const { us: p99Us } = await measureP99(peer, server, ratePerSecond, times);
    const mainMs = (server.mainThreadMs() ?? NaN) - before;
    const sent = (ratePerSecond * (times.warmUpMs + times.roundMs)) / 1000;
    const outcomes = await shadowOutcomes(server);
    const { perSecond } = await oneRow(times)(peer, server);
    return { p99Us, mainUs: (mainMs * 1000) / sent, perSecond, outcomes };
  } finally {
    await server.stop();
  }
}

async function shadowOutcomes(server: PeerProcess): Promise<Record<string, number>> {
  const text = await (await fetch(`http://127.0.0.1:${server.port}/metrics`)).text();
  const found = text.matchAll(/^millrace_shadow_requests_total\{.*outcome="(\w+)"\} (\d+)$/gm);
  const counts = [...found].map(([, outcome = '', count]): [string, number] => [outcome, Number(count)]);
  const all = counts.reduce((sum, [, count]) => sum + count, 0);
  return Object.fromEntries(counts.map(([outcome, count]) => [outcome, all === 0 ? 0 : count / all]));
}

async function saturation(dir: string): Promise<number> {
  const peer = millracePeer(dir, ['--log-level', 'info']);
  const server = await startPeer(peer);
  try {
    return (await oneRow(times)(peer, server)).perSecond;
  } finally {
    await server.stop();
  }
}

function spread(values: readonly number[]): string {
  const shown = [median(values), Math.min(...values), Math.max(...values)].map((value) => value.toFixed(2));
  return `${shown[0]} (${shown[1]} to ${shown[2]})`;
}

const root = await mkdtemp(join(tmpdir(), 'millrace-bench-shadow-'));
const dirOf = (k: number): string => join(root, String(k));
const readings: Measured[][] = kinds.map(() => []);
let rate = 0;
try {
  for (const [k, kind] of kinds.entries()) await writeKind(dirOf(k), kind);
  const rates: number[] = [];
  for (let round = 0; round < 3; round++) rates.push(await saturation(dirOf(0)));
  rate = Math.round(median(rates) / 2);
  process.stderr.write(`half of saturation: ${rate} a second\n`);
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < kinds.length; turn++) {
      const k = (round + turn) % kinds.length;
      readings[k]?.push(await measure(dirOf(k), rate));
    }
    process.stderr.write(`round ${round + 1} of ${rounds}\n`);
  }
} finally {
  await rm(root, { recursive: true, force: true });
}
const [base = []] = readings;
const table = kinds.map(({ name }, k) => {
  const own = readings[k] ?? [];
  const ratio = (of: (measured: Measured) => number): string =>
    k === 0 ? '' : spread(own.map((measured, round) => of(measured) / of(base[round] as Measured)));
  const share = (outcome: string): string =>
    k === 0 ? '' : `${Math.round(100 * median(own.map(({ outcomes }) => outcomes[outcome] ?? 0)))} %`;
  return [
    name,
    Math.round(median(own.map(({ p99Us }) => p99Us))).toLocaleString('en'),
    ratio(({ p99Us }) => p99Us),
    median(own.map(({ mainUs }) => mainUs)).toFixed(1),
    ratio(({ mainUs }) => mainUs),
    Math.round(median(own.map(({ perSecond }) => perSecond))).toLocaleString('en'),
    ratio(({ perSecond }) => perSecond),
    ['compared', 'failed', 'shed'].map(share).join(' / '),
  ];
});
const head = [
  'shadow',
  `p99 us at ${rate.toLocaleString('en')}/s`,
  'to none (<= 1.1)',
  'main thread us each',
  'to none',
  'at most, per second',
  'to none (>= 0.9)',
  'compared / failed / shed',
];
console.log(markdownTable(head, table, 1));
