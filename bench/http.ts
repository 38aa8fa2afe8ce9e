/**
 * Predict over HTTP against a bare uWebSockets.js server that parses the same JSON: one row, and 32 rows with a shared
 * context. Builds Millrace and runs it as a user does. Each round starts both servers as fresh processes, one after
 * the other, and loads them over 64 connections.
 *
 * The load comes from plain sockets (http/load.ts), which keep either server busy. autocannon is shown beside it: it
 * needs more time for a request than the bare server does, so its ratio tells of itself as well.
 */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import autocannon from 'autocannon';
import type { BenchRow } from './bench-row.ts';
import { writeBenchProject } from './http/bench-project.ts';
import { requestRate } from './http/load.ts';
import { CONNECTIONS, manyRowBodies, oneRowBodies } from './http/shape.ts';

const ROUNDS = 5;
const WARM_UP_MS = 1000;
const ROUND_MS = 2000;
const AUTOCANNON_SECONDS = 2;

interface BenchServer {
  readonly name: string;
  readonly path: string;
  /** Arguments of node. */
  readonly args: readonly string[];
}

/** A way of loading a server; gives requests per second. */
type Measure = (port: number, path: string) => Promise<number>;

interface Case {
  readonly name: string;
  readonly measure: Measure;
  readonly target?: string;
}

const root = fileURLToPath(new URL('..', import.meta.url));

export async function benchHttp(): Promise<BenchRow[]> {
  const { status } = spawnSync('npm', ['run', '--silent', 'build'], { cwd: root, stdio: 'inherit' });
  if (status !== 0) throw new Error('the build failed');
  const dir = await mkdtemp(join(tmpdir(), 'millrace-bench-'));
  try {
    await writeBenchProject(dir, join(dir, 'data'));
    const servers = [bareServer(), millraceServer(dir)] as const;
    const oneRow = [
      { name: 'predict 1 row', measure: bySockets(oneRowBodies()), target: '>= 0.85' },
      { name: 'predict 1 row, under autocannon', measure: byAutocannon(oneRowBodies()) },
    ];
    const manyRows = [{ name: 'predict 32 rows, shared context', measure: bySockets(manyRowBodies()) }];
    return [...(await compare(servers, oneRow)), ...(await compare(servers, manyRows))];
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

function bareServer(): BenchServer {
  const file = fileURLToPath(new URL('./http/bare-server.ts', import.meta.url));
  return { name: 'bare uWebSockets.js', path: '/predict', args: ['--import', 'tsx', file] };
}

function millraceServer(dir: string): BenchServer {
  const cli = join(root, 'dist', 'cli.js');
  const args = [cli, 'serve', '--project', dir, '--data', join(dir, 'data'), '--port', '0'];
  return { name: 'Millrace', path: '/v1/endpoints/m/predict', args };
}

/** Measures every case on the same processes, round by round. */
async function compare(
  [reference, contender]: readonly [BenchServer, BenchServer],
  cases: readonly Case[],
): Promise<BenchRow[]> {
  const rates = cases.map(() => ({ reference: [] as number[], contender: [] as number[] }));
  for (let round = 0; round < ROUNDS; round++) {
    const referenceRates = await measureCases(reference, cases);
    const contenderRates = await measureCases(contender, cases);
    rates.forEach((found, c) => {
      found.reference.push(referenceRates[c] as number);
      found.contender.push(contenderRates[c] as number);
    });
  }
  return cases.flatMap(({ name, target }, c): BenchRow[] => {
    const found = rates[c] as (typeof rates)[number];
    const ratios = found.contender.map((rate, round) => rate / (found.reference[round] as number));
    return [
      { name: `${name}: ${reference.name}`, perSecond: median(found.reference) },
      {
        name: `${name}: ${contender.name}`,
        perSecond: median(found.contender),
        ratioTo: reference.name,
        ratio: median(ratios),
        ratioSpread: [Math.min(...ratios), Math.max(...ratios)],
        ...(target === undefined ? {} : { target }),
      },
    ];
  });
}

/** The rates of a fresh process, case by case. */
async function measureCases(server: BenchServer, cases: readonly Case[]): Promise<number[]> {
  const child = spawn(process.execPath, server.args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const port = await readyPort(child);
    const rates: number[] = [];
    for (const { measure } of cases) rates.push(await measure(port, server.path));
    return rates;
  } finally {
    await stop(child);
  }
}

/** The port of a server that logs JSON lines, once it says that it is ready. */
async function readyPort(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', () => reject(new Error('the server ended before it was ready')));
    let port = NaN;
    // Reads to the end: a full pipe would block the server.
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      const entry = JSON.parse(line) as { port?: number; msg?: string };
      port = entry.port ?? port;
      if (entry.msg === 'ready') resolve(port);
    });
  });
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
}

function bySockets(bodies: readonly string[]): Measure {
  return async (port, path) =>
    requestRate({
      port,
      path,
      bodies,
      connections: CONNECTIONS,
      warmUpMs: WARM_UP_MS,
      roundMs: ROUND_MS,
    });
}

function byAutocannon(bodies: readonly string[]): Measure {
  return async (port, path) => {
    const result = await autocannon({
      url: `http://127.0.0.1:${port}${path}`,
      connections: CONNECTIONS,
      duration: AUTOCANNON_SECONDS,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      requests: bodies.map((body) => ({ method: 'POST' as const, body })),
    });
    if (result.non2xx > 0 || result.errors > 0)
      throw new Error(`${result.non2xx} bad answers, ${result.errors} errors`);
    return result['2xx'] / result.duration;
  };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
}
