/**
 * What web pages may not do, though their browser lets them: a page may send a POST of plain text to any server, and one whose
 * name was pointed at this machine (DNS rebinding) may read the answers too. With keys neither gets anywhere. A server without
 * keys trusts this machine, so it asks for which host a call is, and where a page that would change something is from.
 */
import type { HttpRequest } from 'uWebSockets.js';
import type { Access } from '../access/access.ts';
import { MillraceError } from '../errors.ts';
import { shortName } from '../project/problem-list.ts';
import { isLoopback } from './check-open.ts';
import type { Cors } from './cors.ts';
import type { Route } from './route.ts';

export interface PageGuard {
  /** Why a call may not be made, HOST_REFUSED or ORIGIN_REFUSED; undefined = as far as pages go, it may. */
  callRefusal(req: HttpRequest, route: Pick<Route, 'method' | 'isChange'>): MillraceError | undefined;
  /** The same for the opening of a WebSocket, which browsers let any page ask for. */
  socketRefusal(req: HttpRequest): MillraceError | undefined;
}

export interface PageGuardOptions {
  readonly access: Pick<Access, 'isOpen'>;
  readonly cors: Cors | undefined;
  /** Everybody who reaches the port may do everything, by its owner's will. */
  readonly isInsecure: boolean;
}

export function createPageGuard({ access, cors, isInsecure }: PageGuardOptions): PageGuard {
  /** Callers mostly name the same host; it is looked at once. */
  let lastRightHost: string | undefined;
  const hostRefusal = (req: HttpRequest): MillraceError | undefined => {
    const host = req.getHeader('host');
    if (host === lastRightHost) return undefined;
    if (!isLoopback(nameOf(host))) return refusedHost(host);
    lastRightHost = host;
    return undefined;
  };
  const originRefusal = (req: HttpRequest, wish: string): MillraceError | undefined => {
    const origin = req.getHeader('origin');
    if (origin === '' || hostOf(origin) === req.getHeader('host').toLowerCase()) return undefined;
    return cors?.isAllowed(origin) === true ? undefined : refusedOrigin(origin, wish);
  };
  return {
    callRefusal(req, { method, isChange = false }) {
      const trustsMachine = access.isOpen && !isInsecure;
      const refusal = trustsMachine ? hostRefusal(req) : undefined;
      if (refusal !== undefined || method === 'get') return refusal;
      return trustsMachine || isChange ? originRefusal(req, 'make this call') : undefined;
    },
    socketRefusal(req) {
      const refusal = access.isOpen && !isInsecure ? hostRefusal(req) : undefined;
      return refusal ?? originRefusal(req, 'open a WebSocket');
    },
  };
}

/** Without the port, and without the brackets of an IPv6 address. */
function nameOf(host: string): string {
  return host.replace(/:\d*$/, '').replace(/^\[(.*)\]$/, '$1');
}

function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}

function refusedHost(host: string): MillraceError {
  const sentence = `Without keys, this server takes calls to localhost, 127.0.0.1 and [::1] only, not to ${shortName(host)}. Make a key with "millrace keys create", or start it with --insecure.`;
  return new MillraceError('HOST_REFUSED', sentence);
}

function refusedOrigin(origin: string, wish: string): MillraceError {
  const sentence = `A page of ${shortName(origin)} may not ${wish}, only one of this host, or of an origin that --cors-origin names.`;
  return new MillraceError('ORIGIN_REFUSED', sentence);
}
