/** How a call reaches the server: over HTTP, or over a WebSocket. */
import type { WireValue } from './wire-value.ts';

export type WireBody = Readonly<Record<string, WireValue>> | readonly WireValue[];

export interface WireCall {
  /** Of HTTP, below the url of the client. */
  readonly path: string;
  readonly body: WireBody;
  /** What a message over WebSocket has behind its id; undefined = the call is one of HTTP only. */
  readonly message?: Readonly<Record<string, WireValue>>;
}

export interface Transport {
  /**
   * Sends a call once.
   * @param signal gives it up; its reason is what the call then rejects with
   * @returns the body of the answer; undefined if it is empty
   * @throws MillraceClientError with the server's code, NETWORK, BAD_ANSWER or CLOSED
   */
  send(call: WireCall, signal: AbortSignal): Promise<unknown>;

  /** What is in flight is rejected with CLOSED. */
  close(): void;
}
