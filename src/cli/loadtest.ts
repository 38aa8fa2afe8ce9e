/** `millrace loadtest`: load on a running server, from a process of its own. */
import { readFile } from 'node:fs/promises';
import { Command, InvalidArgumentError, Option } from 'commander';
import { MillraceError } from '../errors.ts';
import { resolveAddress, urlProblem } from '../loadtest/address.ts';
import type { ArrivalKind } from '../loadtest/arrivals.ts';
import { arrivalKinds } from '../loadtest/arrivals.ts';
import type { Protocol, Target } from '../loadtest/caller.ts';
import { protocols } from '../loadtest/caller.ts';
import { readRequests } from '../loadtest/load-request.ts';
import type { LoadRequest } from '../loadtest/load-request.ts';
import type { LoadPlan } from '../loadtest/scenario.ts';
import { addKeyOption } from './access-options.ts';
import { durationArgument } from './duration-argument.ts';
import { defaultHost, defaultPort } from '../server/server-options.ts';
import { untilStopped } from './until-stopped.ts';

interface LoadTestOptions {
  readonly url: string;
  readonly key?: string;
  readonly endpoint?: string;
  readonly bodies?: string;
  readonly body?: string;
  readonly path?: string;
  readonly protocol: Protocol;
  readonly connections?: number;
  readonly rate?: number;
  readonly saturate?: true;
  readonly sweep?: true;
  readonly duration: number;
  readonly warmup: number;
  readonly arrivals: ArrivalKind;
  readonly seed: number;
  readonly timeout: number;
  readonly p99Max?: number;
  readonly pipelined?: number;
  readonly title: string;
  readonly json?: string;
  readonly html?: string;
  readonly allowRemote?: true;
}

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const RATE_DEFAULT = 1000;
const CONNECTIONS_MAX = 10_000;
const PIPELINED_MAX = 10_000;
const PIPELINED_DEFAULT = 32;
const SEED_MAX = 2 ** 31;
const RATE_MAX = 1_000_000;
/** A WebSocket carries many requests at a time, HTTP/1.1 one. */
const connectionsDefault: Readonly<Record<Protocol, number>> = { http: 64, ws: 8, 'ws-msgpack': 8 };

export function loadTestCommand(): Command {
  const command = new Command('loadtest')
    .description(
      'Send load to a running server at a steady rate, and report latency from the time that each request was ' +
        'meant to be sent. --saturate finds the highest throughput, --sweep the rate up to which the server keeps ' +
        'its latency.',
    )
    .addOption(
      new Option('--url <url>', 'the server')
        .argParser(parseUrl)
        .default(`http://${defaultHost}:${defaultPort}`),
    )
    .option('--endpoint <name>', 'the endpoint to ask, for bodies that do not name their own')
    .addOption(
      new Option('--bodies <file>', 'request bodies, one JSON object a line; sent in turn').conflicts('body'),
    )
    .option('--body <json>', 'one request body, such as {"rows":[{"user_id":"u1"}]}')
    .option('--path <path>', 'ask this HTTP path instead of the endpoint')
    .addOption(new Option('--protocol <name>', 'how to call the server').choices(protocols).default('http'));
  addPlanOptions(command);
  return addKeyOption(command)
    .option('--title <text>', 'heading of the report', 'Load test of Millrace')
    .option('--json <file>', 'write the results as JSON')
    .option('--html <file>', 'write the report as one HTML page, with charts')
    .option('--allow-remote', 'let the load go to another machine: make sure that it is yours to load')
    .action(loadTest);
}

function duration(flags: string, text: string, ms: number, words: string): Option {
  return new Option(flags, text).argParser(durationArgument).default(ms, words);
}

function addPlanOptions(command: Command): void {
  command
    .option(
      '--rate <number>',
      'requests per second, beside those of --sweep (default: 1000, unless --saturate or --sweep)',
      parseRate,
    )
    .option('--saturate', 'find the highest throughput: each answer sends the next request')
    .option('--sweep', 'try rates from a tenth of saturation to three times that, and find the knee')
    .option('--connections <number>', 'connections (default: 64; 8 for WebSocket)', counter(CONNECTIONS_MAX))
    .addOption(
      new Option(
        '--pipelined <number>',
        'WebSocket requests in flight on each connection, to saturate (default: 32)',
      ).argParser(counter(PIPELINED_MAX)),
    )
    .addOption(duration('--duration <time>', 'measured time of each rate', 10_000, '10s'))
    .addOption(duration('--warmup <time>', 'load before it that is not measured', 2000, '2s'))
    .addOption(duration('--timeout <time>', 'how long to wait for an answer', 5000, '5s'))
    .addOption(
      new Option('--arrivals <kind>', 'evenly spaced requests, or the random gaps of many callers')
        .choices(arrivalKinds)
        .default('poisson'),
    )
    .addOption(
      new Option('--seed <number>', 'the same seed gives the same gaps')
        .argParser(counter(SEED_MAX))
        .default(1),
    )
    .option(
      '--p99-max <time>',
      'p99 of a rate that is served well (default: 10 times the median of the lowest rate, at least 10ms)',
      durationArgument,
    );
}

async function loadTest(options: LoadTestOptions, command: Command): Promise<void> {
  const problem = problemOf(options);
  if (problem !== undefined) command.error(`error: ${problem}`, { exitCode: EXIT_USAGE });
  const target: Target = {
    address: await resolveAddress(options.url),
    protocol: options.protocol,
    connections: options.connections ?? connectionsDefault[options.protocol],
    requests: await requestsOf(options, command),
    key: options.key === '' ? undefined : options.key,
  };
  refuseRemote(target, options);
  const stop = new AbortController();
  void untilStopped().then(() => stop.abort());
  const name = options.endpoint ?? options.path ?? options.bodies ?? options.url;
  // Only here: the load generators take time and memory that no other command should spend.
  const { runScenarios } = await import('./loadtest/run-scenarios.ts');
  const isAnswered = await runScenarios(
    {
      title: options.title,
      command: ['millrace', ...withoutKey(process.argv.slice(2))].map(quoted).join(' '),
      server: options.url,
      scenarios: [{ scenario: { name, target }, plan: planOf(options) }],
      jsonPath: options.json,
      htmlPath: options.html,
    },
    stop.signal,
  );
  if (!isAnswered && !stop.signal.aborted) process.exitCode = EXIT_FAILED;
}

/** Options that ask for nothing, or for what would not be done. */
function problemOf(options: LoadTestOptions): string | undefined {
  const { bodies, body, path, protocol, pipelined, saturate, sweep, p99Max } = options;
  if (bodies === undefined && body === undefined)
    return 'no requests; give --bodies FILE, or --endpoint NAME --body \'{"rows":[{…}]}\'';
  if (path !== undefined && protocol !== 'http') return '--path is for --protocol http';
  if (pipelined !== undefined && protocol === 'http')
    return '--pipelined is for WebSocket; over HTTP each connection carries one request at a time';
  if (pipelined !== undefined && saturate !== true && sweep !== true)
    return '--pipelined is for --saturate and --sweep';
  if (p99Max !== undefined && sweep !== true) return '--p99-max is for --sweep';
  return undefined;
}

async function requestsOf(options: LoadTestOptions, command: Command): Promise<LoadRequest[]> {
  const { body = '', bodies, endpoint, path } = options;
  const defaults = { ...(endpoint !== undefined && { endpoint }), ...(path !== undefined && { path }) };
  if (bodies !== undefined) return readRequests(await readBodies(bodies), bodies, defaults);
  try {
    return readRequests(body.replaceAll('\n', ' '), '--body', defaults);
  } catch (error) {
    command.error(`error: ${(error as Error).message}`, { exitCode: EXIT_USAGE });
  }
}

async function readBodies(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new MillraceError('LOADTEST_FAILED', `cannot read ${file}: ${(cause as Error).message}`, { cause });
  }
}

/** A load test is an attack when it meets the wrong server. */
function refuseRemote({ address }: Target, { allowRemote }: LoadTestOptions): void {
  if (address.isLoopback || allowRemote === true) return;
  throw new MillraceError(
    'LOADTEST_FAILED',
    `${address.origin} (${address.ip}) is not this machine; if it is yours to load, say so with --allow-remote`,
  );
}

function planOf(options: LoadTestOptions): LoadPlan {
  const saturate = options.saturate === true;
  const sweep = options.sweep === true;
  return {
    saturate,
    sweep,
    ratePerSecond: options.rate ?? (saturate || sweep ? null : RATE_DEFAULT),
    arrivals: options.arrivals,
    seed: options.seed,
    warmUpMs: options.warmup,
    durationMs: options.duration,
    timeoutMs: options.timeout,
    p99MsMax: options.p99Max ?? null,
    pipelined: options.pipelined ?? PIPELINED_DEFAULT,
  };
}

function counter(max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= 1 && value <= max) return value;
    throw new InvalidArgumentError(`Write a whole number from 1 to ${max.toLocaleString('en-US')}.`);
  };
}

function parseUrl(url: string): string {
  const problem = urlProblem(url);
  if (problem === undefined) return url;
  throw new InvalidArgumentError(`${problem}.`);
}

function parseRate(text: string): number {
  const rate = Number(text);
  if (/^\d+(\.\d+)?$/.test(text) && rate > 0 && rate <= RATE_MAX) return rate;
  throw new InvalidArgumentError(`Write requests per second, up to ${RATE_MAX.toLocaleString('en-US')}.`);
}

/** The command stands in reports, which are shown around. */
function withoutKey(args: readonly string[]): string[] {
  return args.map((arg, i) => {
    if (arg.startsWith('--key=')) return '--key=…';
    return args[i - 1] === '--key' ? '…' : arg;
  });
}

function quoted(argument: string): string {
  return /^[\w./:=@,-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", `'\\''`)}'`;
}
