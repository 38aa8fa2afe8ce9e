/** What becomes of requests that get no answer in time, or lose their connection. */
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { protocols } from '../../src/loadtest/caller.ts';
import { runClosedLoop } from '../../src/loadtest/closed-loop.ts';
import { runOpenLoop } from '../../src/loadtest/open-loop.ts';
import { callerOf, startKnownServer } from './known-server.ts';

const options = {
  ratePerSecond: 100,
  arrivals: 'constant',
  seed: 1,
  warmUpMs: 0,
  durationMs: 500,
  timeoutMs: 300,
} as const;

describe.each(protocols)('over %s', (protocol) => {
  it('a timeout is an error, and counts in the latency with the whole timeout', async () => {
    const server = await startKnownServer({ delayMs: 3000 });
    const { latency, outcomes, goodputPerSecond } = await runOpenLoop(
      await callerOf(server.url, protocol),
      options,
    );
    await server.close();
    expect(outcomes).toMatchObject({ ok: 0, timedOut: 50, connectionErrors: 0 });
    expect(outcomes.failures).toEqual([
      { name: 'timeout', count: 50, example: 'no answer within the timeout' },
    ]);
    expect(latency.count).toBe(50);
    expect(latency.p50Us).toBeGreaterThanOrEqual(300_000);
    expect(goodputPerSecond).toBe(0);
  });

  it('requests of a server that goes away are errors, and the run goes on to its end', async () => {
    const server = await startKnownServer({ delayMs: 20 });
    setTimeout(() => void server.close(), 250);
    const { outcomes } = await runOpenLoop(await callerOf(server.url, protocol), options);
    expect(outcomes.ok).toBeGreaterThan(5);
    expect(outcomes.connectionErrors + outcomes.timedOut).toBeGreaterThan(5);
    expect(outcomes.ok + outcomes.connectionErrors + outcomes.timedOut).toBe(50);
  });

  it('an abort ends the run at once, with what there is', async () => {
    const server = await startKnownServer({ delayMs: 20 });
    const startedMs = performance.now();
    const { outcomes, durationMs } = await runOpenLoop(await callerOf(server.url, protocol), {
      ...options,
      durationMs: 60_000,
      signal: AbortSignal.timeout(400),
    });
    await server.close();
    expect(performance.now() - startedMs).toBeLessThan(5000);
    expect(durationMs).toBeLessThan(5000);
    expect(outcomes.ok).toBeGreaterThan(5);
  });

  it('a closed loop is never above its number in flight, and reaches what that allows', async () => {
    const server = await startKnownServer({ delayMs: 50 });
    const { goodputPerSecond, outcomes } = await runClosedLoop(await callerOf(server.url, protocol, 4), {
      inFlight: 4,
      warmUpMs: 100,
      durationMs: 1000,
      timeoutMs: 2000,
    });
    await server.close();
    expect(outcomes.ok).toBeGreaterThan(40);
    // 4 at a time, 50 ms each, is 80 a second.
    expect(goodputPerSecond).toBeLessThan(85);
  });
});

it('a connection that the server closes after each answer is opened again', async () => {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const { outcomes } = await runOpenLoop(await callerOf(`http://127.0.0.1:${port}`, 'http', 4), options);
  server.close();
  expect(sockets.size).toBeGreaterThan(40);
  expect(outcomes.ok).toBeGreaterThan(40);
});

it('a connection that the server announces to close gets no other request', async () => {
  const server = await startKnownServer({ delayMs: 5, closeEvery: 20 });
  const { outcomes } = await runOpenLoop(await callerOf(server.url, 'http', 32), {
    ...options,
    ratePerSecond: 2000,
    durationMs: 1500,
    timeoutMs: 2000,
  });
  await server.close();
  expect(outcomes).toMatchObject({ ok: 3000, timedOut: 0, connectionErrors: 0, failures: [] });
});

it('a connection that is closed and opened again while it waits carries one request at a time', async () => {
  let overlaps = 0;
  const server = createServer((socket) => {
    let isAsked = false;
    socket.on('error', () => undefined);
    // Closes while nothing is asked, without a word.
    const idle = setTimeout(() => socket.destroy(), 10);
    socket.on('data', () => {
      clearTimeout(idle);
      if (isAsked) overlaps++;
      isAsked = true;
      setTimeout(() => {
        isAsked = false;
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}');
      }, 20);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const { outcomes } = await runOpenLoop(await callerOf(`http://127.0.0.1:${port}`, 'http', 16), {
    ...options,
    // A burst from time to time leaves most connections idle for long.
    arrivals: 'poisson',
    ratePerSecond: 150,
    durationMs: 1500,
  });
  server.close();
  expect(overlaps).toBe(0);
  expect(outcomes.ok).toBeGreaterThan(150);
  expect(outcomes.failures.map(({ name }) => name)).not.toContain('BAD_ANSWER');
});

it('a server that is not there is told in a sentence', async () => {
  const open = await callerOf('http://127.0.0.1:1', 'http');
  await expect(runOpenLoop(open, options)).rejects.toThrow(
    'cannot reach http://127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1; is the server running?',
  );
});
