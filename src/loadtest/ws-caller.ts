/**
 * WebSocket load: many requests at a time on each connection, matched by id, which is the ticket. Of an answer it
 * reads the id and whether there are predictions.
 *
 * The messages of one turn of the event loop are written together, as a client that pipelines does. Measured against a
 * bare uWebSockets.js server with 256 in flight: 1.6 us of CPU a message, 4.1 when each is written by itself.
 */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import { MillraceError } from '../errors.ts';
import { keyHeaders, lostConnection } from './caller.ts';
import type { Caller, CallerEvents, Target } from './caller.ts';
import { unreachable } from './http-caller.ts';
import type { WsAnswer, WsCodec } from './ws-codec.ts';
import { createWsCodec } from './ws-codec.ts';

const PATH = '/v1/ws';
const RETRY_MS = 100;
/** Bytes that the server does not read; above this the connection counts as taken. */
const UNSENT_BYTES_MAX = 1_048_576;

/** @throws MillraceError LOADTEST_FAILED when the server cannot be reached, or has no WebSocket */
export async function openWsCaller(target: Target, events: CallerEvents): Promise<Caller> {
  const { address, connections: count, requests, protocol } = target;
  const codec = createWsCodec(requests, protocol === 'ws-msgpack');
  const connections = Array.from({ length: count }, () => new WsConnection(target, codec, events));
  const close = (): void => connections.forEach((connection) => connection.close());
  try {
    await Promise.all(connections.map(async (connection) => connection.open()));
  } catch (cause) {
    close();
    if ((cause as NodeJS.ErrnoException).code !== undefined) throw unreachable(address, cause as Error);
    const message = `${address.origin}${PATH} does not speak WebSocket: ${(cause as Error).message}`;
    throw new MillraceError('LOADTEST_FAILED', message, { cause });
  }
  let turn = 0;
  return {
    send(ticket) {
      for (let tried = 0; tried < count; tried++) {
        const connection = connections[turn++ % count] as WsConnection;
        if (connection.send(ticket)) return true;
      }
      return false;
    },
    abandon: (ticket) => connections.some((connection) => connection.abandon(ticket)),
    close,
  };
}

class WsConnection {
  private readonly target: Target;
  private readonly codec: WsCodec;
  private readonly events: CallerEvents;
  private readonly tickets = new Set<number>();
  private webSocket: WebSocket | undefined = undefined;
  private socket: Socket | undefined = undefined;
  private isCorked = false;
  private isClosed = false;
  private retry: NodeJS.Timeout | undefined = undefined;

  constructor(target: Target, codec: WsCodec, events: CallerEvents) {
    this.target = target;
    this.codec = codec;
    this.events = events;
  }

  /** Rejects with the error of the first attempt; later ones are repeated until `close`. */
  async open(): Promise<void> {
    return new Promise((resolve, reject) => this.connect(resolve, reject));
  }

  send(ticket: number): boolean {
    const { webSocket, socket } = this;
    if (webSocket === undefined || socket === undefined) return false;
    if (webSocket.readyState !== WebSocket.OPEN || socket.writableLength > UNSENT_BYTES_MAX) return false;
    if (!this.isCorked) {
      this.isCorked = true;
      socket.cork();
      process.nextTick(() => {
        this.isCorked = false;
        socket.uncork();
      });
    }
    this.tickets.add(ticket);
    webSocket.send(this.codec.message(ticket));
    return true;
  }

  /** @returns whether the ticket was sent here; its answer, if it comes, is passed over */
  abandon(ticket: number): boolean {
    return this.tickets.delete(ticket);
  }

  close(): void {
    this.isClosed = true;
    clearTimeout(this.retry);
    this.webSocket?.terminate();
  }

  private connect(onOpen?: () => void, onRefused?: (error: Error) => void): void {
    const { host, ip, port } = this.target.address;
    let failure: NodeJS.ErrnoException | undefined;
    let wasOpen = false;
    const webSocket = new WebSocket(`ws://${host}${PATH}`, {
      headers: keyHeaders(this.target),
      perMessageDeflate: false,
      skipUTF8Validation: true,
      // Our own socket: it can be corked.
      createConnection: () => (this.socket = connect({ host: ip, port, noDelay: true })),
    });
    this.webSocket = webSocket;
    webSocket.once('open', () => {
      wasOpen = true;
      onOpen?.();
    });
    webSocket.on('message', (data, isBinary) => this.receive(data as Buffer, isBinary));
    webSocket.on('error', (error) => {
      failure = error;
      onRefused?.(error);
    });
    webSocket.once('close', (code, reason) => {
      const message = failure?.message ?? `the server closed the connection: ${code} ${reason.toString()}`;
      this.loseAll(failure?.code ?? `WS_${code}`, message);
      if (!this.isClosed) this.retry = setTimeout(() => this.connect(), wasOpen ? 0 : RETRY_MS);
    });
  }

  private receive(data: Buffer, isBinary: boolean): void {
    const answer = this.decode(data, isBinary);
    if (answer === undefined || !this.tickets.delete(answer.ticket)) return;
    if (answer.failure === undefined) this.events.answered(answer.ticket);
    else this.events.failed(answer.ticket, answer.failure);
  }

  private decode(data: Buffer, isBinary: boolean): WsAnswer | undefined {
    try {
      return this.codec.read(data, isBinary);
    } catch (error) {
      this.loseAll('BAD_ANSWER', `not an answer: ${(error as Error).message}`);
      this.webSocket?.terminate();
      return undefined;
    }
  }

  private loseAll(code: string, message: string): void {
    const lost = [...this.tickets];
    this.tickets.clear();
    const failure = lostConnection(code, message);
    for (const ticket of lost) this.events.failed(ticket, failure);
  }
}
