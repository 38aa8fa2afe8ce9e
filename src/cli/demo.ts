/** `millrace demo`: the demo project served, with held-out flights replayed against it over HTTP. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import type { Project } from '../project/project.ts';
import { loadProject } from '../project/read-project.ts';
import { createServer, defaultHost, defaultPort } from '../server/server.ts';
import type { Server } from '../server/server.ts';
import { createLog } from '../telemetry/log.ts';
import { demoFile, loadDemoData } from './demo/demo-data.ts';
import { readHeldOutFlights, replay } from './demo/replay.ts';
import type { HeldOutFlight, ReplayResult } from './demo/replay.ts';
import { createProgress } from './progress.ts';
import { parsePort } from './serve.ts';
import { formatTable } from './table.ts';
import { unlessStopped, untilStopped } from './until-stopped.ts';

interface DemoOptions {
  readonly data?: string;
  readonly host: string;
  readonly port: number;
  readonly exit?: boolean;
}

/** The demo project, which is installed beside the program. */
const demoDir: string = fileURLToPath(new URL('../../models', import.meta.url));

export function demoCommand(): Command {
  return new Command('demo')
    .description('Serve the demo: delays of real flights, predicted from airport features.')
    .option('--data <dir>', 'the data folder of the embedded store (default: .millrace in the demo project)')
    .option('--host <address>', 'the address to listen on', defaultHost)
    .option('--port <number>', 'the port to listen on; 0 takes any free one', parsePort, defaultPort)
    .option('--exit', 'end after the replay instead of serving on')
    .action(demo);
}

async function demo(options: DemoOptions): Promise<void> {
  const stop = untilStopped();
  const project = await loadProject(demoDir);
  const flights = await readHeldOutFlights(demoFile(project, 'held_out_flights.csv'));
  const server = await unlessStopped(startServer(project, options), stop);
  try {
    await showDemo(server, project, flights, stop, options.exit === true);
  } finally {
    await server.close();
  }
  process.stdout.write('Stopped.\n');
}

async function startServer(project: Project, { data, host, port }: DemoOptions): Promise<Server> {
  const dataDir = data ?? join(demoDir, '.millrace');
  await loadDemoData(project, dataDir);
  return createServer(project, { dataDir, host, port, log: createLog('warn') });
}

async function showDemo(
  server: Server,
  project: Project,
  flights: readonly HeldOutFlight[],
  stop: Promise<unknown>,
  exits: boolean,
): Promise<void> {
  let isStopped = false;
  void stop.then(() => (isStopped = true));
  // The replay ends by itself when it is stopped, so that its progress bar is gone before the last line is printed.
  const results = await replayAll(server, [...project.endpoints.keys()], flights, () => isStopped);
  if (isStopped) return;
  process.stdout.write(resultTable(results, flights.length));
  if (exits) return;
  process.stdout.write(callsToTry(server));
  await stop;
}

async function replayAll(
  server: Server,
  endpoints: readonly string[],
  flights: readonly HeldOutFlight[],
  isStopped: () => boolean,
): Promise<ReplayResult[]> {
  const results: ReplayResult[] = [];
  for (const endpoint of endpoints) {
    const progress = createProgress(`replaying ${endpoint}`);
    const onAnswer = (count: number): void => progress.update(count, flights.length, `${count} flights`);
    try {
      results.push(await replay(server.url, endpoint, flights, onAnswer, isStopped));
    } finally {
      progress.stop();
    }
  }
  return results;
}

function resultTable(results: readonly ReplayResult[], flightCount: number): string {
  const head = ['endpoint', 'model', 'held-out AUC', 'p50 ms', 'p99 ms', 'requests/s'];
  const rows = results.map((result) => [
    result.endpoint,
    result.model,
    result.auc.toFixed(4),
    result.p50Ms.toFixed(2),
    result.p99Ms.toFixed(2),
    Math.round(result.requestsPerSecond),
  ]);
  const title = `\nReplayed ${flightCount} flights that no model has seen, over HTTP:\n`;
  return `${title}${formatTable([head, ...rows], '  ')}`;
}

/** Three calls that answer as they stand, pasted into a shell. */
function callsToTry({ url }: Server): string {
  const post = (path: string, body: string): string =>
    `curl -sw '\\n' ${url}${path} -H 'content-type: application/json' -d '${body}'`;
  const flight = '"flight_id":"AA-1","origin":"JFK","destination":"LAX","distance":2475';
  const request = `{"rows":[{${flight},"scheduled":"2001-03-09T17:00:00Z"}]`;
  return [
    `\nServing on ${url}. Try:\n\n`,
    `  ${post('/v1/endpoints/flight-delay/predict', `${request}}`)}\n`,
    `  ${post('/v1/endpoints/flight-delay/predict', `${request},"trace":true}`)}\n`,
    `  ${post('/get-online-features', '{"features":["airport_profile:city","airport_profile:latitude"],"entities":{"iata":["JFK","LAX"]}}')}\n`,
    '\nCtrl-C stops it.\n',
  ].join('');
}
