/** `millrace worker`: a server that is one of several processes. The supervisor starts it and speaks with it. */
import type { Socket } from 'node:net';
import { Command, Option } from 'commander';
import { MillraceError } from '../../errors.ts';
import { loadProject } from '../../project/read-project.ts';
import { createServer } from '../../server/server.ts';
import type { Server } from '../../server/server.ts';
import type { Change } from '../../server/lifecycle.ts';
import type { PortSharing } from '../../server/transport.ts';
import { createLog } from '../../telemetry/log.ts';
import { createMetrics } from '../../telemetry/metrics.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import type { ServeOptions } from '../serve-options.ts';
import { REDIS_VARIABLE, forceKey, storePlace } from '../store-options.ts';
import type { FromWorker, ToWorker } from './messages.ts';

interface WorkerOptions extends Omit<ServeOptions, 'grpcPort'> {
  readonly number: number;
  readonly sharing: PortSharing;
  /** Whether it serves connections for gRPC, which the supervisor accepts. */
  readonly grpc: 'yes' | 'no';
  /** Names of models, with commas between them. */
  readonly unloaded: string;
}

/** Not in the help: it is not for people. */
export function workerCommand(): Command {
  return new Command('worker')
    .description('One of the processes of `millrace serve --workers`.')
    .requiredOption('--number <number>', 'its place among the workers', Number)
    .requiredOption('--project <dir>', 'as for serve')
    .option('--data <dir>', 'as for serve')
    .requiredOption('--host <address>', 'as for serve')
    .requiredOption('--port <number>', 'as for serve', Number)
    .addOption(new Option('--sharing <how>', 'who else may listen on the port').choices(['first', 'join']))
    .addOption(new Option('--redis <url>', 'as for serve').env(REDIS_VARIABLE))
    .option('--redis-layout <layout>', 'as for serve')
    .requiredOption('--watch <ms>', 'as for serve', Number)
    .addOption(new Option('--grpc <answer>', 'whether it serves gRPC').choices(['yes', 'no']).default('no'))
    .option('--unloaded <models>', 'models that are not loaded', '')
    .requiredOption('--log-level <level>', 'as for serve')
    .action(work);
}

/** The arguments of `millrace worker`. */
export function workerArgs(options: WorkerOptions): string[] {
  const { number, project, data, host, port, sharing, logLevel, redisLayout, watch, grpc, unloaded } =
    options;
  const layout = { 'redis-layout': redisLayout };
  const pairs = {
    number,
    project,
    data,
    host,
    port,
    sharing,
    watch,
    grpc,
    unloaded,
    ...layout,
    'log-level': logLevel,
  };
  // One word each, so that a value may begin with a dash.
  return Object.entries(pairs).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}=${value}`],
  );
}

async function work(options: WorkerOptions): Promise<void> {
  if (process.send === undefined) {
    throw new MillraceError('STARTUP_FAILED', 'a worker is started by `millrace serve --workers`');
  }
  // A terminal sends these to every process that runs in it; what they mean is the supervisor's to decide.
  for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined);
  const metrics = createMetrics();
  let server: Server | undefined;
  let ending: Promise<void> | undefined;
  const drain = (lingers: boolean): void => {
    if (server === undefined) process.exit(0);
    const closed = server.close({ lingers });
    ending ??= end(closed, metrics);
  };
  process.once('SIGTERM', () => drain(false));
  // The supervisor is gone, and nobody would end this process any more.
  process.once('disconnect', () => drain(false));
  const supervisor = answerSupervisor(metrics, { drain, server: () => server });
  try {
    const project = await loadProject(options.project);
    const { host, port, sharing } = options;
    const log = createLog(options.logLevel).child({ worker: options.number });
    const shared: Metrics = { ...metrics, render: supervisor.collect, close: () => undefined };
    server = await createServer(project, {
      ...storePlace(options),
      host,
      port,
      sharing,
      forceKey: forceKey(),
      grpc: options.grpc === 'yes' ? {} : undefined,
      watchModelsMs: options.watch,
      unloadedModels: options.unloaded.split(',').filter((name) => name !== ''),
      onChange: supervisor.announce,
      log,
      metrics: shared,
    });
    await tell({ type: 'ready', port: server.port, drainTimeoutMs: project.limits.drainTimeoutMs });
  } catch (error) {
    if (error instanceof MillraceError) {
      await tell({ type: 'failed', code: error.code, message: error.message });
    } else console.error(error);
    // The open channel to the supervisor would keep it running.
    process.exit(1);
  }
}

interface Led {
  readonly drain: (lingers: boolean) => void;
  readonly server: () => Server | undefined;
}

/** What a worker asks of the supervisor. */
interface Supervisor {
  /** The metrics of all workers. */
  readonly collect: () => Promise<string>;
  /** Makes a change in all other workers. @throws MillraceError CHANGE_REFUSED */
  readonly announce: (change: Change) => Promise<void>;
}

/** Answers the supervisor's messages; gives a way to ask it. */
function answerSupervisor(metrics: Metrics, { drain, server }: Led): Supervisor {
  let collecting: Promise<string> | undefined;
  let onCollected: ((text: string) => void) | undefined;
  const announced = new Map<number, (problem: string) => void>();
  let announcedCount = 0;
  process.on('message', (message: ToWorker, connection?: Socket) => {
    if (message.type === 'drain') drain(message.lingers);
    else if (message.type === 'connection') takeConnection(connection, server());
    else if (message.type === 'report') void report(metrics, message.id, message.part);
    else if (message.type === 'change') void makeChange(message.id, message.change, server());
    else if (message.type === 'announced') announced.get(message.id)?.(message.problem);
    else {
      collecting = undefined;
      onCollected?.(message.text);
    }
  });
  return {
    collect: async () => {
      collecting ??= new Promise((resolve) => {
        onCollected = resolve;
        void tell({ type: 'collect' });
      });
      return collecting;
    },
    announce: async (change) => {
      const id = ++announcedCount;
      const problem = await new Promise<string>((resolve) => {
        announced.set(id, resolve);
        void tell({ type: 'announce', id, change });
      });
      announced.delete(id);
      if (problem === '') return;
      const sentence = `One process has made the change, and another has not: ${problem} Mend it and ask again.`;
      throw new MillraceError('CHANGE_REFUSED', sentence);
    },
  };
}

/** One that comes while this process is ending is closed; the caller connects again, and to another. */
function takeConnection(connection: Socket | undefined, server: Server | undefined): void {
  if (server === undefined) connection?.destroy();
  else if (connection !== undefined) server.takeGrpcConnection(connection);
}

async function makeChange(id: number, change: Change, server: Server | undefined): Promise<void> {
  const problem = await (server?.change(change) ?? Promise.resolve()).then(
    () => '',
    (error: unknown) => (error as Error).message,
  );
  await tell({ type: 'changed', id, problem });
}

async function report(metrics: Metrics, id: number, part: 'all' | 'counts'): Promise<void> {
  await tell({ type: 'report', id, families: await metrics.families(part) });
}

async function end(closed: Promise<boolean>, metrics: Metrics): Promise<void> {
  const isClean = await closed;
  await report(metrics, 0, 'all');
  process.exit(isClean ? 0 : 1);
}

/** Resolves when the message is on its way, or cannot be sent because the supervisor is gone. */
async function tell(message: FromWorker): Promise<void> {
  return new Promise((resolve) => {
    if (process.connected) process.send?.(message, undefined, undefined, () => resolve());
    else resolve();
  });
}
