/** What is measured of a peer in one round, and that all peers answer the same. */
import { Packr } from 'msgpackr';
import autocannon from 'autocannon';
import { resolveAddress } from '../../src/loadtest/address.ts';
import { openHttpCaller } from '../../src/loadtest/http-caller.ts';
import { runOpenLoop } from '../../src/loadtest/open-loop.ts';
import { hasPredictions } from '../../src/loadtest/ws-codec.ts';
import { CONNECTIONS, bodiesOfUsers, manyRowBody, oneRowBody } from '../shape.ts';
import type { Body } from '../shape.ts';
import { requestRate } from './http-load.ts';
import type { Peer, PeerProcess } from './peer-process.ts';
import { webSocketRate } from './web-socket-load.ts';

export interface Reading {
  /** Answers per second. */
  readonly perSecond: number;
  /** CPU time of the server for each, in microseconds; undefined where the system does not tell. */
  readonly serverUs: number | undefined;
  /** Share of one core that the server, and the load generator, were busy. */
  readonly serverShare: number | undefined;
  readonly loadShare: number;
}

export type Measure = (peer: Peer, process: PeerProcess) => Promise<Reading>;

export interface RoundTimes {
  readonly warmUpMs: number;
  readonly roundMs: number;
}

const SOCKETS = 8;

export function oneRow(times: RoundTimes): Measure {
  return overHttp(bodiesOfUsers(oneRowBody), times);
}

export function manyRows(times: RoundTimes): Measure {
  return overHttp(bodiesOfUsers(manyRowBody), times);
}

function overHttp(requests: readonly Body[], { warmUpMs, roundMs }: RoundTimes): Measure {
  const bodies = requests.map((body) => JSON.stringify(body));
  return async ({ path }, process) => {
    const load = { port: process.port, path, bodies, connections: CONNECTIONS };
    await requestRate(load, warmUpMs);
    return read(process, async () => requestRate(load, roundMs));
  };
}

/** autocannon needs more CPU time for a request than a bare server does: it is its own limit on two cores. */
export function oneRowUnderAutocannon({ roundMs }: RoundTimes): Measure {
  const requests = bodiesOfUsers(oneRowBody).map((body) => ({
    method: 'POST' as const,
    body: JSON.stringify(body),
  }));
  return async ({ path }, process) =>
    read(process, async () => {
      const result = await autocannon({
        url: `http://127.0.0.1:${process.port}${path}`,
        connections: CONNECTIONS,
        duration: roundMs / 1000,
        headers: { 'content-type': 'application/json' },
        requests,
      });
      if (result.non2xx > 0 || result.errors > 0) throw new Error('autocannon was not answered with 200');
      return result['2xx'] / result.duration;
    });
}

/** As many requests in flight as over HTTP, on fewer connections. */
export function oneRowOverWebSocket(format: 'json' | 'msgpack', times: RoundTimes): Measure {
  const packr = new Packr({ useRecords: false });
  const messages = bodiesOfUsers(oneRowBody).map((body, id) => {
    const request = { id, endpoint: 'm', ...body };
    return format === 'json' ? JSON.stringify(request) : Buffer.from(packr.pack(request));
  });
  return async (_peer, process) => {
    const load = {
      port: process.port,
      path: '/v1/ws',
      messages,
      sockets: SOCKETS,
      inFlight: CONNECTIONS / SOCKETS,
      isAnswer: (message: Buffer) => hasPredictions(message, format === 'msgpack'),
    };
    await webSocketRate(load, times.warmUpMs);
    return read(process, async () => webSocketRate(load, times.roundMs));
  };
}

async function read(server: PeerProcess, load: () => Promise<number>): Promise<Reading> {
  const [serverBefore, ownBefore, startedMs] = [server.cpuMs(), process.cpuUsage(), performance.now()];
  const perSecond = await load();
  const tookMs = performance.now() - startedMs;
  const serverAfter = server.cpuMs();
  const own = process.cpuUsage(ownBefore);
  const serverShare =
    serverAfter === undefined || serverBefore === undefined
      ? undefined
      : (serverAfter - serverBefore) / tookMs;
  return {
    perSecond,
    serverUs: serverShare === undefined ? undefined : (serverShare * 1e6) / perSecond,
    serverShare,
    loadShare: (own.user + own.system) / 1000 / tookMs,
  };
}

export interface P99 {
  readonly us: number;
  /** How late the load generator itself was, likewise. */
  readonly lagUs: number;
  /** Share of the requests that waited for a connection. */
  readonly waitedShare: number;
  /** When the figure says more about the load generator than about the server. */
  readonly warnings: readonly string[];
}

/** More than are ever needed at once: a request must not wait for a connection. */
const P99_CONNECTIONS = 256;

/** The 99th percentile at a fixed rate, counted from the intended times. */
export async function measureP99(
  peer: Peer,
  server: PeerProcess,
  ratePerSecond: number,
  times: RoundTimes,
): Promise<P99> {
  const address = await resolveAddress(`http://127.0.0.1:${server.port}`);
  const requests = bodiesOfUsers(oneRowBody).map((body) => ({ endpoint: 'm', path: peer.path, body }));
  const target = { address, protocol: 'http' as const, connections: P99_CONNECTIONS, requests };
  const { latency, outcomes, sender, warnings } = await runOpenLoop(
    async (events) => openHttpCaller(target, events),
    {
      ratePerSecond,
      arrivals: 'poisson',
      seed: 1,
      warmUpMs: times.warmUpMs,
      durationMs: times.roundMs,
      timeoutMs: 1000,
    },
  );
  // A timeout counts with its whole time. Anything else is not a measure of latency.
  const answered = outcomes.ok + outcomes.timedOut;
  if (answered === 0 || outcomes.otherErrors + outcomes.connectionErrors + outcomes.rejected > 0) {
    throw new Error(`${peer.name}: ${JSON.stringify(outcomes.failures)}`);
  }
  const { lag, waitedShare } = sender;
  return { us: latency.p99Us, lagUs: lag?.p99Us ?? 0, waitedShare, warnings };
}
