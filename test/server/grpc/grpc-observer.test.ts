/** What operators see of calls over gRPC: counts, lines of the access log, and spans. */
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect as connectHttp2, constants } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { context, propagation, trace } from '@opentelemetry/api';
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { call } from '../../e2e/demo-server.ts';
import { tensorServer } from '../open-inference/tensor-server.ts';
import type { TensorServer } from '../open-inference/tensor-server.ts';
import { framed, protocolClient } from './protocol.ts';
import type { ProtocolClient } from './protocol.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';
const metadata = { traceparent: `00-${TRACE}-${PARENT}-01` };
const inputs = [{ name: 'x', datatype: 'FP32', shape: [1, 2], contents: { fp32_contents: [1, 2] } }];

const ROWS = 900;
const column = { name: 'x', datatype: 'FP32', shape: [ROWS, 1] };
const slowRequest = {
  model_name: 'slow',
  inputs: [{ ...column, contents: { fp32_contents: new Array<number>(ROWS).fill(1) } }],
};
const service = loadSync('schema/open-inference.proto', { keepCase: true })['inference.GRPCInferenceService'];
const { requestSerialize } = (service as ServiceDefinition)['ModelInfer'] as MethodDefinition<object, object>;
const slowMessage = requestSerialize(slowRequest);

const exporter = new InMemorySpanExporter();
let served: TensorServer;
let client: ProtocolClient;
let dir: string;
let accessLog: string;
beforeAll(async () => {
  new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).register();
  dir = await mkdtemp(join(tmpdir(), 'millrace-grpc-'));
  accessLog = join(dir, 'access.ndjson');
  served = await tensorServer({ grpc: { port: 0 }, accessLog: { share: 1, path: accessLog } });
  client = protocolClient(served.dir, served.server.grpcPort ?? 0);
});
afterEach(() => exporter.reset());
afterAll(async () => {
  client.close();
  await served.close();
  await rm(dir, { recursive: true });
  trace.disable();
  context.disable();
  propagation.disable();
});

it('an inference has a span in the trace of its caller, with the run of the model in it', async () => {
  await client.call('ModelInfer', { model_name: 'float', inputs }, { metadata });
  const spans = exporter.getFinishedSpans();
  const span = spans.find(({ name }) => name === 'inference.GRPCInferenceService/ModelInfer');
  expect(span?.spanContext().traceId).toBe(TRACE);
  expect(span?.parentSpanContext?.spanId).toBe(PARENT);
  expect(span?.attributes).toEqual({
    'rpc.system': 'grpc',
    'rpc.service': 'inference.GRPCInferenceService',
    'rpc.method': 'ModelInfer',
    'rpc.grpc.status_code': 0,
    'millrace.model': 'float',
    'millrace.version': '3',
    'millrace.request_id': expect.any(String),
  });
  const run = spans.find(({ name }) => name === 'model run');
  expect(run?.parentSpanContext?.spanId).toBe(span?.spanContext().spanId);
});

it('the answer has the traceparent of its span, one that fails too', async () => {
  const traceparentOf = async (model: string): Promise<unknown> => {
    const session = connectHttp2(`http://127.0.0.1:${served.server.grpcPort}`);
    const stream = session.request({
      ':method': 'POST',
      ':path': '/inference.GRPCInferenceService/ModelReady',
      'content-type': 'application/grpc',
      ...metadata,
    });
    const message = Buffer.concat([Buffer.from([0x0a, model.length]), Buffer.from(model)]);
    stream.end(framed(message));
    const [headers] = (await once(stream, 'response')) as [Record<string, unknown>];
    session.destroy();
    return headers['traceparent'];
  };
  const own = expect.stringMatching(new RegExp(`^00-${TRACE}-(?!${PARENT})[0-9a-f]{16}-01$`));
  expect(await traceparentOf('float')).toEqual(own);
  expect(await traceparentOf('missing')).toEqual(own);
});

it('each call has a line in the access log, with what came of it', async () => {
  await client.call('ServerLive');
  await client.call('ModelInfer', { model_name: 'missing', inputs }).catch(() => undefined);
  const written = async (): Promise<boolean> => {
    const text = await readFile(accessLog, 'utf8');
    return (
      text.endsWith('\n') &&
      ['"grpc-live"', 'grpc-model-infer.*UNKNOWN_MODEL'].every((part) => new RegExp(part).test(text))
    );
  };
  await expect.poll(written).toBe(true);
  const lines = (await readFile(accessLog, 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as object);
  const each = {
    method: 'GRPC',
    user_agent: expect.stringContaining('grpc'),
    duration_ms: expect.any(Number),
  };
  expect(lines).toContainEqual(expect.objectContaining({ ...each, route: 'grpc-live', status: 200 }));
  expect(lines).toContainEqual(
    expect.objectContaining({
      ...each,
      route: 'grpc-model-infer',
      status: 404,
      error: 'UNKNOWN_MODEL',
      bytes_in: expect.any(Number),
    }),
  );
});

it('a caller that hangs up while it is answered is counted, and leaves nothing open', async () => {
  const session = connectHttp2(`http://127.0.0.1:${served.server.grpcPort}`);
  const hangUp = async (): Promise<void> => {
    const stream = session.request({
      ':method': 'POST',
      ':path': '/inference.GRPCInferenceService/ModelInfer',
      'content-type': 'application/grpc',
    });
    stream.on('error', () => undefined);
    stream.end(framed(slowMessage));
    await new Promise((resolve) => session.ping(resolve));
    // The message is there, and the model runs.
    stream.close(constants.NGHTTP2_CANCEL);
    await once(stream, 'close');
  };
  for (let i = 0; i < 3; i++) await hangUp();
  session.destroy();
  const open = async (): Promise<string | undefined> => {
    const { text } = await call(served.server, '/metrics');
    return /^millrace_in_flight_requests (\d+)$/m.exec(text)?.[1];
  };
  // This call itself is one.
  await expect.poll(open).toBe('1');
  expect(await countsOf()).toMatch(/route="grpc-model-infer"[^}]*status="aborted"[^}]*\} [1-3]$/m);
  const spans = exporter.getFinishedSpans().filter(({ name }) => name.endsWith('ModelInfer'));
  expect(spans).toHaveLength(3);
  // CANCELLED, which is no error of the server.
  const cancelled = spans.filter(({ attributes }) => attributes['rpc.grpc.status_code'] === 1);
  expect(cancelled.length).toBeGreaterThan(0);
  expect(cancelled.map(({ attributes }) => attributes['error.type'])).not.toContain('aborted');
});

it('a deadline that passes ends the call, with the code that its caller is told', async () => {
  for (const message of [undefined, framed(slowMessage)]) {
    const session = connectHttp2(`http://127.0.0.1:${served.server.grpcPort}`);
    const stream = session.request({
      ':method': 'POST',
      ':path': '/inference.GRPCInferenceService/ModelInfer',
      'content-type': 'application/grpc',
      'grpc-timeout': '1m',
    });
    if (message !== undefined) stream.end(message);
    const [headers] = (await once(stream, 'response')) as [Record<string, unknown>];
    expect(headers['grpc-status']).toBe('4');
    await once(stream.resume(), 'close');
    session.destroy();
  }
  await expect.poll(countsOf).toMatch(/route="grpc-model-infer"[^}]*status="504"[^}]*\} 2$/m);
});

it('a message that is too long, and a caller that hangs up before its message is there, are counted', async () => {
  const big = Buffer.alloc(2 * 1024 * 1024);
  const raw = { model_name: 'float', inputs, raw_input_contents: [big] };
  await expect(client.call('ModelInfer', raw)).rejects.toMatchObject({ code: 8 });
  const session = connectHttp2(`http://127.0.0.1:${served.server.grpcPort}`);
  session.request({
    ':method': 'POST',
    ':path': '/inference.GRPCInferenceService/ModelInfer',
    'content-type': 'application/grpc',
  });
  await once(session, 'remoteSettings');
  await new Promise((resolve) => session.ping(resolve));
  session.destroy();
  const counted = (status: string): RegExp =>
    new RegExp(`route="grpc-model-infer"[^}]*status="${status}"[^}]*\\} [1-9]$`, 'm');
  await expect.poll(countsOf).toMatch(counted('413'));
  await expect.poll(countsOf).toMatch(counted('aborted'));
});

/** Of the calls over gRPC. */
async function countsOf(): Promise<string> {
  const { text } = await call(served.server, '/metrics');
  const lines = text.split('\n');
  return lines.filter((line) => line.startsWith('millrace_requests_total{route="grpc-')).join('\n');
}
