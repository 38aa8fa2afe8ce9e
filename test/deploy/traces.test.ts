/** The example that registers an SDK, with a real server and a real exporter. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { start } from '../cli/process.ts';
import { projectOfModel } from '../server/project-of-model.ts';
import type { ModelProject } from '../server/project-of-model.ts';

let made: ModelProject;
let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-traces-'));
  made = await projectOfModel({
    model: 'identity_float32',
    request: { a: 'float64' },
    inputs: { x: ['request.a', 'u.facts.score ?? 0'] },
  });
});
afterAll(async () => {
  await made.remove();
  await rm(dir, { recursive: true });
});

it('sends the spans of a server to a collector, also those that are left when it stops, and puts their ids into lines of the log', async () => {
  const sent: string[] = [];
  const collector = createServer((req, res) => {
    let text = '';
    req.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    req.on('end', () => {
      sent.push(`${req.url} ${text}`);
      res.setHeader('content-type', 'application/json').end('{}');
    });
  }).listen(0, '127.0.0.1');
  await once(collector, 'listening');
  const { port } = collector.address() as AddressInfo;
  const example = new URL('../../deploy/otel.mjs', import.meta.url).pathname;
  const env = {
    NODE_OPTIONS: `--import ${example}`,
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
    OTEL_TRACES_SAMPLER_ARG: '0',
  };
  const options = ['--project', made.dir, '--data', join(dir, 'data'), '--port', '0', '--access-log', '1'];
  const running = start(['serve', ...options], { env });
  const [, own] = await running.printed(/"port":(\d+)/);
  await running.printed(/"msg":"ready"/);
  const traceId = '0af7651916cd43dd8448eb211c80319c';
  const answer = await fetch(`http://127.0.0.1:${own}/v1/endpoints/m/predict`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', traceparent: `00-${traceId}-b7ad6b7169203331-01` },
    body: JSON.stringify({ rows: [{ id: 'x', a: 1 }] }),
  });
  expect(answer.headers.get('traceparent')).toContain(traceId);
  running.child.kill('SIGTERM');
  const { code, stdout } = await running.finished;
  collector.close();
  expect(code).toBe(0);
  const spans = sent.join();
  expect(spans).toContain('/v1/traces');
  expect(spans).toContain(traceId);
  expect(spans).toContain('POST /v1/endpoints/{endpoint}/predict');
  const line = stdout.split('\n').find((each) => each.includes('"msg":"request"'));
  expect(JSON.parse(line ?? '{}')).toMatchObject({ route: 'predict', status: 200, trace_id: traceId });
});
