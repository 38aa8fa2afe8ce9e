/** `millrace demo`: the demo project served, with flights replayed against it over HTTP as they happened. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { Project } from '../project/project.ts';
import { loadProject } from '../project/read-project.ts';
import { createServer } from '../server/server.ts';
import { defaultHost, defaultPort } from '../server/server-options.ts';
import type { Server } from '../server/server.ts';
import { createLog } from '../telemetry/log.ts';
import { createCanaryWatch } from './demo/canary-watch.ts';
import type { CanaryWatch } from './demo/canary-watch.ts';
import { createCaller } from './demo/caller.ts';
import type { Caller } from './demo/caller.ts';
import { loadAirports } from './demo/demo-data.ts';
import { readFlights } from './demo/flights.ts';
import type { DemoFlights, Flight } from './demo/flights.ts';
import { replay, sendPast } from './demo/replay.ts';
import type { VariantResult } from './demo/replay.ts';
import { scenarios, writeBrokenProject } from './demo/scenario.ts';
import type { Scenario } from './demo/scenario.ts';
import { untilLogged } from './demo/until-logged.ts';
import { reportText } from './experiment/report-text.ts';
import { reportOf } from './experiment/run-report.ts';
import { createProgress } from './progress.ts';
import { createRolloutClient } from './rollout-client.ts';
import { statusText } from './rollout-text.ts';
import { parsePort } from './serve.ts';
import { formatTable } from './table.ts';
import { unlessStopped, untilStopped } from './until-stopped.ts';

interface DemoOptions {
  readonly data?: string;
  readonly host: string;
  readonly port: number;
  readonly insecure?: boolean;
  readonly scenario: Scenario;
  readonly speed: number;
  readonly flights?: number;
  readonly exit?: boolean;
}

/** The demo project, which is installed beside the program. */
const demoDir: string = fileURLToPath(new URL('../../models', import.meta.url));

const ENDPOINT = 'flight-delay';

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
    .option('--insecure', 'let everybody who reaches the address do everything')
    .addOption(
      new Option(
        '--scenario <name>',
        'ab: two versions side by side and a third in the shadow; bad-canary: a broken version, rolled back by itself',
      )
        .choices(scenarios)
        .default('ab'),
    )
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
  const scratch = await mkdtemp(join(tmpdir(), 'millrace-demo-'));
  try {
    const dir = options.scenario === 'bad-canary' ? await writeBrokenProject(demoDir, scratch) : demoDir;
    const project = await loadProject(dir);
    const flights = await readFlights(project);
    const dataDir = options.data ?? join(scratch, 'data');
    const server = await unlessStopped(startServer(project, dataDir, options), stop);
    try {
      await showDemo({ server, project, dataDir, flights, options }, stop);
    } finally {
      await server.close();
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  process.stdout.write('Stopped.\n');
}

async function startServer(
  project: Project,
  dataDir: string,
  { host, port, insecure = false }: DemoOptions,
): Promise<Server> {
  await loadAirports(project, dataDir);
  const limits = { ...project.limits, timeoutMs: TIMEOUT_MS };
  return createServer({ ...project, limits }, { dataDir, host, port, insecure, log: createLog('error') });
}

interface Demo {
  readonly server: Server;
  readonly project: Project;
  readonly dataDir: string;
  readonly flights: DemoFlights;
  readonly options: DemoOptions;
}

async function showDemo(shown: Demo, stop: Promise<unknown>): Promise<void> {
  const { server, options } = shown;
  let isStopped = false;
  void stop.then(() => (isStopped = true));
  const caller = createCaller(server.url);
  const watched = options.scenario === 'bad-canary' ? createCanaryWatch(server.url, ENDPOINT) : undefined;
  try {
    // Each step ends by itself when it is stopped, so that its progress bar is gone before the last line is printed.
    await tellPast(caller, shown.flights.past, () => isStopped);
    await watched?.begin();
    await replayHeldOut(shown, caller, watched, () => isStopped);
    if (isStopped) return;
    process.stdout.write(watched === undefined ? await experimentText(shown) : await watched.end());
  } finally {
    caller.close();
  }
  if (options.exit === true) return;
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

async function replayHeldOut(
  { flights: { heldOut }, options }: Demo,
  caller: Caller,
  watched: CanaryWatch | undefined,
  isStopped: () => boolean,
): Promise<void> {
  const flights = replayedFlights(heldOut, options);
  let progress = createProgress('replaying flights');
  const onProgress = async (count: number, results: readonly VariantResult[]): Promise<void> => {
    const known = results.filter(({ auc }) => Number.isFinite(auc));
    const aucs = known.map(({ variant, auc }) => `${variant} AUC ${auc.toFixed(3)}`);
    const news = await watched?.look(count);
    if (news !== undefined) {
      progress.stop();
      process.stdout.write(news);
      progress = createProgress('replaying flights');
    }
    progress.update(count, flights.length, `${count} flights, ${aucs.join(', ')}`);
  };
  const startedMs = performance.now();
  let results: readonly VariantResult[];
  try {
    const replayed = { endpoint: ENDPOINT, flightsPerSecond: options.speed, onProgress, isStopped };
    results = await replay(caller, flights, replayed);
  } finally {
    progress.stop();
  }
  const seconds = (performance.now() - startedMs) / 1000;
  if (!isStopped()) process.stdout.write(resultTable(results, flights.length, seconds));
}

function replayedFlights(heldOut: readonly Flight[], { flights }: DemoOptions): readonly Flight[] {
  return heldOut.slice(0, flights ?? heldOut.length);
}

function resultTable(results: readonly VariantResult[], flightCount: number, seconds: number): string {
  const head = ['variant', 'model', 'outcomes', 'held-out AUC', 'p50 ms', 'p99 ms'];
  const rows = results.map((result) => [
    result.variant,
    result.model,
    result.outcomes,
    result.auc.toFixed(4),
    result.p50Ms.toFixed(2),
    result.p99Ms.toFixed(2),
  ]);
  const title = `\nReplayed ${flightCount} flights that no model has seen in ${seconds.toFixed(0)} s, each predicted before its own event was sent,\nand its outcome then reported as feedback:\n`;
  return `${title}${formatTable([head, ...rows], '  ')}`;
}

/** The report of the experiment, and what its shadow would have said. */
async function experimentText(shown: Demo): Promise<string> {
  const { server, project, dataDir } = shown;
  await untilLogged(server.url, ENDPOINT, replayedFlights(shown.flights.heldOut, shown.options).length);
  const status = await createRolloutClient(server.url).read(ENDPOINT);
  if (status.experiment === null) return `\n${statusText(status)}`;
  const filter = {
    fromMs: -Infinity,
    toMs: Infinity,
    versions: undefined,
    withBots: false,
    against: undefined,
  };
  const report = await reportOf(project, {
    project: project.dir,
    data: dataDir,
    name: status.experiment,
    filter,
  });
  const place = `--project ${shellWord(project.dir)} --data ${shellWord(dataDir)}`;
  const commands = [
    `millrace experiment report ${status.experiment} ${place}`,
    `millrace rollout status ${ENDPOINT} --url ${server.url}`,
  ];
  const shownBy = commands.map((command) => `  ${command}\n`).join('');
  return `\nWhat these print:\n\n${shownBy}\n${reportText(report)}\n${statusText(status)}`;
}

/** As a shell takes it for one word. */
function shellWord(text: string): string {
  return /^[\w./:@%+,=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
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
