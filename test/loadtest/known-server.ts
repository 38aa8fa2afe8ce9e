/** A server whose latency is known: it answers each request after a fixed delay, and may stall for a while. */
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import { Packr, Unpackr } from 'msgpackr';
import { resolveAddress } from '../../src/loadtest/address.ts';
import type { OpenCaller, Protocol, Target } from '../../src/loadtest/caller.ts';
import { predictRequest } from '../../src/loadtest/load-request.ts';
import { openCaller } from '../../src/loadtest/open-caller.ts';

export interface KnownServer {
  readonly url: string;
  /** Requests that arrived. */
  received(): number;
  /** Answers that would be due before are sent `stallMs` from now. */
  stall(stallMs: number): void;
  close(): Promise<void>;
}

export interface KnownServerOptions {
  readonly delayMs: number;
  /** Status of the n-th answer; default 200. */
  readonly statusOf?: (index: number) => number;
  /** Over HTTP every so many answers is the last one of its connection. */
  readonly closeEvery?: number;
}

interface Reply {
  readonly status: number;
  readonly fields: Readonly<Record<string, unknown>>;
}

const codes: Readonly<Record<number, string>> = { 422: 'MODEL_FAILED', 429: 'OVERLOADED' };

export async function startKnownServer(options: KnownServerOptions): Promise<KnownServer> {
  const { delayMs, statusOf = () => 200, closeEvery = Infinity } = options;
  let received = 0;
  let answered = 0;
  let stalledUntilMs = 0;
  const answerLater = (send: (reply: Reply) => void): void => {
    const status = statusOf(received++);
    const waitMs = Math.max(delayMs, stalledUntilMs - performance.now());
    setTimeout(() => send({ status, fields: fieldsOf(status) }), waitMs);
  };
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    request.resume().on('end', () =>
      answerLater(({ status, fields }) => {
        const text = JSON.stringify(fields);
        if (++answered % closeEvery === 0) response.setHeader('connection', 'close');
        response.writeHead(status, { 'content-length': Buffer.byteLength(text) }).end(text);
      }),
    );
  });
  server.keepAliveTimeout = 60_000;
  const webSockets = new WebSocketServer({ server, path: '/v1/ws' });
  answerWebSockets(webSockets, answerLater);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received: () => received,
    stall: (stallMs) => (stalledUntilMs = performance.now() + stallMs),
    close: async () => {
      for (const socket of webSockets.clients) socket.terminate();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function answerWebSockets(
  server: WebSocketServer,
  answerLater: (send: (reply: Reply) => void) => void,
): void {
  const packr = new Packr({ useRecords: false });
  const unpackr = new Unpackr({ useRecords: false });
  server.on('connection', (socket) => {
    socket.on('message', (data: Buffer, isBinary) => {
      const { id } = (isBinary ? unpackr.unpack(data) : JSON.parse(data.toString())) as { id: number };
      answerLater(({ fields }) => {
        const message = { id, ...fields };
        socket.send(isBinary ? Buffer.from(packr.pack(message)) : JSON.stringify(message));
      });
    });
  });
}

function fieldsOf(status: number): Readonly<Record<string, unknown>> {
  if (status === 200) return { request_id: 'r-1', endpoint: 'm', predictions: [{ y: 0.5 }] };
  return { error: `a sentence about "predictions": ${status}`, code: codes[status], request_id: 'r-1' };
}

/** Opens connections to the server, for the runners. */
export async function callerOf(url: string, protocol: Protocol, connections = 64): Promise<OpenCaller> {
  const target: Target = {
    address: await resolveAddress(url),
    protocol,
    connections,
    requests: [predictRequest('m', { rows: [{ user_id: 'user-1' }] })],
  };
  return async (events) => openCaller(target, events);
}
