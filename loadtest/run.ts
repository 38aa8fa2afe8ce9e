/**
 * `npm run loadtest`: builds, starts Millrace as a user does, in a fresh process, and runs every scenario on it: the
 * highest throughput (our sockets, and autocannon over HTTP), then a sweep of open-loop rates. Takes about seven
 * minutes; `-- --quick` about two. Results go to loadtest/reports.
 *
 *     npm run loadtest -- --quick --scenario one-row --scenario ws-msgpack
 *     npm run loadtest -- --duration 10s --serve '--log-level warn'
 */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { scriptOptions } from '../bench/script-options.ts';
import { writeBenchProject } from './bench-project.ts';
import { runScenarios } from '../src/cli/loadtest/run-scenarios.ts';
import { MillraceError } from '../src/errors.ts';
import { resolveAddress } from '../src/loadtest/address.ts';
import type { LoadPlan } from '../src/loadtest/scenario.ts';
import { parseDuration } from '../src/project/duration.ts';
import { startPeer } from './peers/peer-process.ts';
import { millracePeer } from './peers/peers.ts';
import type { ScenarioShape } from './scenarios.ts';
import { COLD_USERS, endpoints, scenarioShapes } from './scenarios.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const reportsDir = join(root, 'loadtest', 'reports');
const EXIT_USAGE = 2;

const usage = `npm run loadtest -- [--quick] [--scenario NAME]… [--duration 4s] [--warmup 1s] [--serve 'OPTIONS OF SERVE']
  [--json FILE] [--html FILE]; scenarios: ${scenarioShapes.map(({ name }) => name).join(', ')}`;
const options = scriptOptions(usage, {
  quick: { type: 'boolean', default: false },
  scenario: { type: 'string', multiple: true, default: scenarioShapes.map(({ name }) => name) },
  duration: { type: 'string' },
  warmup: { type: 'string' },
  serve: { type: 'string', default: '' },
  json: { type: 'string', default: join(reportsDir, 'loadtest.json') },
  html: { type: 'string', default: join(reportsDir, 'loadtest.html') },
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
      const scenarios = shapes.map(({ about, protocol, connections, inFlight, requests }) => {
        return {
          scenario: {
            name: about,
            target: { address, protocol, connections, requests: requests() },
            ...(inFlight !== undefined && { inFlight }),
          },
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
  const millrace = millracePeer(dir, options.serve.split(' ').filter(Boolean));
  // Ctrl-C is for the load test, which then still asks the server.
  const server = await startPeer(millrace, { detached: true });
  try {
    await work(`http://127.0.0.1:${server.port}`, stop.signal);
  } finally {
    await server.stop('SIGTERM');
  }
}

try {
  await main();
} catch (error) {
  if (!(error instanceof MillraceError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
