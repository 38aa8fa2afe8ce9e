/** `millrace serve`: the server as a process of its own. */
import { availableParallelism } from 'node:os';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { Access } from '../access/access.ts';
import { MillraceError } from '../errors.ts';
import { formatDuration } from '../project/duration.ts';
import { loadServableProject } from '../project/servable-project.ts';
import { PORT_MAX, defaultHost, defaultPort } from '../server/server-options.ts';
import type { Server } from '../server/server.ts';
import { createLog, logLevels } from '../telemetry/log.ts';
import type { Log } from '../telemetry/log.ts';
import { addAccessOptions, openServerAccess } from './access-options.ts';
import { durationArgument, intervalArgument } from './duration-argument.ts';
import { serverOptions } from './serve-options.ts';
import type { ServeGroupOptions, ServeOptions } from './serve-options.ts';
import { addStoreOptions } from './store-options.ts';
import { unlessStopped, untilStopped } from './until-stopped.ts';
import { serveWithWorkers } from './workers/serve-workers.ts';

const WORKERS_MAX = 256;
/** Models that take longer to load are rare; a start that hangs would hold up every reload. */
const START_TIMEOUT_MS = 300_000;
const WATCH_MS = 1000;
const spreadsConnections = process.platform === 'linux';

export function serveCommand(): Command {
  const command = new Command('serve').description(
    'Serve predictions for a project over HTTP until SIGTERM or Ctrl-C.',
  );
  return addAccessOptions(addStoreOptions(command))
    .option('--host <address>', 'the address to listen on', defaultHost)
    .option('--port <number>', 'the port to listen on; 0 takes any free one', parsePort, defaultPort)
    .addOption(
      new Option(
        '--tls-cert <file>',
        'the certificate, in PEM, for https; a new one is taken while the server runs',
      ).env('MILLRACE_TLS_CERT'),
    )
    .addOption(new Option('--tls-key <file>', 'its key, in PEM').env('MILLRACE_TLS_KEY'))
    .addOption(
      new Option(
        '--cors-origin <origins...>',
        'origins whose pages may call, like https://shop.example; * for all (default: none)',
      ),
    )
    .option(
      '--grpc-port <number>',
      'serve the Open Inference Protocol over gRPC as well, on this port; 0 takes any free one',
      parsePort,
    )
    .option(
      '--workers <count>',
      'processes that share the port and the store, or auto for one a core; with several, SIGHUP restarts them one by one',
      parseWorkers,
      1,
    )
    .addOption(
      new Option(
        '--watch <duration>',
        'how often the model folders are looked at; what has changed is loaded, checked and served. 0s = never',
      )
        .argParser(intervalArgument)
        .default(WATCH_MS, formatDuration(WATCH_MS)),
    )
    .addOption(
      new Option('--start-timeout <duration>', 'time for a worker to be ready; then it is killed')
        .argParser(durationArgument)
        .default(START_TIMEOUT_MS, formatDuration(START_TIMEOUT_MS)),
    )
    .option(
      '--access-log <share>',
      'log this share of the requests, from 0 to 1, and those that are refused or fail (default: no access log)',
      parseShare,
    )
    .addOption(
      new Option('--log-level <level>', 'least level that is logged').choices(logLevels).default('info'),
    )
    .action(serve);
}

async function serve(options: ServeGroupOptions): Promise<void> {
  if (options.workers > 1) {
    if (!spreadsConnections) {
      throw new MillraceError(
        'STARTUP_FAILED',
        '--workers needs Linux: no other system spreads connections over the processes that share a port',
      );
    }
    return serveWithWorkers(options);
  }
  const stop = untilStopped();
  const log = createLog(options.logLevel);
  const access = await openServerAccess(options, log, 1);
  try {
    const starting = startServer(options, access, log);
    process.on('SIGHUP', () => {
      void access.reload();
      void starting.then(async (server) => server.reload());
    });
    const server = await unlessStopped(starting, stop);
    await stop;
    // What did not close in time may never end by itself.
    if (!(await server.close())) process.exit(1);
  } finally {
    access.close();
  }
}

async function startServer(options: ServeOptions, access: Access, log: Log): Promise<Server> {
  const project = await loadServableProject(options.project);
  // Only here: the process that leads several workers needs none of it.
  const { createServer } = await import('../server/server.ts');
  return createServer(project, serverOptions(options, access, log));
}

export function parsePort(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= PORT_MAX) return port;
  throw new InvalidArgumentError(`A port is a number from 0 to ${PORT_MAX}.`);
}

function parseShare(text: string): number {
  const share = Number(text);
  if (/^\d*\.?\d+$/.test(text) && share <= 1) return share;
  throw new InvalidArgumentError('A share is a number from 0 to 1, such as 0.01.');
}

function parseWorkers(text: string): number {
  if (text === 'auto') return spreadsConnections ? Math.min(WORKERS_MAX, availableParallelism()) : 1;
  const count = Number(text);
  if (/^\d+$/.test(text) && count >= 1 && count <= WORKERS_MAX) return count;
  throw new InvalidArgumentError(`The count is a number from 1 to ${WORKERS_MAX}, or auto.`);
}
