/**
 * Closed-loop load by autocannon, as a second opinion on throughput: a general HTTP client, which needs more CPU for a
 * request than a bare server does, so `busyShare` tells whether it measured itself. Its own histogram holds whole
 * milliseconds, so latencies are taken from its events.
 */
import { performance } from 'node:perf_hooks';
import autocannon from 'autocannon';
import type { Request } from 'autocannon';
import { failedAnswer, keyHeaders, lostConnection } from './caller.ts';
import type { Target } from './caller.ts';
import type { ClosedLoopOptions } from './closed-loop.ts';
import type { LoadRequest } from './load-request.ts';
import type { LoadMeasurement } from './measurement.ts';
import { closedLoopWarnings } from './sender-warnings.ts';
import { Tally } from './tally.ts';

/** How it names a request that had no answer in time; there is no code. */
const TIMED_OUT = 'request timed out';
/** It takes no shorter one. */
const TIMEOUT_MS_MIN = 1000;

export async function runAutocannon(target: Target, options: ClosedLoopOptions): Promise<LoadMeasurement> {
  const { address, connections, requests } = target;
  const { warmUpMs, durationMs, signal } = options;
  const timeoutMs = Math.max(TIMEOUT_MS_MIN, options.timeoutMs);
  // Until autocannon has prepared its requests, which may take seconds.
  let startedMs = performance.now();
  let cpuBefore = process.cpuUsage();
  const nowUs = (): number => (performance.now() - startedMs) * 1000;
  // Its first requests may be out a moment before it says that it has started.
  const sentUsBefore = (ms: number): number => Math.max(0, nowUs() - ms * 1000);
  const tally = new Tally(warmUpMs * 1000, (warmUpMs + durationMs) * 1000);
  const shares = shareOut(requests, connections);
  await new Promise<void>((resolve, reject) => {
    let clients = 0;
    const run = autocannon(
      {
        url: `http://${address.ip.includes(':') ? `[${address.ip}]` : address.ip}:${address.port}`,
        connections,
        duration: Math.max(1, Math.ceil((warmUpMs + durationMs) / 1000)),
        timeout: timeoutMs / 1000,
        headers: { host: address.host, 'content-type': 'application/json', ...keyHeaders(target) },
        setupClient: (client) => client.setRequests(shares[clients++ % shares.length] as Request[]),
      },
      (error: Error | null) => (error === null ? resolve() : reject(error)),
    );
    run.on('start', () => {
      startedMs = performance.now();
      cpuBefore = process.cpuUsage();
    });
    run.on('response', (_client, status, _bytes, responseMs) => {
      const sentUs = sentUsBefore(responseMs);
      if (status === 200) tally.answered(sentUs, nowUs());
      else tally.failed(sentUs, nowUs(), failedAnswer(status, '', ''));
    });
    run.on('reqError', (error: NodeJS.ErrnoException) => {
      const { code = 'CLOSED', message } = error;
      if (message === TIMED_OUT)
        tally.expired(sentUsBefore(timeoutMs), timeoutMs * 1000, 'no answer within the timeout');
      else tally.failed(nowUs(), nowUs(), lostConnection(code, message));
    });
    signal?.addEventListener('abort', () => run.stop(), { once: true });
  });
  tally.endAt(nowUs());
  const { user, system } = process.cpuUsage(cpuBefore);
  const measurement = {
    load: 'autocannon' as const,
    offeredPerSecond: null,
    ...tally.figures(),
    sender: { busyShare: (user + system) / nowUs(), lag: null, waitedShare: 0 },
  };
  return { ...measurement, warnings: closedLoopWarnings(measurement) };
}

/** Each connection keeps copies of all the requests that it is given; so none gets those of another. */
function shareOut(requests: readonly LoadRequest[], connections: number): Request[][] {
  const shares: Request[][] = Array.from({ length: Math.min(connections, requests.length) }, () => []);
  requests.forEach(({ path, body }, index) => {
    shares[index % shares.length]?.push({ method: 'POST', path, body: JSON.stringify(body) });
  });
  return shares;
}
