import { connect } from 'node:net';
import { expect, it } from 'vitest';
import { call, predict } from '../e2e/demo-server.ts';
import { modelServers } from './model-servers.ts';

const serverOf = modelServers({
  model: 'identity_float32',
  request: { a: 'float64' },
  inputs: { x: ['request.a', 'u.facts.score ?? 0'] },
});

const rows = [{ id: 'x', a: 1 }];

it('answers 504 when the answer takes longer than the limit', async () => {
  const server = await serverOf({ batching: { delay_ms_max: 1000 }, limits: { timeoutMs: 60 } });
  const reply = await predict(server, 'm', { rows });
  expect([reply.status, reply.json['code']]).toEqual([504, 'DEADLINE_EXCEEDED']);
});

it('answers 429 with Retry-After when too many requests wait, and health and metrics all the same', async () => {
  const server = await serverOf({ batching: { delay_ms_max: 600 }, limits: { inFlightMax: 2 } });
  const waiting = [predict(server, 'm', { rows }), predict(server, 'm', { rows })];
  while (!(await call(server, '/metrics')).text.includes('millrace_in_flight_requests 3')) continue;
  const refused = await predict(server, 'm', { rows });
  const { headers, json } = refused;
  expect([refused.status, json['code'], headers['retry-after'], json['retry_after_ms']]).toEqual([
    429,
    'OVERLOADED',
    '1',
    1000,
  ]);
  expect((await call(server, '/v2/health/live')).status).toBe(200);
  expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual([200, 200]);
});

it('refuses what would wait too long for its run, and answers in time what it lets in', async () => {
  const server = await serverOf({
    model: 'slow',
    inputs: { x: ['request.a'] },
    batching: { rows_max: 1 },
    limits: { timeoutMs: 1000 },
  });
  // The time of a run is known once there was one.
  const alone = await predict(server, 'm', { rows });
  expect(alone.status).toBe(200);
  const replies = await Promise.all(Array.from({ length: 400 }, async () => predict(server, 'm', { rows })));
  const counts = new Map<number, number>();
  for (const { status } of replies) counts.set(status, (counts.get(status) ?? 0) + 1);
  expect(new Set(counts.keys())).toEqual(new Set([200, 429]));
  expect(counts.get(200)).toBeGreaterThan(3);
  expect((await predict(server, 'm', { rows })).status).toBe(200);
});

it('keeps answering others while a request of many runs is worked on, and gives it up at its deadline', async () => {
  const server = await serverOf({
    model: 'slow',
    request: { a: 'float64' },
    inputs: { x: ['request.a'] },
    batching: { rows_max: 1 },
    limits: { timeoutMs: 300 },
  });
  const long = predict(server, 'm', { rows: Array.from({ length: 1000 }, () => rows[0]) });
  const healthy = await call(server, '/v2/health/live');
  expect(healthy.status).toBe(200);
  expect((await long).status).toBe(504);
  const { text } = await call(server, '/metrics');
  const runs = Number(/millrace_batch_rows_count\{model="m",version="1"\} (\d+)/.exec(text)?.[1]);
  expect(runs).toBeGreaterThan(0);
  expect(runs).toBeLessThan(1000);
});

it.each([
  ['/metrics', 'GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n'],
  [
    'predict',
    'POST /v1/endpoints/m/predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 27\r\n\r\n' +
      '{"rows":[{"id":"x","a":1}]}',
  ],
])('closes a connection that sends the next call of %s before the answer', async (_path, request) => {
  const server = await serverOf();
  const received = async (count: number): Promise<string> =>
    new Promise((resolve, reject) => {
      let text = '';
      const socket = connect(server.port, server.host, () => socket.write(request.repeat(count)));
      socket.on('error', reject);
      socket.on('close', () => resolve(text));
      socket.on('data', (bytes) => {
        text += bytes.toString('latin1');
        if (text.includes('\r\n\r\n')) socket.end();
      });
    });
  expect(await received(1)).toMatch(/^HTTP\/1\.1 200 OK/);
  expect(await received(400)).toBe('');
  expect((await call(server, '/v2/health/live')).status).toBe(200);
});

it('refuses bodies beyond the connections that may wait', async () => {
  const server = await serverOf({ limits: { inFlightMax: 2, bodyTimeoutMs: 5000 } });
  const head =
    'POST /push HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{';
  const sockets = [1, 2].map(() => connect(server.port, server.host));
  for (const socket of sockets) socket.write(head);
  while (!(await call(server, '/metrics')).text.includes('millrace_in_flight_requests 3')) continue;
  const refused = await call(server, '/push', { body: '{}' });
  expect([refused.status, refused.json['code']]).toEqual([429, 'OVERLOADED']);
  for (const socket of sockets) socket.destroy();
});

it('answers 422 when the model rejects the values of one caller, without naming files, and the others their rows', async () => {
  const server = await serverOf({
    model: 'identity_string',
    request: { s: 'string' },
    inputs: { x: ['request.s', 'request.id'] },
  });
  const [bad, good] = await Promise.all([
    predict(server, 'm', { rows: [{ id: 'x', s: 'a\0b' }] }),
    predict(server, 'm', { rows: [{ id: 'y', s: 'ü' }] }),
  ]);
  expect([bad.status, bad.json['code']]).toEqual([422, 'MODEL_FAILED']);
  expect(bad.json['error']).toContain('NUL');
  expect(bad.text).not.toContain('/');
  expect(good.json['predictions']).toEqual([{ y: ['ü', 'y'] }]);
});
