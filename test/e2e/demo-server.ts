/** The demo project as a running server in this process, with its data loaded, for tests that go over HTTP. */
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadFile } from '../../src/features/load/load-file.ts';
import { openLmdbStoreAlone } from '../../src/features/lmdb-store.ts';
import type {
  Endpoint,
  FeatureView,
  Limits,
  PredictionLogSettings,
  Project,
} from '../../src/project/project.ts';
import { loadProject } from '../../src/project/read-project.ts';
import { createServer } from '../../src/server/server.ts';
import type { Server } from '../../src/server/server.ts';
import { createLog } from '../../src/telemetry/log.ts';

export const demoDir: string = new URL('../../models', import.meta.url).pathname;

export interface DemoServer {
  readonly server: Server;
  readonly project: Project;
  readonly dataDir: string;
  stop(): Promise<void>;
}

/**
 * @param limits replaces some of the project's limits
 * @param log replaces some of what every endpoint says of its log
 */
export async function startDemoServer(
  limits: Partial<Limits> = {},
  log: Partial<PredictionLogSettings> = {},
): Promise<DemoServer> {
  const project = await demoProject(limits, log);
  const dataDir = await mkdtemp(join(tmpdir(), 'millrace-e2e-'));
  await loadDemoData(project, dataDir);
  const server = await createServer(project, { dataDir, port: 0, log: createLog('silent') });
  return {
    server,
    project,
    dataDir,
    async stop() {
      await server.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/**
 * The demo's project with one variant each for two endpoints, so that who asks knows which model answers: version 2 for
 * `flight-delay`, version 1 for `flight-delay-baseline`.
 */
export async function demoProject(
  limits: Partial<Limits>,
  log: Partial<PredictionLogSettings>,
): Promise<Project> {
  const loaded = await loadProject(demoDir);
  const flightDelay = loaded.endpoints.get('flight-delay') as Endpoint;
  const ofVariant = (name: string, variant: string): [string, Endpoint] => [
    name,
    {
      ...flightDelay,
      name,
      variants: flightDelay.variants.filter((each) => each.name === variant),
      rollout: { serve: variant, policy: { kind: 'fixed' }, shadows: [] },
      rolloutText: '{}',
      log: { ...flightDelay.log, ...log },
    },
  ];
  const endpoints = new Map([
    ofVariant('flight-delay', 'gbm'),
    ofVariant('flight-delay-baseline', 'logistic'),
  ]);
  return { ...loaded, endpoints, limits: { ...loaded.limits, ...limits } };
}

async function loadDemoData(project: Project, dataDir: string): Promise<void> {
  const store = await openLmdbStoreAlone({ path: dataDir, views: [...project.featureViews.values()] });
  const view = project.featureViews.get('airport_profile') as FeatureView;
  await loadFile({ file: join(demoDir, 'data', 'airports.csv'), view, store });
  await store.close();
}

export interface Reply {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly text: string;
  readonly json: Record<string, unknown>;
}

export interface Call {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
}

/** One HTTP call. A body goes out as application/json unless the headers say otherwise. */
export async function call(server: Server, path: string, options: Call = {}): Promise<Reply> {
  const { body, method = body === undefined ? 'GET' : 'POST' } = options;
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', ...options.headers };
    const sent = request({ host: server.host, port: server.port, path, method, headers }, (res) => {
      const chunks: Buffer[] = [];
      res.on('data', (chunk: Buffer) => chunks.push(chunk));
      res.on('error', reject);
      res.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        const isJson = res.headers['content-type'] === 'application/json';
        const json = isJson && text !== '' ? (JSON.parse(text) as Reply['json']) : {};
        resolve({ status: res.statusCode ?? 0, headers: res.headers, text, json });
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

export async function predict(server: Server, endpoint: string, body: unknown): Promise<Reply> {
  return call(server, `/v1/endpoints/${endpoint}/predict`, { body: JSON.stringify(body) });
}

/** Sends raw bytes on a connection of their own and returns all that comes back until it closes or falls silent. */
export async function rawCall(server: Server, bytes: string | Buffer, silentMs = 500): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(server.port, server.host);
    let received = '';
    const done = (): void => {
      socket.destroy();
      resolve(received);
    };
    socket.setTimeout(silentMs, done);
    socket.on('data', (chunk) => (received += chunk.toString('latin1')));
    socket.on('close', () => resolve(received));
    socket.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNRESET' ? done() : reject(error),
    );
    socket.write(bytes);
  });
}

/** A request that the demo's endpoints answer. */
export const goodFlight = {
  flight_id: 'AA-1',
  origin: 'JFK',
  destination: 'LAX',
  distance: 2475,
  scheduled: '2001-03-09T17:00:00Z',
};
