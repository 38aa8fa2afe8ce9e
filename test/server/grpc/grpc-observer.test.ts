/** What operators see of calls over gRPC: counts, lines of the access log, and spans. */
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect as connectHttp2 } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { context, propagation, trace } from '@opentelemetry/api';
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { call } from '../../e2e/demo-server.ts';
import { tensorServer } from '../open-inference/tensor-server.ts';
import type { TensorServer } from '../open-inference/tensor-server.ts';
import { protocolClient } from './protocol.ts';
import type { ProtocolClient } from './protocol.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';
const metadata = { traceparent: `00-${TRACE}-${PARENT}-01` };
const inputs = [{ name: 'x', datatype: 'FP32', shape: [1, 2], contents: { fp32_contents: [1, 2] } }];

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
    stream.end(Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]));
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
  await expect.poll(async () => readFile(accessLog, 'utf8')).toContain('UNKNOWN_MODEL');
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
  const counts = async (): Promise<string> => {
    const { text } = await call(served.server, '/metrics');
    return text
      .split('\n')
      .filter((line) => line.startsWith('millrace_requests_total{route="grpc-'))
      .join('\n');
  };
  const counted = (status: string): RegExp =>
    new RegExp(
      `^millrace_requests_total\\{[^}]*route="grpc-model-infer"[^}]*status="${status}"[^}]*\\} 1$`,
      'm',
    );
  await expect.poll(counts).toMatch(counted('413'));
  await expect.poll(counts).toMatch(counted('aborted'));
});
