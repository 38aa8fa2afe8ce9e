/** `millrace serve --workers`: the supervisor as a process of its own, led by signals. */
import { loadServableProject } from '../../project/servable-project.ts';
import { listenGrpc } from '../../server/grpc/listen-grpc.ts';
import type { GrpcListener } from '../../server/grpc/listen-grpc.ts';
import { createLog } from '../../telemetry/log.ts';
import type { ServeGroupOptions } from '../serve-options.ts';
import { unlessStopped, untilStopped } from '../until-stopped.ts';
import { WORKER_VARIABLE } from './messages.ts';
import type { WorkerOptions } from './messages.ts';
import { Supervisor } from './supervisor.ts';

/** Serves until SIGTERM or SIGINT; SIGHUP restarts the workers one by one. */
export async function serveWithWorkers(options: ServeGroupOptions): Promise<void> {
  const stop = untilStopped();
  const { workers, host, grpcPort } = options;
  const log = createLog(options.logLevel);
  const supervisor = new Supervisor({
    workerCount: workers,
    port: options.port,
    log,
    startTimeoutMs: options.startTimeout,
    workerEnv: (place) => ({ [WORKER_VARIABLE]: workerText({ ...options, ...place }) }),
    checkProject: async () => loadServableProject(options.project),
  });
  // However this process ends, no worker outlives it. One that is killed cannot see to it; its workers then do.
  process.once('exit', () => supervisor.kill());
  let isReady = false;
  process.on('SIGHUP', () => {
    if (isReady) void supervisor.reload();
  });
  await unlessStopped(loadServableProject(options.project), stop);
  const port = await unlessStopped(supervisor.start(), stop);
  isReady = true;
  const grpc = await listenForWorkers(host, grpcPort, supervisor);
  log.info({ host, port }, 'listening');
  if (grpc !== undefined) log.info({ host, port: grpc.port }, 'listening for gRPC');
  log.info({ workers }, 'ready');
  await stop;
  log.info({ workers }, 'draining');
  grpc?.close();
  const isClean = await supervisor.stop();
  log.info('stopped');
  process.exit(isClean ? 0 : 1);
}

function workerText(options: WorkerOptions): string {
  return JSON.stringify(options);
}

/** @param port undefined = no gRPC */
async function listenForWorkers(
  host: string,
  port: number | undefined,
  supervisor: Supervisor,
): Promise<GrpcListener | undefined> {
  if (port === undefined) return undefined;
  return listenGrpc({ host, port, isForOthers: true }, (connection) => supervisor.handOver(connection));
}
