/**
 * Calls over one WebSocket, as MessagePack: many in flight at a time, matched by id.
 *
 * The socket is opened by the first call, and again when one is lost and somebody waits: after a random time that grows
 * with each failure, so that the callers of a server that was away do not come back all at once. A call waits for the
 * socket as long as its own time lasts. What was in flight when a socket broke is rejected with NETWORK; whether it is
 * sent again is up to the caller (repeated-call.ts).
 */
import { Packr, Unpackr } from 'msgpackr';
import { MillraceClientError, errorOf } from './client-error.ts';
import { fullJitterMs } from './full-jitter.ts';
import type { Transport, WireCall } from './transport.ts';

/** As much of a WebSocket as is used: that of browsers, of Node 22, and of the package ws. */
export interface SocketLike {
  binaryType: string;
  send(data: ArrayBuffer): void;
  close(): void;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
}

export type SocketConstructor = new (url: string, protocols?: string[]) => SocketLike;

export interface SocketOptions {
  /** Of HTTP, without a slash at its end. */
  readonly url: string;
  readonly key: string | undefined;
  readonly WebSocket: SocketConstructor;
}

interface PendingCall {
  readonly id: number;
  readonly bytes: ArrayBuffer;
  /** On the socket that is open now; else it waits for one. */
  isSent: boolean;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
}

const RECONNECT_MS_MAX = 5000;
const OPENING_MS_MAX = 5000;
const SILENT_MS_MAX = 2000;

export function createSocketTransport(options: SocketOptions): Transport {
  const calls = new SocketCalls(options);
  return {
    send: async (call, signal) => calls.send(call, signal),
    close: () => calls.close(),
  };
}

class SocketCalls {
  private readonly options: SocketOptions;
  private readonly packr: Packr = new Packr({ useRecords: false });
  private readonly unpackr: Unpackr = new Unpackr({ useRecords: false });
  private readonly pending = new Map<number, PendingCall>();
  private nextId = 1;
  /** Being opened, or open. */
  private socket: SocketLike | undefined;
  private isOpen = false;
  private isClosed = false;
  /** Since when calls were sent and nothing came; undefined = something did. */
  private silentSinceMs: number | undefined;
  /** Since a socket last worked. */
  private failures = 0;
  /** Why the last socket was lost; undefined = one is open. */
  private trouble: MillraceClientError | undefined;
  /** Until the next socket is opened, or until one that is being opened is given up. */
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: SocketOptions) {
    this.options = options;
  }

  async send({ message }: WireCall, signal: AbortSignal): Promise<unknown> {
    if (this.isClosed) throw closed();
    const id = this.nextId++;
    // The server reads a message fastest in this order: id, endpoint, context, rows.
    const bytes = Uint8Array.from(this.packr.pack({ id, ...message })).buffer;
    return new Promise((resolve, reject) => {
      const call: PendingCall = { id, bytes, isSent: false, resolve, reject };
      signal.addEventListener('abort', () => this.giveUp(call, signal.reason as Error));
      this.pending.set(id, call);
      if (this.isOpen) this.transmit(call);
      else this.open();
    });
  }

  close(): void {
    this.isClosed = true;
    this.forget()?.close();
    for (const { reject } of this.pending.values()) reject(closed());
    this.pending.clear();
  }

  private giveUp(call: PendingCall, reason: Error): void {
    if (!this.pending.delete(call.id)) return;
    const isLate = reason instanceof MillraceClientError && reason.code === 'TIMEOUT';
    call.reject(
      isLate && !call.isSent && this.trouble !== undefined ? withCause(reason, this.trouble) : reason,
    );
    // A socket that leads nowhere may stay open for minutes; what is given up by its caller says nothing of it.
    const silentMs = performance.now() - (this.silentSinceMs ?? Infinity);
    if (isLate && silentMs >= SILENT_MS_MAX) this.lost(this.socket, 'nothing comes over it');
  }

  private open(): void {
    if (this.socket !== undefined || this.timer !== undefined || this.isClosed) return;
    if (this.failures === 0) return this.openNow();
    this.timer = setTimeout(
      () => {
        this.timer = undefined;
        if (this.pending.size > 0) this.openNow();
      },
      fullJitterMs(this.failures, RECONNECT_MS_MAX),
    );
  }

  private openNow(): void {
    const { url, key, WebSocket } = this.options;
    const address = `${url.replace(/^http/, 'ws')}/v1/ws`;
    // Browsers set no headers, so a key goes as a subprotocol. One that is offered has to be chosen by the server.
    const socket =
      key === undefined
        ? new WebSocket(address)
        : new WebSocket(address, ['millrace', `millrace.key.${key}`]);
    socket.binaryType = 'arraybuffer';
    this.socket = socket;
    this.timer = setTimeout(() => this.lost(socket, 'it took too long to open'), OPENING_MS_MAX);
    let trouble = '';
    const handlers: Pick<SocketLike, 'onopen' | 'onmessage' | 'onerror' | 'onclose'> = {
      onopen: () => this.opened(socket),
      onmessage: ({ data }: { data: unknown }) => {
        if (socket === this.socket) this.receive(socket, data);
      },
      onerror: ({ message = '' }: { message?: string }) => {
        trouble = message;
      },
      onclose: ({ code, reason }: { code: number; reason: string }) =>
        this.lost(socket, trouble === '' ? `it was closed (${code} ${reason})` : trouble),
    };
    Object.assign(socket, handlers);
  }

  private opened(socket: SocketLike): void {
    if (socket !== this.socket) return;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.isOpen = true;
    this.trouble = undefined;
    for (const call of this.pending.values()) this.transmit(call);
  }

  private transmit(call: PendingCall): void {
    this.silentSinceMs ??= performance.now();
    call.isSent = true;
    this.socket?.send(call.bytes);
  }

  private receive(socket: SocketLike, data: unknown): void {
    const answer = this.decode(data);
    if (answer === undefined) return this.lost(socket, 'what comes over it is no answer of Millrace');
    this.silentSinceMs = undefined;
    this.failures = 0;
    const call = typeof answer['id'] === 'number' ? this.pending.get(answer['id']) : this.largest();
    // A call that was given up is answered all the same.
    if (call === undefined) return;
    this.pending.delete(call.id);
    if ('error' in answer) return call.reject(errorOf(answer));
    const { id: _, ...body } = answer;
    call.resolve(body);
  }

  private decode(data: unknown): Record<string, unknown> | undefined {
    try {
      const answer: unknown =
        typeof data === 'string'
          ? JSON.parse(data)
          : this.unpackr.unpack(new Uint8Array(data as ArrayBuffer));
      if (typeof answer !== 'object' || answer === null || !('id' in answer)) return undefined;
      return { ...answer };
    } catch {
      return undefined;
    }
  }

  /** An answer has no id where the message could not be read; of this client's messages, one that is too large. */
  private largest(): PendingCall | undefined {
    let found: PendingCall | undefined;
    for (const call of this.pending.values())
      if (call.isSent && call.bytes.byteLength > (found?.bytes.byteLength ?? 0)) found = call;
    return found;
  }

  /** Ends with a socket that broke, or that is taken for broken. */
  private lost(socket: SocketLike | undefined, why: string): void {
    if (socket === undefined || socket !== this.socket) return;
    this.forget();
    socket.close();
    this.failures++;
    const error = new MillraceClientError('NETWORK', `The WebSocket to ${this.options.url} is lost: ${why}.`);
    this.trouble = error;
    for (const call of this.pending.values()) {
      if (!call.isSent) continue;
      this.pending.delete(call.id);
      call.reject(error);
    }
    if (this.pending.size > 0) this.open();
  }

  private forget(): SocketLike | undefined {
    const { socket } = this;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.socket = undefined;
    this.isOpen = false;
    this.silentSinceMs = undefined;
    return socket;
  }
}

/** A key that is refused, say, is only seen as a socket that does not open. */
function withCause(late: MillraceClientError, cause: MillraceClientError): MillraceClientError {
  return new MillraceClientError(late.code, `${late.message} ${cause.message}`, { cause });
}

function closed(): MillraceClientError {
  return new MillraceClientError('CLOSED', 'The client was closed.');
}
