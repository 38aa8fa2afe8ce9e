/** `millrace worker`: a server that is one of several processes. The supervisor starts it and speaks with it. */
import type { Socket } from 'node:net';
import { Command } from 'commander';
import { MillraceError } from '../../errors.ts';
import { loadServableProject } from '../../project/servable-project.ts';
import { createServer } from '../../server/server.ts';
import type { Server } from '../../server/server.ts';
import type { Change } from '../../server/lifecycle.ts';
import { createLog } from '../../telemetry/log.ts';
import { createMetrics } from '../../telemetry/metrics.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import { serverOptions } from '../serve-options.ts';
import { openServerAccess } from '../access-options.ts';
import { WORKER_VARIABLE } from './messages.ts';
import type { ChangeProblem, FromWorker, ToWorker, WorkerOptions } from './messages.ts';

/** Not in the help: it is not for people. */
export function workerCommand(): Command {
  return new Command('worker')
    .description('One of the processes of `millrace serve --workers`.')
    .action(async () => work());
}

async function work(): Promise<void> {
  const told = process.env[WORKER_VARIABLE];
  if (process.send === undefined || told === undefined) {
    throw new MillraceError('STARTUP_FAILED', 'a worker is started by `millrace serve --workers`');
  }
  const options = JSON.parse(told) as WorkerOptions;
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
    const project = await loadServableProject(options.project);
    const log = createLog(options.logLevel).child({ worker: options.number });
    const access = await openServerAccess(options, log, options.workers);
    const shared: Metrics = { ...metrics, render: async () => supervisor.collect(), close: () => undefined };
    server = await createServer(project, {
      ...serverOptions(options, access, log),
      sharing: options.sharing,
      // The supervisor accepts the connections.
      grpc: options.grpcPort === undefined ? undefined : {},
      unloadedModels: options.unloaded,
      changeAll: async (change) => supervisor.changeAll(change),
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
  /** Makes a change in all workers. @throws MillraceError as `Server.change` */
  readonly changeAll: (change: Change) => Promise<void>;
}

/** Answers the supervisor's messages; gives a way to ask it. */
function answerSupervisor(metrics: Metrics, { drain, server }: Led): Supervisor {
  let collecting: Promise<string> | undefined;
  let onCollected: ((text: string) => void) | undefined;
  const asked = new Map<number, (problem: ChangeProblem | undefined) => void>();
  let askedCount = 0;
  process.on('message', (message: ToWorker, connection?: Socket) => {
    if (message.type === 'drain') drain(message.lingers);
    else if (message.type === 'connection') takeConnection(connection, server());
    else if (message.type === 'report') void report(metrics, message.id, message.part);
    else if (message.type === 'change') void makeChange(message.id, message.change, server());
    else if (message.type === 'asked') asked.get(message.id)?.(message.problem);
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
    changeAll: async (change) => {
      const id = ++askedCount;
      const problem = await new Promise<ChangeProblem | undefined>((resolve) => {
        asked.set(id, resolve);
        void tell({ type: 'ask', id, change });
      });
      asked.delete(id);
      if (problem === undefined) return;
      const { code, message, details } = problem;
      throw new MillraceError(code, message, { details });
    },
  };
}

/** One that comes while this process is ending is closed; the caller connects again, and to another. */
function takeConnection(connection: Socket | undefined, server: Server | undefined): void {
  if (server === undefined) connection?.destroy();
  else if (connection !== undefined) server.takeGrpcConnection(connection);
}

async function makeChange(id: number, change: Change, server: Server | undefined): Promise<void> {
  const problem = await (server?.change(change) ?? Promise.resolve()).then(() => undefined, problemOf);
  await tell({ type: 'changed', id, problem });
}

function problemOf(error: unknown): ChangeProblem {
  if (!(error instanceof MillraceError))
    return { code: 'INTERNAL', message: String(error), details: undefined };
  const { code, message, details } = error;
  return { code, message, details };
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
