/**
 * Goodput under overload, as a guard: what is answered at three times the peak is compared with the peak in the same
 * round. The requests are so large that the server is the limit, not the load generator beside it.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { writeBenchProject } from '../../loadtest/bench-project.ts';
import { startPeer } from '../../loadtest/peers/peer-process.ts';
import type { PeerProcess } from '../../loadtest/peers/peer-process.ts';
import { millracePeer } from '../../loadtest/peers/peers.ts';
import { manyRowBody } from '../../loadtest/shape.ts';
import { resolveAddress } from '../../src/loadtest/address.ts';
import type { CallerEvents } from '../../src/loadtest/caller.ts';
import { runClosedLoop } from '../../src/loadtest/closed-loop.ts';
import { predictRequest } from '../../src/loadtest/load-request.ts';
import { openCaller } from '../../src/loadtest/open-caller.ts';
import { runOpenLoop } from '../../src/loadtest/open-loop.ts';

const ROUNDS = 3;
const ROWS = 1000;
const times = { warmUpMs: 500, durationMs: 1000, timeoutMs: 2000 };
const requests = Array.from({ length: 20 }, (_, user) => predictRequest('m', manyRowBody(user, ROWS)));

let dir: string;
let server: PeerProcess;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-goodput-'));
  await writeBenchProject(dir, join(dir, 'data'));
  server = await startPeer(millracePeer(dir));
});

afterAll(async () => {
  await server.stop();
  await rm(dir, { recursive: true, force: true });
});

it.each([
  ['http', 1000],
  ['ws-msgpack', 8],
] as const)(
  'stays near its peak at three times that over %s, and the rest is refused in time (usually 95 %)',
  async (protocol, connections) => {
    const address = await resolveAddress(`http://127.0.0.1:${server.port}`);
    const open = async (events: CallerEvents) =>
      openCaller({ address, protocol, connections, requests }, events);
    let bestShare = 0;
    for (let round = 0; round < ROUNDS && bestShare < 0.8; round++) {
      const { goodputPerSecond: peak } = await runClosedLoop(open, { ...times, inFlight: 32 });
      const schedule = { ratePerSecond: 3 * peak, arrivals: 'poisson', seed: 1, ...times } as const;
      const { goodputPerSecond, outcomes, rejectedLatency } = await runOpenLoop(open, schedule);
      expect(outcomes.rejected).toBeGreaterThan(peak);
      expect(outcomes).toMatchObject({ connectionErrors: 0, otherErrors: 0 });
      expect(rejectedLatency.p50Us).toBeLessThan(1e6);
      bestShare = Math.max(bestShare, goodputPerSecond / peak);
    }
    expect(bestShare).toBeGreaterThan(0.8);
  },
);
