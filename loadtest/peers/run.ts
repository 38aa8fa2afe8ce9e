/**
 * `npm run bench:peers`: Millrace beside a bare uWebSockets.js server, Fastify and FastAPI. Every round starts each
 * server as a fresh process, one after the other, so that all meet the same minutes of a shared machine. Prints medians
 * and, for the ratios, the median, least and greatest of the rounds' own; writes the same as JSON and as a plot.
 *
 *     npm run bench:peers -- --rounds 9
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { scriptOptions } from '../../bench/script-options.ts';
import { benchTransforms } from '../../bench/transforms.ts';
import { writeBenchProject } from '../bench-project.ts';
import { checkAnswers } from './check-answers.ts';
import { manyRows, measureP99, oneRow, oneRowOverWebSocket, oneRowUnderAutocannon } from './measure.ts';
import type { Measure, P99, Reading } from './measure.ts';
import { startPeer } from './peer-process.ts';
import type { Peer } from './peer-process.ts';
import { barePeer, fastApiPeer, fastifyPeer, millracePeer } from './peers.ts';
import { markdownTable } from './markdown-table.ts';
import { plotRates } from './plot-rates.ts';
import { ratioCells, summarize, summarizeRates } from './summarize.ts';
import type { Case, Finding, P99Round, Ratio } from './summarize.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const usage = 'npm run bench:peers -- [--rounds 5] [--seconds 2] [--out loadtest/reports/peers]';
const values = scriptOptions(usage, {
  rounds: { type: 'string', default: '5' },
  seconds: { type: 'string', default: '2' },
  out: { type: 'string', default: join(root, 'loadtest', 'reports', 'peers') },
});
const rounds = Number(values.rounds);
const times = { warmUpMs: 1000, roundMs: Number(values.seconds) * 1000 };
if (!(Number.isInteger(rounds) && rounds > 0 && times.roundMs > 0)) {
  console.error('--rounds is a whole number above 0, --seconds a number above 0');
  process.exit(2);
}

const http: readonly (readonly [string, Measure])[] = [
  ['HTTP, 1 row', oneRow(times)],
  ['HTTP, 1 row, autocannon', oneRowUnderAutocannon(times)],
  ['HTTP, 32 rows', manyRows(times)],
];
const webSocket: readonly (readonly [string, Measure])[] = [
  ['WebSocket JSON, 1 row', oneRowOverWebSocket('json', times)],
  ['WebSocket MessagePack, 1 row', oneRowOverWebSocket('msgpack', times)],
];
const bare = barePeer().name;
const wanted: readonly Ratio[] = [
  { of: 'HTTP, 1 row: Millrace', to: `HTTP, 1 row: ${bare}`, target: 0.85 },
  { of: 'HTTP, 1 row, autocannon: Millrace', to: `HTTP, 1 row, autocannon: ${bare}`, target: 0.85 },
  { of: 'HTTP, 1 row: Millrace', to: 'HTTP, 1 row: Fastify', target: 3 },
  { of: 'HTTP, 1 row: Millrace', to: 'HTTP, 1 row: FastAPI', target: 15 },
  { of: 'HTTP, 32 rows: Millrace', to: `HTTP, 32 rows: ${bare}` },
  { of: 'HTTP, 32 rows: Millrace', to: 'HTTP, 32 rows: Fastify' },
  { of: 'HTTP, 32 rows: Millrace', to: 'HTTP, 32 rows: FastAPI' },
  { of: 'WebSocket JSON, 1 row: Millrace', to: 'HTTP, 1 row: Millrace' },
  { of: 'WebSocket MessagePack, 1 row: Millrace', to: 'HTTP, 1 row: Millrace', target: 2 },
];

const build = spawnSync('npm', ['run', '--silent', 'build'], { cwd: root, stdio: 'inherit' });
if (build.status !== 0) process.exit(1);
const dir = await mkdtemp(join(tmpdir(), 'millrace-peers-'));
try {
  await writeBenchProject(dir, join(dir, 'data'));
  await main(millracePeer(dir));
} finally {
  await rm(dir, { recursive: true, force: true });
}

async function main(millrace: Peer): Promise<void> {
  const fastApi = fastApiPeer();
  if (typeof fastApi === 'string') console.error(fastApi);
  const peers = [barePeer(), millrace, fastifyPeer(), ...(typeof fastApi === 'string' ? [] : [fastApi])];
  const cases = new Map<string, Case>();
  const p99s: P99Round[] = [];
  const known = new Map<string, readonly number[]>();
  for (let round = 1; round <= rounds; round++) {
    for (const peer of peers) {
      process.stderr.write(`round ${round} of ${rounds}: ${peer.name} …\n`);
      const measures = peer === millrace ? [...http, ...webSocket] : http;
      for (const [name, reading] of await measurePeer(peer, measures, known)) {
        const found = cases.get(`${name}: ${peer.name}`) ?? { name: `${name}: ${peer.name}`, readings: [] };
        cases.set(found.name, { ...found, readings: [...found.readings, reading] });
      }
    }
    const saturation = cases.get('HTTP, 1 row: Millrace')?.readings.at(-1)?.perSecond ?? NaN;
    p99s.push(await compareP99(millrace, saturation / 2));
  }
  const findings = summarize([...cases.values()], wanted, p99s);
  const transforms = await transformFindings();
  report([...cases.values()], [...findings, ...transforms], p99s);
}

async function measurePeer(
  peer: Peer,
  measures: readonly (readonly [string, Measure])[],
  known: Map<string, readonly number[]>,
): Promise<(readonly [string, Reading])[]> {
  const server = await startPeer(peer);
  try {
    // The bare server answers a constant.
    if (peer.name !== bare) await checkAnswers(peer, server, known, measures.length > http.length);
    const found: (readonly [string, Reading])[] = [];
    for (const [name, measure] of measures) found.push([name, await measure(peer, server)]);
    return found;
  } finally {
    await server.stop();
  }
}

async function compareP99(millrace: Peer, rate: number): Promise<P99Round> {
  process.stderr.write(`  latency at ${Math.round(rate)} requests a second …\n`);
  const measure = async (peer: Peer): Promise<P99> => {
    const server = await startPeer(peer);
    try {
      return await measureP99(peer, server, rate, times);
    } finally {
      await server.stop();
    }
  };
  return { bare: await measure(barePeer()), millrace: await measure(millrace), rate };
}

async function transformFindings(): Promise<Finding[]> {
  const rows = await benchTransforms();
  return rows.flatMap(({ name, ratio, ratioTo, target }) =>
    ratio === undefined || ratioTo === undefined
      ? []
      : [
          {
            what: `${name} / ${ratioTo}`,
            median: ratio,
            least: ratio,
            greatest: ratio,
            target: target ?? '',
          },
        ],
  );
}

function report(cases: readonly Case[], findings: readonly Finding[], p99s: readonly P99Round[]): void {
  const [cpu] = cpus();
  const date = new Date().toISOString().slice(0, 10);
  const machine = `${cpus().length} x ${cpu?.model ?? 'CPU'}, Node ${process.version}`;
  const rates = summarizeRates(cases);
  const text = [
    `${date}, ${machine}, ${rounds} rounds of ${times.roundMs / 1000} s`,
    markdownTable(['what', 'per second', 'server us each', 'server busy', 'load busy'], rates.cells, 4),
    markdownTable(['ratio', 'median', 'rounds', 'target', 'reached'], ratioCells(findings), 0),
  ].join('\n\n');
  console.log(text);
  mkdirSync(values.out, { recursive: true });
  const data = { date, machine, rounds, seconds: times.roundMs / 1000, cases, findings, p99s };
  writeFileSync(join(values.out, 'peers.json'), `${JSON.stringify(data, null, 2)}\n`);
  writeFileSync(join(values.out, 'peers.md'), `${text}\n`);
  writeFileSync(join(values.out, 'peers.svg'), plotRates(rates.medians, `${date}, ${machine}`));
  console.log(`\nWritten: ${join(values.out, 'peers.{json,md,svg}')}`);
}
