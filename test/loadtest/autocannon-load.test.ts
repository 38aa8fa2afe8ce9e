import { expect, it } from 'vitest';
import { resolveAddress } from '../../src/loadtest/address.ts';
import { runAutocannon } from '../../src/loadtest/autocannon-load.ts';
import { predictRequest } from '../../src/loadtest/load-request.ts';
import { startKnownServer } from './known-server.ts';

it("autocannon's timeouts are timeouts, and count in the latency with the whole timeout", async () => {
  const server = await startKnownServer({ delayMs: 5000 });
  const { latency, outcomes } = await runAutocannon(
    {
      address: await resolveAddress(server.url),
      protocol: 'http',
      connections: 4,
      requests: [predictRequest('m', { rows: [] })],
    },
    { inFlight: 4, warmUpMs: 0, durationMs: 3000, timeoutMs: 1200 },
  );
  await server.close();
  expect(outcomes).toMatchObject({ ok: 0, connectionErrors: 0, otherErrors: 0 });
  expect(outcomes.timedOut).toBeGreaterThanOrEqual(8);
  expect(outcomes.failures).toEqual([
    { name: 'timeout', count: outcomes.timedOut, example: 'no answer within the timeout' },
  ]);
  expect(latency.count).toBe(outcomes.timedOut);
  expect(latency.p50Us).toBeGreaterThanOrEqual(1_199_000);
});
