import { pack } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { modelServers } from './model-servers.ts';
import { codes, countOf, openSocket } from './socket-client.ts';

const serverOf = modelServers({
  model: 'identity_float32',
  request: { a: 'float64' },
  inputs: { x: ['request.a', 'u.facts.score ?? 0.1'] },
});
const rows = [{ id: 'x', a: 1 }];

describe('a stopping server', () => {
  it('answers what is in flight, takes no more, and says goodbye', async () => {
    const server = await serverOf({ batching: { delay_ms_max: 300 } });
    const [busy, idle] = [await openSocket(server), await openSocket(server)];
    busy.send(pack({ id: 1, endpoint: 'm', rows }));
    while (!((await countOf(server, 'millrace_in_flight_requests')) >= 2)) continue;
    const closing = server.close();
    expect(await idle.closed).toEqual([1001, 'STOPPING']);
    busy.send(pack({ id: 2, endpoint: 'm', rows }));
    expect(codes(await busy.received(2))).toEqual([
      [2, 'NOT_READY'],
      [1, undefined],
    ]);
    expect(await busy.closed).toEqual([1001, 'STOPPING']);
    expect(await closing).toBe(true);
  });

  it('goes on with a socket that is in use while another server takes over', async () => {
    const server = await serverOf({ batching: { delay_ms_max: 100 } });
    const busy = await openSocket(server);
    busy.send(pack({ id: 1, endpoint: 'm', rows }));
    while (!((await countOf(server, 'millrace_in_flight_requests')) >= 2)) continue;
    const closing = server.close({ lingers: true });
    busy.send(pack({ id: 2, endpoint: 'm', rows }));
    expect(codes(await busy.received(2))).toEqual([
      [1, undefined],
      [2, undefined],
    ]);
    expect(await busy.closed).toEqual([1001, 'STOPPING']);
    expect(await closing).toBe(true);
  });

  it('ends also when a socket never stops asking', async () => {
    const server = await serverOf({ limits: { drainTimeoutMs: 2000 } });
    const busy = await openSocket(server);
    let id = 0;
    const asking = setInterval(() => {
      for (let i = 0; i < 5; i++) busy.send(pack({ id: id++, endpoint: 'm', rows }));
    }, 1);
    await busy.received(10);
    expect(await server.close({ lingers: true })).toBe(true);
    clearInterval(asking);
    expect(await busy.closed).toEqual([1001, 'STOPPING']);
  });

  it('does not wait for sockets as it may for connections of HTTP', async () => {
    const server = await serverOf({ limits: { drainTimeoutMs: 20_000 } });
    const [gone, open] = [await openSocket(server), await openSocket(server)];
    gone.socket.close();
    await gone.closed;
    const startedMs = performance.now();
    expect(await server.close({ lingers: true })).toBe(true);
    expect(await open.closed).toEqual([1001, 'STOPPING']);
    expect(performance.now() - startedMs).toBeLessThan(10_000);
  });

  it('hands over answers that are read slowly before it closes', async () => {
    const server = await serverOf({ limits: { wsBufferBytesMax: 1e8, timeoutMs: 10_000 } });
    const client = await openSocket(server);
    const many = Array.from({ length: 1000 }, (_, i) => ({ id: `user-${i}`, a: i }));
    client.socket.pause();
    const ids = Array.from({ length: 20 }, (_, i) => i);
    for (const id of ids) client.send(pack({ id, endpoint: 'm', rows: many, trace: true }));
    while (!((await countOf(server, 'millrace_requests_total{route="ws",endpoint="m",status="200"}')) >= 20))
      continue;
    const closing = server.close();
    client.socket.resume();
    expect((await client.received(20)).map(({ id }) => id)).toEqual(ids);
    expect(await client.closed).toEqual([1001, 'STOPPING']);
    expect(await closing).toBe(true);
  });
});
