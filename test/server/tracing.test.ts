/** The spans of a server's requests, by a real SDK that keeps them in memory. */
import { join } from 'node:path';
import { context, propagation, trace } from '@opentelemetry/api';
import {
  AlwaysOffSampler,
  InMemorySpanExporter,
  NodeTracerProvider,
  ParentBasedSampler,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-node';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-node';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createServer } from '../../src/server/server.ts';
import type { Server } from '../../src/server/server.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { call, predict } from '../e2e/demo-server.ts';
import { startRedis } from '../redis/redis-server.ts';
import type { RedisServer } from '../redis/redis-server.ts';
import { projectOfModel } from './project-of-model.ts';
import { openSocket } from './socket-client.ts';

const exporter = new InMemorySpanExporter();
const cleanups: (() => Promise<unknown>)[] = [];
const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';
const traceparent = `00-${TRACE}-${PARENT}-01`;
const rows = [{ id: 'x', a: 1 }];

function register(provider: NodeTracerProvider): void {
  provider.register();
}

function unregister(): void {
  trace.disable();
  context.disable();
  propagation.disable();
}

const recording = (): NodeTracerProvider =>
  new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
  exporter.reset();
  unregister();
});

async function serverOf(redis?: string): Promise<Server> {
  const made = await projectOfModel({
    model: 'identity_float32',
    request: { a: 'float64' },
    inputs: { x: ['request.a', 'u.facts.score ?? 0'] },
  });
  cleanups.push(() => made.remove());
  const server = await createServer(made.project, {
    dataDir: join(made.dir, 'data'),
    redis: redis === undefined ? undefined : { url: redis },
    port: 0,
    log: createLog('silent'),
  });
  cleanups.push(() => server.close());
  return server;
}

const spans = (): readonly ReadableSpan[] => exporter.getFinishedSpans();
const named = (name: string): ReadableSpan | undefined => spans().find((span) => span.name === name);

describe('with an SDK that records', () => {
  beforeEach(() => register(recording()));

  it('a prediction has a span within the trace of its caller, and the model run one within that', async () => {
    const server = await serverOf();
    const body = JSON.stringify({ rows });
    const answer = await call(server, '/v1/endpoints/m/predict', {
      body,
      headers: { traceparent, tracestate: 'a=1' },
    });
    const span = named('POST /v1/endpoints/{endpoint}/predict');
    expect(span?.attributes).toEqual({
      'http.request.method': 'POST',
      'http.response.status_code': 200,
      'http.route': '/v1/endpoints/{endpoint}/predict',
      'url.path': '/v1/endpoints/m/predict',
      'millrace.request_id': answer.json['request_id'],
      'millrace.endpoint': 'm',
      'millrace.model': 'm',
      'millrace.version': '1',
      'millrace.variant': 'only',
      'millrace.rows': 1,
    });
    expect(span?.parentSpanContext).toMatchObject({ traceId: TRACE, spanId: PARENT, isRemote: true });
    expect(span?.spanContext().traceState?.serialize()).toBe('a=1');
    expect(answer.headers['traceparent']).toBe(`00-${TRACE}-${span?.spanContext().spanId}-01`);
    expect(named('model run')?.parentSpanContext?.spanId).toBe(span?.spanContext().spanId);
  });

  it('what a caller did wrong is told by its status, and is no error of the server', async () => {
    const server = await serverOf();
    await predict(server, 'missing', { rows });
    await call(server, '/nowhere');
    const [missing, nowhere] = spans();
    expect([missing?.attributes['http.response.status_code'], missing?.status.code]).toEqual([404, 0]);
    expect(nowhere?.name).toBe('GET');
    expect(nowhere?.attributes['http.route']).toBeUndefined();
  });

  it('requests over a WebSocket are part of the trace that it was opened in', async () => {
    const server = await serverOf();
    const client = await openSocket(server, { headers: { traceparent } });
    client.send(JSON.stringify({ id: 1, endpoint: 'm', rows }), JSON.stringify({ id: 2, endpoint: 'no' }));
    await client.received(2);
    client.socket.close();
    await client.closed;
    const own = spans().filter(({ name }) => name === 'WS /v1/ws');
    const told = own.map(({ attributes, parentSpanContext }) => [
      attributes['http.response.status_code'],
      attributes['millrace.endpoint'],
      parentSpanContext?.spanId,
    ]);
    expect(told).toContainEqual([200, 'm', PARENT]);
    expect(told).toContainEqual([404, undefined, PARENT]);
  });
});

describe('with Redis', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(async () => redis.stop());

  it('a read of features has a span only where memory could not answer', async () => {
    register(recording());
    const server = await serverOf(redis.url);
    await predict(server, 'm', { rows });
    const read = named('features read');
    const request = named('POST /v1/endpoints/{endpoint}/predict');
    expect(read?.parentSpanContext?.spanId).toBe(request?.spanContext().spanId);
    exporter.reset();
    await expect
      .poll(async () => {
        exporter.reset();
        await predict(server, 'm', { rows });
        return spans().map(({ name }) => name);
      })
      .toEqual(['model run', 'POST /v1/endpoints/{endpoint}/predict']);
  });

  it('a prediction that the store fails has the code of its error, and so has the read', async () => {
    const broken = await startRedis();
    register(recording());
    const server = await serverOf(broken.url);
    const pushed = JSON.stringify({ push_source_name: 'facts', df: { id: ['x'], score: [7] } });
    await broken.stop();
    const answer = await call(server, '/push', { body: pushed });
    expect(answer.status).toBe(503);
    const span = named('POST /push');
    expect(span?.attributes).toMatchObject({
      'http.response.status_code': 503,
      'error.type': 'STORE_FAILED',
    });
    expect(span?.status.code).toBe(2);
  });
});

it('what the SDK does not sample has no header, and only then', async () => {
  const sampler = new ParentBasedSampler({ root: new AlwaysOffSampler() });
  register(new NodeTracerProvider({ sampler, spanProcessors: [new SimpleSpanProcessor(exporter)] }));
  const server = await serverOf();
  expect((await predict(server, 'm', { rows })).headers['traceparent']).toBeUndefined();
  const body = JSON.stringify({ rows });
  const sampled = await call(server, '/v1/endpoints/m/predict', { body, headers: { traceparent } });
  expect(sampled.headers['traceparent']).toContain(TRACE);
  expect(spans()).toHaveLength(2);
});

it('a server that starts without an SDK never asks for a span', async () => {
  const server = await serverOf();
  register(recording());
  const body = JSON.stringify({ rows });
  const answer = await call(server, '/v1/endpoints/m/predict', { body, headers: { traceparent } });
  expect([answer.status, answer.headers['traceparent']]).toEqual([200, undefined]);
  const client = await openSocket(server, { headers: { traceparent } });
  client.send(JSON.stringify({ id: 1, endpoint: 'm', rows }));
  await client.received(1);
  client.socket.close();
  await client.closed;
  expect(spans()).toEqual([]);
});
