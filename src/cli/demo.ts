/** `millrace demo`: the demo project served, with flights replayed against it over HTTP as they happened. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError } from 'commander';
import type { Project } from '../project/project.ts';
import { loadProject } from '../project/read-project.ts';
import { createServer, defaultHost, defaultPort } from '../server/server.ts';
import type { Server } from '../server/server.ts';
import { createLog } from '../telemetry/log.ts';
import { createCaller } from './demo/caller.ts';
import type { Caller } from './demo/caller.ts';
import { loadAirports } from './demo/demo-data.ts';
import { readFlights } from './demo/flights.ts';
import type { DemoFlights, Flight } from './demo/flights.ts';
import { replay, sendPast } from './demo/replay.ts';
import type { EndpointResult } from './demo/replay.ts';
import { createProgress } from './progress.ts';
import { parsePort } from './serve.ts';
import { formatTable } from './table.ts';
import { unlessStopped, untilStopped } from './until-stopped.ts';

interface DemoOptions {
  readonly data?: string;
  readonly host: string;
  readonly port: number;
  readonly speed: number;
  readonly flights?: number;
  readonly exit?: boolean;
}

/** The demo project, which is installed beside the program. */
const demoDir: string = fileURLToPath(new URL('../../models', import.meta.url));

/** On a slow machine, who starts a demo would rather wait than see it end at the first answer that is late. */
const TIMEOUT_MS = 10_000;

export function demoCommand(): Command {
  return new Command('demo')
    .description(
      'Serve the demo: delays of real flights, predicted as they were, with features of those before.',
    )
    .option(
      '--data <dir>',
      'an empty folder to keep events and features in (default: one that is removed at the end)',
    )
    .option('--host <address>', 'the address to listen on', defaultHost)
    .option('--port <number>', 'the port to listen on; 0 takes any free one', parsePort, defaultPort)
    .option('--speed <number>', 'flights a second; 0 is as fast as the server answers', parseCount, 0)
    .option('--flights <number>', 'how many of the held-out flights are replayed (default: all)', parseCount)
    .option('--exit', 'end after the replay instead of serving on')
    .action(demo);
}

function parseCount(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('Write a whole number.');
  return Number(text);
}

async function demo(options: DemoOptions): Promise<void> {
  const stop = untilStopped();
  const project = await loadProject(demoDir);
  const flights = await readFlights(project);
  const dataDir = options.data ?? (await mkdtemp(join(tmpdir(), 'millrace-demo-')));
  try {
    const server = await unlessStopped(startServer(project, dataDir, options), stop);
    try {
      await showDemo(server, project, flights, stop, options);
    } finally {
      await server.close();
    }
  } finally {
    if (options.data === undefined) await rm(dataDir, { recursive: true, force: true });
  }
  process.stdout.write('Stopped.\n');
}

async function startServer(project: Project, dataDir: string, { host, port }: DemoOptions): Promise<Server> {
  await loadAirports(project, dataDir);
  const limits = { ...project.limits, timeoutMs: TIMEOUT_MS };
  return createServer({ ...project, limits }, { dataDir, host, port, log: createLog('warn') });
}

async function showDemo(
  server: Server,
  project: Project,
  { past, heldOut }: DemoFlights,
  stop: Promise<unknown>,
  { speed, flights = heldOut.length, exit = false }: DemoOptions,
): Promise<void> {
  let isStopped = false;
  void stop.then(() => (isStopped = true));
  const caller = createCaller(server.url);
  const shown = heldOut.slice(0, flights);
  try {
    // Each step ends by itself when it is stopped, so that its progress bar is gone before the last line is printed.
    await tellPast(caller, past, () => isStopped);
    const startedMs = performance.now();
    const endpoints = [...project.endpoints.keys()];
    const results = await replayHeldOut(caller, shown, { endpoints, speed, isStopped: () => isStopped });
    if (isStopped) return;
    const seconds = (performance.now() - startedMs) / 1000;
    process.stdout.write(resultTable(results, shown.length, seconds));
  } finally {
    caller.close();
  }
  if (exit) return;
  process.stdout.write(callsToTry(server));
  await stop;
}

async function tellPast(caller: Caller, past: readonly Flight[], isStopped: () => boolean): Promise<void> {
  const progress = createProgress('sending departures');
  const onProgress = (count: number): void => progress.update(count, past.length, `${count} flights`);
  try {
    await sendPast(caller, past, onProgress, isStopped);
  } finally {
    progress.stop();
  }
  process.stdout.write(`Sent the departures of ${past.length} flights, on which the models were trained.\n`);
}

interface HeldOutOptions {
  readonly endpoints: readonly string[];
  readonly speed: number;
  readonly isStopped: () => boolean;
}

async function replayHeldOut(
  caller: Caller,
  flights: readonly Flight[],
  { endpoints, speed, isStopped }: HeldOutOptions,
): Promise<EndpointResult[]> {
  const progress = createProgress('replaying flights');
  const onProgress = (count: number, results: readonly EndpointResult[]): void => {
    const aucs = results.map(({ model, auc }) => `${model} AUC ${auc.toFixed(3)}`);
    progress.update(count, flights.length, `${count} flights, ${aucs.join(', ')}`);
  };
  try {
    return await replay(caller, flights, { endpoints, flightsPerSecond: speed, onProgress, isStopped });
  } finally {
    progress.stop();
  }
}

function resultTable(results: readonly EndpointResult[], flightCount: number, seconds: number): string {
  const head = ['endpoint', 'model', 'outcomes', 'held-out AUC', 'p50 ms', 'p99 ms'];
  const rows = results.map((result) => [
    result.endpoint,
    result.model,
    result.outcomes,
    result.auc.toFixed(4),
    result.p50Ms.toFixed(2),
    result.p99Ms.toFixed(2),
  ]);
  const title = `\nReplayed ${flightCount} flights that no model has seen in ${seconds.toFixed(0)} s, each predicted before its own event was sent,\nand its outcome then reported as feedback:\n`;
  return `${title}${formatTable([head, ...rows], '  ')}`;
}

/** Calls that answer as they stand, pasted into a shell. */
function callsToTry({ url }: Server): string {
  const post = (path: string, body: string): string =>
    `curl -sw '\\n' ${url}${path} -H 'content-type: application/json' -d '${body}'`;
  const flight = '"flight_id":"AA-1","origin":"JFK","destination":"LAX","distance":2475';
  const request = `{"as_of":"2001-03-31T23:00:00Z","rows":[{${flight},"scheduled":"2001-03-31T23:00:00Z"}]`;
  const late = `{"type":"departure","fields":{${flight},"scheduled":"2001-03-31T22:30:00Z","delay":240}}`;
  return [
    `\nServing on ${url}. Try a prediction, an event, and the prediction again:\n\n`,
    `  ${post('/v1/endpoints/flight-delay/predict', `${request}}`)}\n`,
    `  ${post('/v1/events', late)}\n`,
    `  ${post('/v1/endpoints/flight-delay/predict', `${request},"trace":true}`)}\n`,
    '\nCtrl-C stops it.\n',
  ].join('');
}
