/** `millrace serve --workers`: the supervisor as a process of its own, led by signals. */
import { loadProject } from '../../project/read-project.ts';
import { listenGrpc } from '../../server/grpc/listen-grpc.ts';
import { createLog } from '../../telemetry/log.ts';
import type { ServeGroupOptions } from '../serve-options.ts';
import { REDIS_VARIABLE } from '../store-options.ts';
import { unlessStopped, untilStopped } from '../until-stopped.ts';
import { Supervisor } from './supervisor.ts';
import { workerArgs } from './worker.ts';

/** Serves until SIGTERM or SIGINT; SIGHUP restarts the workers one by one. */
export async function serveWithWorkers(options: ServeGroupOptions): Promise<void> {
  const stop = untilStopped();
  const { workers, host, grpcPort } = options;
  const log = createLog(options.logLevel);
  const { redis } = options;
  const hasGrpc = grpcPort === undefined ? 'no' : 'yes';
  const supervisor = new Supervisor({
    workerCount: workers,
    port: options.port,
    log,
    startTimeoutMs: options.startTimeout,
    workerArgs: (number, port, sharing, unloaded) => [
      'worker',
      ...workerArgs({ ...options, number, port, sharing, grpc: hasGrpc, unloaded: unloaded.join() }),
    ],
    workerEnv: redis === undefined ? {} : { [REDIS_VARIABLE]: redis },
    checkProject: async () => loadProject(options.project),
  });
  // However this process ends, no worker outlives it. One that is killed cannot see to it; its workers then do.
  process.once('exit', () => supervisor.kill());
  let isReady = false;
  process.on('SIGHUP', () => {
    if (isReady) void supervisor.reload();
  });
  await unlessStopped(loadProject(options.project), stop);
  const port = await unlessStopped(supervisor.start(), stop);
  isReady = true;
  const grpc =
    grpcPort === undefined
      ? undefined
      : await listenGrpc({ host, port: grpcPort, isForOthers: true }, (connection) =>
          supervisor.handOver(connection),
        );
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
