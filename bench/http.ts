/**
 * Predict over HTTP against a bare uWebSockets.js server that parses the same JSON: one row, and 32 rows with a shared
 * context. Each round starts both servers as fresh processes, one after the other, under autocannon at 64 connections.
 *
 *     npx tsx bench/http.ts
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import autocannon from 'autocannon';
import type { BenchRow } from './bench-row.ts';
import { CONNECTIONS, manyRowBodies, oneRowBodies } from './http/shape.ts';

const ROUNDS = 5;
const WARM_UP_SECONDS = 1;
const ROUND_SECONDS = 3;

const servers = [
  { name: 'bare uWebSockets.js', file: 'bare-server.ts', path: '/predict' },
  { name: 'Millrace', file: 'millrace-server.ts', path: '/v1/endpoints/m/predict' },
] as const;

export async function benchHttp(): Promise<BenchRow[]> {
  const results: BenchRow[] = [];
  for (const [name, bodies, target] of [
    ['predict 1 row', oneRowBodies(), '>= 0.85'],
    ['predict 32 rows, shared context', manyRowBodies(), ''],
  ] as const) {
    const rates: Record<string, number[]> = {};
    for (let round = 0; round < ROUNDS; round++) {
      for (const server of servers) (rates[server.name] ??= []).push(await measure(server, bodies));
    }
    const [bare, millrace] = servers.map((server) => median(rates[server.name] ?? []));
    const ratios = (rates[servers[1].name] ?? []).map(
      (rate, i) => rate / ((rates[servers[0].name] ?? [])[i] ?? NaN),
    );
    const spread = `rounds ${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`;
    results.push({ name: `${name}: ${servers[0].name}`, perSecond: bare ?? NaN });
    results.push({
      name: `${name}: Millrace (${spread})`,
      perSecond: millrace ?? NaN,
      ratioTo: servers[0].name,
      ratio: median(ratios),
      target,
    });
  }
  return results;
}

async function measure(server: (typeof servers)[number], bodies: readonly string[]): Promise<number> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-bench-'));
  const file = fileURLToPath(new URL(`./http/${server.file}`, import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', file, dir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const port = await portOf(child);
    await load(port, server.path, bodies, WARM_UP_SECONDS);
    return await load(port, server.path, bodies, ROUND_SECONDS);
  } finally {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
    await rm(dir, { recursive: true, force: true });
  }
}

async function portOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('exit', () => reject(new Error('the server ended')));
    child.stdout?.once('data', (line: Buffer) =>
      resolve((JSON.parse(line.toString()) as { port: number }).port),
    );
  });
}

/** Requests per second. */
async function load(port: number, path: string, bodies: readonly string[], seconds: number): Promise<number> {
  const result = await autocannon({
    url: `http://127.0.0.1:${port}${path}`,
    connections: CONNECTIONS,
    duration: seconds,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    requests: bodies.map((body) => ({ method: 'POST' as const, body })),
  });
  if (result.non2xx > 0 || result.errors > 0)
    throw new Error(`${result.non2xx} bad answers, ${result.errors} errors`);
  return result['2xx'] / result.duration;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
}
