/**
 * Who asks over a socket. Headers come once, with its opening, and hold for all that is asked on it: also for endpoints
 * that want to know something of the caller only since the project was served anew. So they are kept, once a socket.
 */
import type { HttpRequest } from 'uWebSockets.js';
import type { Caller } from '../serving/caller.ts';
import type { ServedEndpoint, Serving } from '../serving/serving.ts';
import type { CallerHeaders } from './caller-headers.ts';
import type { RouteContext } from './route-context.ts';
import { servingOf } from './route-context.ts';

export interface SocketCallers {
  /**
   * What the endpoint that is served now wants to know; undefined = nothing.
   * @throws MillraceError NOT_READY, FORCING_REFUSED
   */
  of(endpoint: string): Caller | undefined;
}

/** Names and values of one opening. What comes beyond is not there for endpoints that change later. */
const KEPT_CHARS_MAX = 8192;
/** Of the opening itself; a subprotocol may be a key. Others may be a unit, whatever they are. */
const NEVER_KEPT = /^sec-websocket-/;

interface Known {
  readonly serving: Serving;
  readonly callers: Map<string, Caller>;
}

/** @throws MillraceError NOT_READY, FORCING_REFUSED */
export function createSocketCallers(req: HttpRequest, context: RouteContext): SocketCallers {
  const read = (headers: CallerHeaders, name: string, endpoint: ServedEndpoint): Caller | undefined =>
    endpoint.callerNeeds && context.readCaller(headers, name, endpoint.callerNeeds);
  const opened = servingOf(context);
  let known: Known = { serving: opened, callers: new Map() };
  for (const [name, endpoint] of opened.endpoints) {
    const caller = read(req, name, endpoint);
    if (caller !== undefined) known.callers.set(name, caller);
  }
  const kept = keepHeaders(req);
  return {
    of(name) {
      const serving = servingOf(context);
      if (known.serving !== serving) known = { serving, callers: new Map() };
      const found = known.callers.get(name);
      const endpoint = serving.endpoints.get(name);
      if (found !== undefined || endpoint === undefined) return found;
      const caller = read(kept, name, endpoint);
      if (caller !== undefined) known.callers.set(name, caller);
      return caller;
    },
  };
}

/** The request is there in its turn only. */
function keepHeaders(req: HttpRequest): CallerHeaders {
  const kept = new Map<string, string>();
  let chars = 0;
  req.forEach((name, value) => {
    const grown = chars + name.length + value.length;
    // Of several with one name, the first counts, as it does for a request.
    if (grown > KEPT_CHARS_MAX || kept.has(name) || NEVER_KEPT.test(name)) return;
    chars = grown;
    kept.set(name, value);
  });
  return { getHeader: (name) => kept.get(name) ?? '' };
}
