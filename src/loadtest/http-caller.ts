/**
 * HTTP load over keep-alive connections: plain sockets that write bytes made before, one request at a time on each.
 * Connections take turns, so that all of them are used at any rate. One that ends is opened again.
 */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { MillraceError } from '../errors.ts';
import type { Address } from './address.ts';
import { keyHeaders, lostConnection } from './caller.ts';
import type { Caller, CallerEvents, Target } from './caller.ts';
import { HttpAnswerReader } from './http-answer.ts';
import type { LoadRequest } from './load-request.ts';

const READ_BYTES = 16_384;
const RETRY_MS = 100;
const NO_TICKET = -1;

/** @throws MillraceError LOADTEST_FAILED when the server cannot be reached */
export async function openHttpCaller(target: Target, events: CallerEvents): Promise<Caller> {
  const requests = target.requests.map((request) => requestBytes(target, request));
  const connections: HttpConnection[] = [];
  // A set: one that closes while it waits here, and is opened again, must not stand in it twice.
  const idle = new Set<HttpConnection>();
  const opened = Array.from({ length: target.connections }, async () => {
    const connection = new HttpConnection(target.address, events, (free) => idle.add(free));
    connections.push(connection);
    return connection.open();
  });
  const close = (): void => connections.forEach((connection) => connection.close());
  try {
    await Promise.all(opened);
  } catch (cause) {
    close();
    throw unreachable(target.address, cause as Error);
  }
  return {
    send(ticket) {
      for (const connection of idle) {
        idle.delete(connection);
        if (connection.send(ticket, requests[ticket % requests.length] as Buffer)) return true;
      }
      return false;
    },
    abandon: (ticket) => connections.find((connection) => connection.ticket === ticket)?.restart(),
    close,
  };
}

/** @param cause of Node's sockets: its message names the address */
export function unreachable({ origin }: Address, cause: Error): MillraceError {
  const hint = (cause as NodeJS.ErrnoException).code === 'ECONNREFUSED' ? '; is the server running?' : '';
  return new MillraceError('LOADTEST_FAILED', `cannot reach ${origin}: ${cause.message}${hint}`, { cause });
}

function requestBytes(target: Target, { path, body }: LoadRequest): Buffer {
  const json = JSON.stringify(body);
  const head = [
    `POST ${path} HTTP/1.1`,
    `Host: ${target.address.host}`,
    ...Object.entries(keyHeaders(target)).map(([name, value]) => `${name}: ${value}`),
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(json)}`,
  ];
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${json}`);
}

class HttpConnection {
  /** The request that has no answer yet. */
  ticket: number = NO_TICKET;
  private readonly address: Address;
  private readonly events: CallerEvents;
  private readonly onIdle: (connection: HttpConnection) => void;
  private readonly buffer: Buffer = Buffer.allocUnsafe(READ_BYTES);
  private answer = new HttpAnswerReader();
  private socket: Socket | undefined = undefined;
  private isClosed = false;
  private retry: NodeJS.Timeout | undefined = undefined;

  constructor(address: Address, events: CallerEvents, onIdle: (connection: HttpConnection) => void) {
    this.address = address;
    this.events = events;
    this.onIdle = onIdle;
  }

  /** Rejects with the error of the first attempt; later ones are repeated until `close`. */
  async open(): Promise<void> {
    return new Promise((resolve, reject) => this.connect(resolve, reject));
  }

  /** @returns false when the connection is not open, or has a request already */
  send(ticket: number, request: Buffer): boolean {
    if (this.ticket !== NO_TICKET || this.socket?.readyState !== 'open') return false;
    this.ticket = ticket;
    this.socket.write(request);
    return true;
  }

  /** The only way to be rid of an answer that is still to come. */
  restart(): void {
    this.ticket = NO_TICKET;
    this.socket?.destroy();
  }

  close(): void {
    this.isClosed = true;
    clearTimeout(this.retry);
    this.socket?.destroy();
  }

  private connect(onOpen?: () => void, onRefused?: (error: Error) => void): void {
    const { ip: host, port } = this.address;
    const onread = { buffer: this.buffer, callback: (bytes: number): boolean => this.receive(bytes) };
    let failure: NodeJS.ErrnoException | undefined;
    let wasOpen = false;
    this.answer = new HttpAnswerReader();
    const socket = connect({ host, port, noDelay: true, onread });
    this.socket = socket;
    socket.once('connect', () => {
      wasOpen = true;
      onOpen?.();
      this.onIdle(this);
    });
    socket.once('error', (error) => {
      failure = error;
      onRefused?.(error);
    });
    socket.once('close', () => {
      const message = failure?.message ?? 'the server closed the connection without an answer';
      this.lose(failure?.code ?? 'CLOSED', message);
      if (!this.isClosed) this.retry = setTimeout(() => this.connect(), wasOpen ? 0 : RETRY_MS);
    });
  }

  private receive(bytes: number): boolean {
    // Bytes of a connection that was given up.
    if (this.ticket === NO_TICKET) return true;
    try {
      if (!this.answer.read(this.buffer.subarray(0, bytes))) return true;
    } catch (error) {
      this.lose('BAD_ANSWER', (error as Error).message);
      this.socket?.destroy();
      return false;
    }
    const { ticket } = this;
    this.ticket = NO_TICKET;
    // It is opened again when the close is through.
    if (this.answer.isLast) this.socket?.destroy();
    else this.onIdle(this);
    const failure = this.answer.failure();
    if (failure === undefined) this.events.answered(ticket);
    else this.events.failed(ticket, failure);
    return true;
  }

  private lose(code: string, message: string): void {
    if (this.ticket === NO_TICKET) return;
    const { ticket } = this;
    this.ticket = NO_TICKET;
    this.events.failed(ticket, lostConnection(code, message));
  }
}
