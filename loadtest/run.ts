/**
 * `npm run loadtest`: builds, starts Millrace as a user does, in a fresh process, and runs every scenario on it: the
 * highest throughput (our sockets, and autocannon over HTTP), then a sweep of open-loop rates. Takes about seven
 * minutes; `-- --quick` about two. Results go to loadtest/reports.
 *
 *     npm run loadtest -- --quick --scenario one-row --scenario ws-msgpack
 *     npm run loadtest -- --duration 10s --serve '--log-level warn'
 */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { writeBenchProject } from './bench-project.ts';
import { runScenarios } from '../src/cli/loadtest/run-scenarios.ts';
import { MillraceError } from '../src/errors.ts';
import { resolveAddress } from '../src/loadtest/address.ts';
import type { LoadPlan } from '../src/loadtest/scenario.ts';
import { parseDuration } from '../src/project/duration.ts';
import type { ScenarioShape } from './scenarios.ts';
import { COLD_USERS, endpoints, scenarioShapes } from './scenarios.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const reportsDir = join(root, 'loadtest', 'reports');
const EXIT_USAGE = 2;

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    scenario: { type: 'string', multiple: true, default: scenarioShapes.map(({ name }) => name) },
    duration: { type: 'string' },
    warmup: { type: 'string' },
    serve: { type: 'string', default: '' },
    json: { type: 'string', default: join(reportsDir, 'loadtest.json') },
    html: { type: 'string', default: join(reportsDir, 'loadtest.html') },
  },
});

async function main(): Promise<void> {
  const shapes = options.scenario.map(shapeOf);
  const plan = planOf();
  const { status } = spawnSync('npm', ['run', '--silent', 'build'], { cwd: root, stdio: 'inherit' });
  if (status !== 0) throw new Error('the build failed');
  const dir = await mkdtemp(join(tmpdir(), 'millrace-loadtest-'));
  try {
    const users = shapes.some(({ name }) => name === 'cold-keys') ? { users: COLD_USERS } : {};
    await writeBenchProject(dir, join(dir, 'data'), { endpoints, ...users });
    await onServer(dir, async (url, signal) => {
      const address = await resolveAddress(url);
      const scenarios = shapes.map(({ about, protocol, connections, requests }) => {
        return {
          scenario: { name: about, target: { address, protocol, connections, requests: requests() } },
          plan,
        };
      });
      const command = ['npm run loadtest --', ...process.argv.slice(2)].join(' ').replace(/ --$/, '');
      const server = `millrace serve ${options.serve}`.trim();
      const files = { jsonPath: options.json, htmlPath: options.html };
      const isAnswered = await runScenarios(
        { title: 'Load test of Millrace', command, server, scenarios, ...files },
        signal,
      );
      if (!isAnswered) process.exitCode = 1;
    });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

function shapeOf(name: string): ScenarioShape {
  const shape = scenarioShapes.find((each) => each.name === name);
  if (shape !== undefined) return shape;
  const names = scenarioShapes.map((each) => each.name).join(', ');
  console.error(`There is no scenario ${name}; the scenarios are ${names}.`);
  process.exit(EXIT_USAGE);
}

function planOf(): LoadPlan {
  return {
    saturate: true,
    sweep: true,
    ratePerSecond: null,
    arrivals: 'poisson',
    seed: 1,
    warmUpMs: durationOf(options.warmup ?? (options.quick ? '500ms' : '1s')),
    durationMs: durationOf(options.duration ?? (options.quick ? '1s' : '4s')),
    timeoutMs: 2000,
    p99MsMax: null,
    pipelined: 32,
  };
}

function durationOf(text: string): number {
  const durationMs = parseDuration(text);
  if (typeof durationMs === 'number') return durationMs;
  console.error(durationMs);
  process.exit(EXIT_USAGE);
}

/** Ends the server when the work is done, or when Ctrl-C ended it. */
async function onServer(
  dir: string,
  work: (url: string, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  const cli = join(root, 'dist', 'cli.js');
  const args = [cli, 'serve', '--project', dir, '--data', join(dir, 'data'), '--port', '0'];
  const more = options.serve.split(' ').filter(Boolean);
  // A process group of its own: Ctrl-C is for the load test, which then still asks the server.
  const child = spawn(process.execPath, [...args, ...more], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  try {
    await work(`http://127.0.0.1:${await readyPort(child)}`, stop.signal);
  } finally {
    await end(child);
  }
}

/** The port of the server, once it logs that it is ready. */
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

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await ended;
}

try {
  await main();
} catch (error) {
  if (!(error instanceof MillraceError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
