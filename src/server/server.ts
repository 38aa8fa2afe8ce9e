/**
 * The composition root: store, models, plans and transport become one server. It listens before the models are
 * loaded, so that a port in use is known at once and liveness can be asked; until then it answers NOT_READY.
 */
import type { Socket } from 'node:net';
import { openToAll } from '../access/access.ts';
import type { Access } from '../access/access.ts';
import { systemClock } from '../clock.ts';
import type { Clock } from '../clock.ts';
import type { RedisOptions } from '../features/redis/redis-options.ts';
import type { Project } from '../project/project.ts';
import { createLog } from '../telemetry/log.ts';
import type { Log } from '../telemetry/log.ts';
import { createMetrics } from '../telemetry/metrics.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { createCallerReader } from './caller-headers.ts';
import { createEnvironmentHolder } from './data-parts.ts';
import type { EnvironmentHolder } from './data-parts.ts';
import type { GrpcServer } from './grpc/create-grpc-server.ts';
import { listenGrpc } from './grpc/listen-grpc.ts';
import type { GrpcListener } from './grpc/listen-grpc.ts';
import type { Definition } from './definition.ts';
import type { Generation } from './generation.ts';
import { createLifecycle } from './lifecycle.ts';
import type { Change, Lifecycle } from './lifecycle.ts';
import { createModelWatch, modelFingerprint } from './model-watch.ts';
import type { ModelWatch } from './model-watch.ts';
import { packageVersion } from './package-version.ts';
import type { RouteContext } from './route-context.ts';
import { ServerState } from './server-state.ts';
import { freePort, openTransport } from './transport.ts';
import type { Address, PortSharing, Transport } from './transport.ts';

export interface ServerOptions {
  /** Folder of the embedded store; made if it is not there. */
  readonly dataDir: string;
  /** Where rows are kept instead, with a cache of them in this process. */
  readonly redis?: RedisOptions | undefined;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 8080; 0 = any free port. */
  readonly port?: number;
  /** Default: structured logs on standard output from level info. */
  readonly log?: Log;
  readonly clock?: Clock;
  /**
   * Default alone. `first` and `join` are for a server that is one of several processes: it then listens only when it
   * is ready, because the system gives it a part of the connections from that moment on.
   */
  readonly sharing?: PortSharing;
  /** Who sends it in `x-millrace-force-key` may choose a variant with `x-millrace-variant`; default: nobody may. */
  readonly forceKey?: string | undefined;
  /** Who may do what; default: everybody may do everything. Stays open: it is its owner's. */
  readonly access?: Access | undefined;
  /** How often the model folders are looked at for what has changed; default 0 = never. */
  readonly watchModelsMs?: number;
  /** Models that are not loaded until a call asks for it. */
  readonly unloadedModels?: Iterable<string>;
  /** Called when a call has changed what is served, to change the other processes of the server as well. */
  readonly onChange?: (change: Change) => Promise<void>;
  /** Default: metrics of this server and process. */
  readonly metrics?: Metrics;
  /**
   * Serves the Open Inference Protocol over gRPC as well. Port 0 = any free one; without a port there is none, and
   * connections that somebody else has accepted come by `takeGrpcConnection`. Default: no gRPC.
   */
  readonly grpc?: GrpcOptions | undefined;
}

export interface GrpcOptions {
  /** Default: as for HTTP. */
  readonly host?: string;
  readonly port?: number | undefined;
}

export interface Server {
  readonly host: string;
  readonly port: number;
  /** `http://127.0.0.1:8080` */
  readonly url: string;
  /** The port of gRPC; undefined = it does not listen for that. */
  readonly grpcPort: number | undefined;
  /** Serves a connection for gRPC that another process has accepted. */
  takeGrpcConnection(connection: Socket): void;
  /**
   * Makes a change that another process of the same server was asked for.
   * @throws MillraceError CHANGE_REFUSED, UNKNOWN_MODEL, MODEL_IN_USE
   */
  change(change: Change): Promise<void>;
  /** Serves the project as its files are now, or as before if they have a mistake; the log says which. */
  reload(): Promise<void>;
  /**
   * Takes no new connections, lets the requests in flight finish within `limits.drain_timeout`, then closes
   * everything. Resolves with false if requests were cut off by that limit, or something did not close in time. May
   * be called more than once.
   */
  close(options?: CloseOptions): Promise<boolean>;
}

export interface CloseOptions {
  /**
   * Waits, within the same limit, also for the callers to leave their connections, which they are told with each
   * answer. For a server that another one takes over from: no caller sends a request into a connection that is being
   * closed. A later call without it ends the waiting.
   */
  readonly lingers?: boolean;
}

export const defaultHost = '127.0.0.1';
export const defaultPort = 8080;
export const PORT_MAX = 65_535;

/**
 * Starts a server for a project; resolves when it is ready: models loaded and warmed up.
 * @throws MillraceError STARTUP_FAILED, STORE_FAILED, INVALID_PROJECT, INVALID_MODEL
 */
export async function createServer(project: Project, options: ServerOptions): Promise<Server> {
  checkOptions(options);
  const log = options.log ?? createLog('info');
  const metrics = options.metrics ?? createMetrics();
  const state = new ServerState(project.limits, log);
  const environment = createEnvironmentHolder(options.dataDir);
  const { dataDir, redis, clock = systemClock } = options;
  const lifecycle = createLifecycle({
    place: { dataDir, redis, environment, clock, metrics, log },
    unloaded: options.unloadedModels ?? [],
    publish: (definition) => publish(opened, definition),
  });
  const context: RouteContext = {
    state,
    metrics,
    version: packageVersion(),
    access: options.access ?? openToAll,
    readCaller: createCallerReader(options.forceKey),
    change: createChange(lifecycle, options, log),
    unloadedModels: () => lifecycle.unloaded,
    serving: undefined,
    intake: undefined,
    feedback: undefined,
  };
  metrics.gauge('millrace_in_flight_requests', 'Requests that are not answered yet.', () => [
    { labels: {}, value: state.open },
  ]);
  const { host = defaultHost, port = defaultPort, sharing = 'alone' } = options;
  const address: Address = { host, port, sharing };
  const opened: Opened = {
    context,
    lifecycle,
    environment,
    transport: undefined,
    watch: undefined,
    grpc: undefined,
    grpcListener: undefined,
  };
  try {
    if (sharing === 'alone') {
      opened.transport = await openTransport(address, context);
      log.info({ host, port: opened.transport.port }, 'listening');
    }
    // A port in use should be known before models are loaded.
    if (sharing === 'first') await freePort(host, port);
    await openGrpc(opened, { host, ...options.grpc }, options.grpc !== undefined);
    const models = await modelFingerprint(project.dir);
    publish(opened, await lifecycle.start(project));
    state.phase = 'ready';
    opened.transport ??= await openTransport(address, context);
    opened.transport.bindEndpoints(context.serving?.endpoints.keys() ?? []);
    opened.watch = watchModels(project, models, opened, options);
    log.info({ endpoints: [...project.endpoints.keys()] }, sharing === 'alone' ? 'ready' : 'worker ready');
    return createHandle(host, opened.transport.port, opened, log);
  } catch (error) {
    await closeAll(opened);
    throw error;
  }
}

/** A program's mistakes, which LMDB and the operating system would report in words of their own. */
function checkOptions({ dataDir, host, port }: Partial<ServerOptions> = {}): void {
  if (typeof dataDir !== 'string' || dataDir === '')
    throw new TypeError('options.dataDir must name a folder');
  if (host === '') throw new TypeError('options.host must be an address, such as 127.0.0.1');
  if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port <= PORT_MAX)) {
    throw new TypeError(`options.port must be a whole number from 0 to ${PORT_MAX}, not ${port}`);
  }
}

const CLOSE_MS_MIN = 1000;

/** What a server holds; undefined = not opened (yet). */
interface Opened {
  readonly context: RouteContext;
  readonly lifecycle: Lifecycle;
  readonly environment: EnvironmentHolder;
  transport: Transport | undefined;
  watch: ModelWatch | undefined;
  grpc: GrpcServer | undefined;
  grpcListener: GrpcListener | undefined;
}

/** Loaded only where it is wanted: its packages take a tenth of a second to load. */
async function openGrpc(
  opened: Opened,
  { host, port }: { host: string; port?: number | undefined },
  isWanted: boolean,
): Promise<void> {
  const holder = opened;
  if (!isWanted) return;
  const { createGrpcServer } = await import('./grpc/create-grpc-server.ts');
  const grpc = createGrpcServer(opened.context);
  holder.grpc = grpc;
  if (port === undefined) return;
  holder.grpcListener = await listenGrpc({ host, port }, grpc.take);
  opened.context.state.log.info({ host, port: holder.grpcListener.port }, 'listening for gRPC');
}

/** From one request to the next, all of them are answered by this definition. */
function publish({ context, transport }: Opened, { project, data, serving }: Definition): Generation {
  const published = context;
  transport?.bindEndpoints(project.endpoints.keys());
  published.serving = serving;
  published.intake = data.streaming?.intake;
  published.feedback = data.predictions?.feedback;
  return context.state.succeed(project.limits);
}

/** A change is made here, and then by the other processes of the server, if it has several. */
function createChange(lifecycle: Lifecycle, { onChange }: ServerOptions, log: Log): Lifecycle['change'] {
  return async (change) => {
    await lifecycle.change(change);
    log.info(change, 'changed');
    await onChange?.(change);
  };
}

function watchModels(
  { dir }: Project,
  served: string,
  { lifecycle, context }: Opened,
  { watchModelsMs = 0 }: ServerOptions,
): ModelWatch | undefined {
  if (watchModelsMs === 0) return undefined;
  const { log } = context.state;
  return createModelWatch(dir, served, watchModelsMs, async () => {
    try {
      await lifecycle.change({ kind: 'models' });
      log.info('the model folders have changed; they are served as they are now');
    } catch (error) {
      log.error(
        { because: (error as Error).message },
        'the model folders have changed, and cannot be served',
      );
    }
  });
}

function createHandle(host: string, port: number, opened: Opened, log: Log): Server {
  let closing: Promise<boolean> | undefined;
  const close = async (): Promise<boolean> => {
    const { state } = opened.context;
    await opened.watch?.close();
    state.drain();
    await opened.transport?.stopListening();
    opened.grpcListener?.close();
    const isGrpcDrained = opened.grpc?.drain() ?? Promise.resolve();
    log.info({ open: state.open }, 'draining');
    const endMs = performance.now() + state.limits.drainTimeoutMs;
    const isIdle = await state.whenIdle(state.limits.drainTimeoutMs);
    if (!isIdle) log.warn({ open: state.open }, 'requests were cut off at the drain limit');
    await within(Math.max(CLOSE_MS_MIN, endMs - performance.now()), isGrpcDrained);
    const isClosed = await within(Math.max(CLOSE_MS_MIN, endMs - performance.now()), closeAll(opened));
    if (!isClosed) log.warn('the store, a model or a shadow did not close in time');
    log.info('stopped');
    return isIdle && isClosed;
  };
  return {
    host,
    port,
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    grpcPort: opened.grpcListener?.port,
    takeGrpcConnection: (connection) => {
      if (opened.grpc === undefined) connection.destroy();
      else opened.grpc.take(connection);
    },
    change: async (change) => opened.lifecycle.change(change),
    reload: async () => {
      try {
        await opened.context.change({ kind: 'reload' });
      } catch (error) {
        log.error({ because: (error as Error).message }, 'the reload failed');
      }
    },
    close: async ({ lingers = false } = {}) => {
      opened.context.state.linger(lingers);
      return (closing ??= close());
    },
  };
}

/** Whether the work ends within the limit. A disk that hangs must not keep a server from stopping. */
async function within(limitMs: number, work: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), limitMs);
  });
  try {
    return await Promise.race([work.then(() => true as const), limit]);
  } finally {
    clearTimeout(timer);
  }
}

async function closeAll({
  context,
  lifecycle,
  environment,
  transport,
  watch,
  ...opened
}: Opened): Promise<void> {
  await watch?.close();
  transport?.close();
  opened.grpcListener?.close();
  opened.grpc?.close();
  await lifecycle.close();
  await environment.close();
  context.state.close();
  context.metrics.close();
  // Last, as a model that hangs never ends.
  await context.serving?.shadowsEnded();
}
