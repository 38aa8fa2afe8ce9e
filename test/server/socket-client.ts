/** A caller over WebSocket, for tests. */
import { once } from 'node:events';
import { unpack } from 'msgpackr';
import { WebSocket } from 'ws';
import type { ClientOptions } from 'ws';
import { call } from '../e2e/demo-server.ts';
import type { Server } from '../../src/server/server.ts';

export interface SocketReply {
  readonly id: unknown;
  readonly code?: string;
  readonly error?: string;
  readonly request_id: string;
  readonly retry_after_ms?: number;
  readonly details?: readonly { readonly path: string; readonly message: string }[];
  readonly predictions?: readonly unknown[];
  readonly events?: readonly unknown[];
  readonly feedback?: readonly unknown[];
}

export interface SocketClient {
  readonly socket: WebSocket;
  /** All answers so far, in the order they came. */
  readonly replies: SocketReply[];
  /** Whether each of them came as a binary message. */
  readonly encodings: boolean[];
  /** Sends messages as they are: a string as text, bytes as binary. */
  send(...messages: readonly (string | Buffer)[]): void;
  /** Resolves with the first replies once there are this many. */
  received(count: number): Promise<readonly SocketReply[]>;
  /** Resolves with code and reason when the socket is closed. */
  readonly closed: Promise<readonly [number, string]>;
}

export function socketUrl(server: Server): string {
  return `${server.url.replace('http', 'ws')}/v1/ws`;
}

export async function openSocket(server: Server, options: ClientOptions = {}): Promise<SocketClient> {
  const socket = new WebSocket(socketUrl(server), options);
  const replies: SocketReply[] = [];
  const encodings: boolean[] = [];
  socket.on('message', (data: Buffer, isBinary: boolean) => {
    replies.push((isBinary ? unpack(data) : JSON.parse(data.toString())) as SocketReply);
    encodings.push(isBinary);
  });
  const closed = new Promise<readonly [number, string]>((resolve) => {
    socket.once('close', (code: number, reason: Buffer) => resolve([code, reason.toString()]));
  });
  await once(socket, 'open');
  return {
    socket,
    replies,
    encodings,
    closed,
    send(...messages) {
      for (const message of messages) socket.send(message);
    },
    async received(count) {
      while (replies.length < count) {
        await Promise.race([
          once(socket, 'message'),
          closed.then(([code, reason]) => {
            throw new Error(`closed with ${code} ${reason} after ${replies.length} replies`);
          }),
        ]);
      }
      return replies.slice(0, count);
    },
  };
}

export function codes(replies: readonly SocketReply[]): readonly (readonly [unknown, string | undefined])[] {
  return replies.map(({ id, code }) => [id, code] as const);
}

/** What `/metrics` says of one sample. */
export async function countOf(server: Server, sample: string): Promise<number> {
  const page = (await call(server, '/metrics')).text;
  const line = page.split('\n').find((candidate) => candidate.startsWith(`${sample} `));
  return Number(line?.slice(sample.length + 1));
}
