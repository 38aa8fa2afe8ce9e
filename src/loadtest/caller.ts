/** What sends requests and hears their answers: HTTP or WebSocket. Requests are known by ticket, counted from 0. */
import type { LoadRequest } from './load-request.ts';
import type { Address } from './address.ts';

export const protocols = ['http', 'ws', 'ws-msgpack'] as const;
/** HTTP with JSON; WebSocket with JSON text; WebSocket with MessagePack. */
export type Protocol = (typeof protocols)[number];

/** Whom to call, how, and with what. */
export interface Target {
  readonly address: Address;
  readonly protocol: Protocol;
  readonly connections: number;
  /** Ticket n sends request n modulo their number. */
  readonly requests: readonly LoadRequest[];
  /** Is sent with each request, or with the opening of a WebSocket; undefined = the server wants none. */
  readonly key?: string | undefined;
}

/** The header of a request with a key; none without one. */
export function keyHeaders({ key }: Pick<Target, 'key'>): Readonly<Record<string, string>> {
  return key === undefined ? {} : { authorization: `Bearer ${key}` };
}

export interface Failure {
  /** The server answered with an error, or the connection ended without an answer. */
  readonly kind: 'answer' | 'connection';
  /** The HTTP status; 0 without an answer. */
  readonly status: number;
  /** The server's error code, or that of the operating system: `OVERLOADED`, `ECONNRESET`. */
  readonly code: string;
  readonly message: string;
}

const CODE_LENGTH_MAX = 64;
const MESSAGE_LENGTH_MAX = 300;

/** A server that is not Millrace may answer with anything, and what it says is printed: one line of each, no more. */
export function failedAnswer(status: number, code: string, message: string): Failure {
  return printableFailure({ kind: 'answer', status, code, message });
}

/** The connection ended without an answer; the server may have said why. */
export function lostConnection(code: string, message: string): Failure {
  return printableFailure({ kind: 'connection', status: 0, code, message });
}

function printableFailure(failure: Failure): Failure {
  const code = printable(failure.code, CODE_LENGTH_MAX);
  return { ...failure, code, message: printable(failure.message, MESSAGE_LENGTH_MAX) };
}

/** Without control characters, which steer a terminal. */
function printable(text: string, lengthMax: number): string {
  const kept = text.length <= lengthMax ? text : `${text.slice(0, lengthMax - 1)}…`;
  return kept.replace(/[\p{Cc}\p{Cf}\p{Cs}\s]+/gu, ' ').trim();
}

/** Each ticket that was sent ends in one of these, once, unless it is abandoned. */
export interface CallerEvents {
  answered(ticket: number): void;
  failed(ticket: number, failure: Failure): void;
}

export interface Caller {
  /** @returns false when no connection is free; the ticket was not sent then */
  send(ticket: number): boolean;
  /** Its answer is not waited for any more. */
  abandon(ticket: number): void;
  close(): void;
}

/**
 * @throws MillraceError LOADTEST_FAILED when the first connections cannot be made; later ones are tried again
 */
export type OpenCaller = (events: CallerEvents) => Promise<Caller>;
