import { afterEach, describe, expect, it } from 'vitest';
import { protocols } from '../../src/loadtest/caller.ts';
import { runClosedLoop } from '../../src/loadtest/closed-loop.ts';
import type { OpenLoopOptions } from '../../src/loadtest/open-loop.ts';
import { runOpenLoop } from '../../src/loadtest/open-loop.ts';
import type { KnownServer } from './known-server.ts';
import { callerOf, startKnownServer } from './known-server.ts';

const servers: KnownServer[] = [];

afterEach(async () => {
  await Promise.all(servers.splice(0).map(async (server) => server.close()));
});

async function serverOf(...args: Parameters<typeof startKnownServer>): Promise<KnownServer> {
  const server = await startKnownServer(...args);
  servers.push(server);
  return server;
}

const options: OpenLoopOptions = {
  ratePerSecond: 200,
  arrivals: 'constant',
  seed: 1,
  warmUpMs: 250,
  durationMs: 1500,
  timeoutMs: 5000,
};

describe.each(protocols)('open-loop load over %s', (protocol) => {
  it('reports the latency that the server has', async () => {
    const { url } = await serverOf({ delayMs: 30 });
    const { latency, outcomes, sender } = await runOpenLoop(await callerOf(url, protocol), {
      ...options,
      durationMs: 1000,
    });
    expect(outcomes).toMatchObject({
      ok: 200,
      rejected: 0,
      timedOut: 0,
      connectionErrors: 0,
      otherErrors: 0,
    });
    expect(latency.count).toBe(200);
    // Timers fire up to a millisecond early by their rounding.
    expect(latency.p50Us).toBeGreaterThan(28_000);
    expect(latency.p50Us).toBeLessThan(45_000);
    expect(sender.lag?.count).toBe(200);
    expect(sender.busyShare).toBeLessThan(0.9);
  });

  it('keeps the rate', async () => {
    const server = await serverOf({ delayMs: 20 });
    const { throughputPerSecond, goodputPerSecond } = await runOpenLoop(
      await callerOf(server.url, protocol),
      {
        ...options,
        ratePerSecond: 1000,
      },
    );
    expect(server.received()).toBe(1750);
    expect(goodputPerSecond).toBeGreaterThan(950);
    expect(goodputPerSecond).toBeLessThan(1050);
    expect(throughputPerSecond).toBe(goodputPerSecond);
  });

  it('counts rejections and other errors by status and code', async () => {
    const statusOf = (index: number): number => [200, 429, 200, 422][index % 4] as number;
    const { url } = await serverOf({ delayMs: 5, statusOf });
    const result = await runOpenLoop(await callerOf(url, protocol), {
      ...options,
      warmUpMs: 0,
      durationMs: 400,
    });
    expect(result.outcomes).toMatchObject({ ok: 40, rejected: 20, otherErrors: 20, connectionErrors: 0 });
    expect(result.outcomes.failures.map(({ name, count }) => [name, count])).toEqual([
      ['429 OVERLOADED', 20],
      ['422 MODEL_FAILED', 20],
    ]);
    expect(result.outcomes.failures[1]?.example).toContain('a sentence about');
    expect(result.rejectedLatency.count).toBe(20);
    expect(result.latency.count).toBe(40);
    expect(result.throughputPerSecond).toBeGreaterThan(1.5 * result.goodputPerSecond);
  });
});

describe('a stall of the server', () => {
  /** Stalls for 300 ms in the middle of the run. */
  const stallLater = (server: KnownServer): NodeJS.Timeout => setTimeout(() => server.stall(300), 800);

  it.each(protocols)(
    'is in the latency of every request that was meant to be sent during it: %s',
    async (protocol) => {
      const server = await serverOf({ delayMs: 5 });
      stallLater(server);
      // Few connections: over HTTP most of the requests wait in the client, which counts as well.
      const { latency, latencyCurve, sender } = await runOpenLoop(
        await callerOf(server.url, protocol, 4),
        options,
      );
      // 60 of the 300 requests fall into the stall, and wait for 150 ms on average.
      expect(latency.maxUs).toBeGreaterThan(270_000);
      expect(latency.p90Us).toBeGreaterThan(120_000);
      const waitedLong = latencyCurve.findLast(({ latencyUs }) => latencyUs < 100_000)?.quantile ?? 0;
      expect(waitedLong).toBeLessThan(0.9);
      expect(latency.p50Us).toBeLessThan(60_000);
      // A WebSocket takes any number of requests at a time.
      expect(sender.waitedShare > 0.1).toBe(protocol === 'http');
    },
  );

  it('is hardly seen by a closed loop, which is why its latency is not reported', async () => {
    const server = await serverOf({ delayMs: 5 });
    stallLater(server);
    const { latency } = await runClosedLoop(await callerOf(server.url, 'http', 4), {
      inFlight: 4,
      warmUpMs: 250,
      durationMs: 1500,
      timeoutMs: 5000,
    });
    expect(latency.maxUs).toBeGreaterThan(250_000);
    expect(latency.p90Us).toBeLessThan(60_000);
  });
});
