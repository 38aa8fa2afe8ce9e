/** One call of the server: its method and path, whom it takes, and what it does. The transport binds it. */
import type { RouteScopes } from '../access/scope.ts';
import type { Exchange } from './exchange.ts';

export interface Route {
  readonly method: 'get' | 'post' | 'put';
  /** In uWebSockets.js's form: `:name` is a parameter. */
  readonly path: string;
  /** Label in metrics. */
  readonly name: string;
  readonly scopes: RouteScopes;
  /** `json` refuses other content types; `none` does not read it. */
  readonly body: 'none' | 'json' | 'any';
  /** It changes by what requests are answered: it has no deadline, and waits for those that came before. */
  readonly isChange?: boolean;
  /** Names of the request headers that `handle` wants, in lower case. */
  readonly headers?: readonly string[];
  /** Replies through the exchange, now or later. The body's bytes are there until it returns or waits. */
  readonly handle: (exchange: Exchange, body: Buffer, call: Call) => void | Promise<void>;
}

/** Whether calls of it stand in the audit log: whatever only a scope of writing allows. */
export function isWrite({ method, scopes }: Route): boolean {
  return method !== 'get' && typeof scopes !== 'string' && scopes.every((scope) => scope.endsWith(':write'));
}

/** What a call says beside its body. */
export interface Call {
  /** Of the path, decoded, in its order. */
  readonly params: readonly string[];
  /** As in the address, behind the question mark. */
  readonly query: string;
  /** Those that the route wants; empty = not sent. */
  readonly headers: Readonly<Record<string, string>>;
}
