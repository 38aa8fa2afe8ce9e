/**
 * The composition root: store, models, plans and transport become one server. It listens before the models are
 * loaded, so that a port in use is known at once and liveness can be asked; until then it answers NOT_READY.
 */
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { openToAll } from '../access/access.ts';
import { createAuditLog } from '../access/audit-log.ts';
import { systemClock } from '../clock.ts';
import type { Project } from '../project/project.ts';
import { createAccessLog } from '../telemetry/access-log.ts';
import type { AccessLog } from '../telemetry/access-log.ts';
import { findTracing } from '../telemetry/tracing.ts';
import { readProject } from '../project/read-project.ts';
import { createLog } from '../telemetry/log.ts';
import type { Log } from '../telemetry/log.ts';
import { createMetrics } from '../telemetry/metrics.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { checkOpen } from './check-open.ts';
import { createCallerReader } from './caller-headers.ts';
import { createCors } from './cors.ts';
import { createEnvironmentHolder } from './data-parts.ts';
import type { EnvironmentHolder } from './data-parts.ts';
import type { Definition } from './definition.ts';
import type { Generation } from './generation.ts';
import { createLifecycle } from './lifecycle.ts';
import type { Change, Lifecycle } from './lifecycle.ts';
import { openGrpcPort } from './grpc-port.ts';
import type { GrpcPort } from './grpc-port.ts';
import { freePort } from './listen.ts';
import type { Address } from './listen.ts';
import { createModelWatch, modelFingerprint } from './model-watch.ts';
import type { ModelWatch } from './model-watch.ts';
import { createObserver } from './observer.ts';
import { createPageGuard } from './page-guard.ts';
import { packageVersion } from './package-version.ts';
import { createReadiness } from './readiness.ts';
import type { RouteContext } from './route-context.ts';
import { checkOptions, defaultHost, defaultPort } from './server-options.ts';
import type { ServerOptions } from './server-options.ts';
import { ServerState } from './server-state.ts';
import { readCertificate, watchCertificate } from './tls-files.ts';
import type { CertificateWatch } from './tls-files.ts';
import { openTransport } from './transport.ts';
import { within } from './within.ts';
import type { Transport } from './transport.ts';

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

/**
 * Starts a server for a project; resolves when it is ready: models loaded and warmed up.
 * @throws MillraceError STARTUP_FAILED, STORE_FAILED, INVALID_PROJECT, INVALID_MODEL
 */
export async function createServer(project: Project, options: ServerOptions): Promise<Server> {
  checkOptions(options);
  const log = options.log ?? createLog('info');
  const { host = defaultHost, port = defaultPort, sharing = 'alone', tls } = options;
  const certificate = tls && (await readCertificate(tls));
  const opened = createParts(project, options, log);
  const { context } = opened;
  const address: Address = { host, port, sharing, tls };
  try {
    checkOpen(context.access, { ...options, host }, sharing === 'join' ? undefined : log);
    if (sharing === 'alone') {
      opened.transport = await openTransport(address, context);
      log.info({ host, port: opened.transport.port }, 'listening');
    }
    // A port in use should be known before models are loaded.
    if (sharing === 'first') await freePort(host, port);
    opened.grpc = await openGrpcPort(options.grpc, { host, tls }, context);
    const { watchModelsMs = 0 } = options;
    const models = watchModelsMs === 0 ? '' : await servedModels(project);
    publish(opened, await opened.lifecycle.start(project));
    context.state.phase = 'ready';
    const transport = (opened.transport ??= await openTransport(address, context));
    transport.bindEndpoints(project.endpoints.keys());
    opened.watch = watchModels(project, models, opened, options);
    if (tls !== undefined && certificate !== undefined)
      opened.certificate = watchCertificate(tls, certificate, log, async () => {
        await Promise.all([transport.renewCertificate(), opened.grpc?.renewCertificate()]);
      });
    log.info({ endpoints: [...project.endpoints.keys()] }, sharing === 'alone' ? 'ready' : 'worker ready');
    return createHandle(address, transport.port, opened, log);
  } catch (error) {
    await closeAll(opened);
    throw error;
  }
}

function createParts(project: Project, options: ServerOptions, log: Log): Opened {
  const { dataDir, redis, clock = systemClock, metrics = createMetrics(), access = openToAll } = options;
  const { corsOrigins = [], auditFile = join(dataDir, 'audit.ndjson'), insecure = false } = options;
  const cors = corsOrigins.length === 0 ? undefined : createCors(corsOrigins);
  const state = new ServerState(project.limits, log);
  const accessLog = options.accessLog && createAccessLog(options.accessLog, log, metrics);
  const environment = createEnvironmentHolder(dataDir);
  const lifecycle = createLifecycle({
    place: { dataDir, redis, environment, clock, metrics, log },
    unloaded: options.unloadedModels ?? [],
    publish: (definition) => publish(opened, definition),
  });
  const change = toldChanges(lifecycle, metrics, log);
  const context: RouteContext = {
    state,
    metrics,
    version: packageVersion(),
    access,
    cors,
    pages: createPageGuard({ access, cors, isInsecure: insecure }),
    audit: createAuditLog({ clock, log, metrics, file: auditFile }),
    observer: createObserver({ tracing: findTracing(packageVersion()), accessLog }),
    readiness: createReadiness(state, () => context.serving),
    readCaller: createCallerReader(options.forceKey),
    change: options.changeAll ?? change,
    unloadedModels: () => lifecycle.unloaded,
    serving: undefined,
    intake: undefined,
    feedback: undefined,
  };
  metrics.gauge('millrace_in_flight_requests', 'Requests that are not answered yet.', () => [
    { labels: {}, value: state.open },
  ]);
  const ready = 'Whether the server is ready for predictions: 1 or 0.';
  metrics.gauge(
    'millrace_ready',
    ready,
    () => [{ labels: {}, value: context.readiness.now().reasons.length === 0 ? 1 : 0 }],
    'min',
  );
  const nothingYet = { transport: undefined, watch: undefined, certificate: undefined, grpc: undefined };
  const opened: Opened = { context, lifecycle, change, environment, accessLog, ...nothingYet };
  return opened;
}

const CLOSE_MS_MIN = 1000;

/** What a server holds; undefined = not opened (yet). */
interface Opened {
  readonly context: RouteContext;
  readonly lifecycle: Lifecycle;
  readonly change: Lifecycle['change'];
  readonly environment: EnvironmentHolder;
  readonly accessLog: AccessLog | undefined;
  transport: Transport | undefined;
  watch: ModelWatch | undefined;
  certificate: CertificateWatch | undefined;
  grpc: GrpcPort | undefined;
}

/** From one request to the next, all of them are answered by this definition. */
function publish({ context, transport }: Opened, definition: Definition): Generation {
  const { project, data, serving } = definition;
  const published = context;
  definition.registerGauges();
  transport?.bindEndpoints(project.endpoints.keys());
  published.serving = serving;
  published.intake = data.streaming?.intake;
  published.feedback = data.predictions?.feedback;
  return context.state.succeed(project.limits);
}

/** Counts and logs what becomes of changes. */
function toldChanges(lifecycle: Lifecycle, metrics: Metrics, log: Log): Lifecycle['change'] {
  const count = (kind: Change['kind'], outcome: string): void =>
    metrics
      .counter(
        'millrace_changes_total',
        'Changes of what is served, by what was asked and what became of it.',
        {
          kind,
          outcome,
        },
      )
      .add(1);
  return async (change) => {
    try {
      await lifecycle.change(change);
      count(change.kind, 'done');
      log.info(change, changeSentences[change.kind]);
    } catch (error) {
      count(change.kind, 'failed');
      log.error({ ...change, because: (error as Error).message }, 'the change was refused');
      throw error;
    }
  };
}

const changeSentences: Readonly<Record<Change['kind'], string>> = {
  reload: 'the project is served as its files are now',
  models: 'the model folders have changed; they are served as they are now',
  load: 'the model is loaded',
  unload: 'the model is unloaded',
};

/** What the model folders hold, if that is what was read of them; else nothing that they could hold. */
async function servedModels({ dir, models, file }: Project): Promise<string> {
  const found = await modelFingerprint(dir);
  const { project } = await readProject(dir, { file });
  return isDeepStrictEqual(project.models, models) ? found : '';
}

function watchModels(
  { dir }: Project,
  served: string,
  { change }: Opened,
  { watchModelsMs = 0 }: ServerOptions,
): ModelWatch | undefined {
  if (watchModelsMs === 0) return undefined;
  return createModelWatch(dir, served, watchModelsMs, async () => {
    // What went wrong is logged, and the next change of the folders is another try.
    await change({ kind: 'models' }).catch(() => undefined);
  });
}

function createHandle({ host, tls }: Address, port: number, opened: Opened, log: Log): Server {
  let closing: Promise<boolean> | undefined;
  const close = async (): Promise<boolean> => {
    const { state } = opened.context;
    opened.certificate?.close();
    opened.watch?.close();
    state.drain();
    await opened.transport?.stopListening();
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
    url: `${tls === undefined ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${port}`,
    grpcPort: opened.grpc?.port,
    takeGrpcConnection: (connection) => {
      if (opened.grpc === undefined) connection.destroy();
      else opened.grpc.take(connection);
    },
    change: async (change) => opened.change(change),
    reload: async () => {
      await opened.certificate?.look();
      await opened.change({ kind: 'reload' }).catch(() => undefined);
    },
    close: async ({ lingers = false } = {}) => {
      opened.context.state.linger(lingers);
      return (closing ??= close());
    },
  };
}

async function closeAll(opened: Opened): Promise<void> {
  const { context, lifecycle, environment, transport, watch } = opened;
  opened.certificate?.close();
  watch?.close();
  transport?.close();
  opened.grpc?.close();
  await lifecycle.close();
  await environment.close();
  await context.audit.close();
  await opened.accessLog?.close();
  context.state.close();
  context.metrics.close();
  // Last, as a model that hangs never ends.
  await context.serving?.shadowsEnded();
}
