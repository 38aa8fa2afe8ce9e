/**
 * The composition root: store, models, plans and transport become one server. It listens before the models are
 * loaded, so that a port in use is known at once and liveness can be asked; until then it answers NOT_READY.
 */
import { systemClock } from '../clock.ts';
import type { Clock } from '../clock.ts';
import type { OnlineStore } from '../features/online-store.ts';
import { openStore } from '../features/open-store.ts';
import type { RedisOptions } from '../features/redis/redis-options.ts';
import { openLmdbEnvironment } from '../lmdb/lmdb-environment.ts';
import type { LmdbEnvironment } from '../lmdb/lmdb-environment.ts';
import type { Project } from '../project/project.ts';
import { openLmdbRolloutStore } from '../rollouts/lmdb-rollout-store.ts';
import type { RolloutStore } from '../rollouts/rollout-store.ts';
import { logsPredictions, openPredictionLog } from '../serving/open-prediction-log.ts';
import type { OpenPredictionLog } from '../serving/open-prediction-log.ts';
import { openServing } from '../serving/serving.ts';
import type { Serving } from '../serving/serving.ts';
import { createLog } from '../telemetry/log.ts';
import { openEventStreaming } from '../streaming/event-streaming.ts';
import { openLmdbEvents } from '../streaming/open-lmdb-events.ts';
import type { EventStores, EventStreaming } from '../streaming/event-streaming.ts';
import type { Log } from '../telemetry/log.ts';
import { createMetrics } from '../telemetry/metrics.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { createCallerReader } from './caller-headers.ts';
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
  /** Default: metrics of this server and process. */
  readonly metrics?: Metrics;
}

export interface Server {
  readonly host: string;
  readonly port: number;
  /** `http://127.0.0.1:8080` */
  readonly url: string;
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

const LOCAL_PREDICTIONS =
  'predictions are logged in the data folder of this machine, not in Redis: feedback must reach this machine, too';

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
  const context: RouteContext = {
    state,
    metrics,
    endpointNames: [...project.endpoints.keys()],
    readCaller: createCallerReader(options.forceKey),
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
    state,
    metrics,
    transport: undefined,
    environment: undefined,
    store: undefined,
    streaming: undefined,
    predictions: undefined,
    rollouts: undefined,
    serving: undefined,
  };
  try {
    if (sharing === 'alone') {
      opened.transport = await openTransport(address, context);
      log.info({ host, port: opened.transport.port }, 'listening');
    }
    // A port in use should be known before models are loaded.
    if (sharing === 'first') await freePort(host, port);
    await openParts(opened, { project, options, metrics, log });
    context.serving = opened.serving;
    context.intake = opened.streaming?.intake;
    context.feedback = opened.predictions?.feedback;
    state.phase = 'ready';
    opened.transport ??= await openTransport(address, context);
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
  readonly state: ServerState;
  readonly metrics: Metrics;
  transport: Transport | undefined;
  /** Undefined also where nothing is kept in the data folder. */
  environment: LmdbEnvironment | undefined;
  store: OnlineStore | undefined;
  /** Undefined also where the project has no events. */
  streaming: EventStreaming | undefined;
  /** Undefined also where no predictions are logged. */
  predictions: OpenPredictionLog | undefined;
  /** Undefined also where no endpoint has a second variant. */
  rollouts: RolloutStore | undefined;
  serving: Serving | undefined;
}

interface PartSources {
  readonly project: Project;
  readonly options: ServerOptions;
  readonly metrics: Metrics;
  readonly log: Log;
}

interface SharedParts {
  readonly project: Project;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly logger: Log;
}

/** Store, logs, features from events, and models: what is open when one fails is closed by whoever called. */
async function openParts(held: Opened, { project, options, metrics, log }: PartSources): Promise<void> {
  const opened = held;
  const { dataDir, redis, clock = systemClock } = options;
  const hasEvents = project.eventTypes.size > 0;
  const hasPredictions = logsPredictions(project);
  if (redis === undefined || hasPredictions)
    opened.environment = await openLmdbEnvironment({ path: dataDir });
  const { environment } = opened;
  const place = { dataDir, environment: redis === undefined ? environment : undefined, redis };
  const store = await openStore(project, place, { metrics, log, isWarmed: true });
  opened.store = store;
  if (hasPredictions && redis !== undefined) log.warn({}, LOCAL_PREDICTIONS);
  const shared = { project, metrics, clock, logger: log };
  if (hasEvents) {
    const stores =
      redis === undefined
        ? await openLmdbEvents(environment as LmdbEnvironment, shared)
        : await openEventsInRedis(redis.url, shared);
    opened.streaming = await openEventStreaming(stores, { ...shared, store });
  }
  if (hasPredictions && environment !== undefined)
    opened.predictions = await openPredictionLog(environment, shared);
  if (splitsTraffic(project)) opened.rollouts = await openRolloutStore(opened, { ...shared, options });
  const source = opened.streaming?.source ?? store;
  const { predictions: predictionLog, rollouts } = opened;
  opened.serving = await openServing({
    project,
    store,
    source,
    metrics,
    clock,
    log,
    predictionLog,
    rollouts,
  });
}

/** Nothing is kept of endpoints with one variant: there is nothing to change. */
function splitsTraffic({ endpoints }: Project): boolean {
  return [...endpoints.values()].some(({ variants }) => variants.length > 1);
}

async function openRolloutStore(
  { environment }: Opened,
  { project, options, metrics, clock, logger: log }: SharedParts & Pick<PartSources, 'options'>,
): Promise<RolloutStore> {
  const { redis } = options;
  if (redis === undefined)
    return openLmdbRolloutStore({ environment: environment as LmdbEnvironment, clock, metrics, log });
  const { openRedisRolloutStore } = await import('../rollouts/redis-rollout-store.ts');
  const endpoints = [...project.endpoints.keys()];
  return openRedisRolloutStore({ url: redis.url, project, endpoints, clock, metrics, log });
}

async function openEventsInRedis(url: string, parts: SharedParts): Promise<EventStores> {
  const { openRedisEvents } = await import('../streaming/open-redis-events.ts');
  return openRedisEvents(url, parts);
}

function createHandle(host: string, port: number, opened: Opened, log: Log): Server {
  let closing: Promise<boolean> | undefined;
  const close = async (): Promise<boolean> => {
    const { state } = opened;
    state.drain();
    await opened.transport?.stopListening();
    log.info({ open: state.open }, 'draining');
    const endMs = performance.now() + state.limits.drainTimeoutMs;
    const isIdle = await state.whenIdle(state.limits.drainTimeoutMs);
    if (!isIdle) log.warn({ open: state.open }, 'requests were cut off at the drain limit');
    const isClosed = await within(Math.max(CLOSE_MS_MIN, endMs - performance.now()), closeAll(opened));
    if (!isClosed) log.warn('the store, a model or a shadow did not close in time');
    log.info('stopped');
    return isIdle && isClosed;
  };
  return {
    host,
    port,
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    close: async ({ lingers = false } = {}) => {
      opened.state.linger(lingers);
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

async function closeAll(opened: Opened): Promise<void> {
  opened.transport?.close();
  await opened.serving?.close();
  await opened.rollouts?.close();
  await opened.predictions?.close();
  await opened.streaming?.close();
  await opened.store?.close();
  await opened.environment?.close();
  opened.state.close();
  opened.metrics.close();
  // Last, as a model that hangs never ends.
  await opened.serving?.shadowsEnded();
}
