/**
 * How an HTTP request becomes a WebSocket: who opens it is asked for a key or token, as for any call, before it is opened.
 *
 * A page in a browser cannot send headers with it, only names of subprotocols. So it may offer two: `millrace`, which the
 * server then speaks, and `millrace.key.<key>`, which stays between the two.
 */
import type { HttpRequest, HttpResponse, us_socket_context_t } from 'uWebSockets.js';
import { authorize } from '../access/access.ts';
import type { Access, Principal } from '../access/access.ts';
import { credentialOf, principalOf } from './gate.ts';

const PROTOCOL = 'millrace';
const KEY_PROTOCOL = 'millrace.key.';

export interface Opening<UserData> {
  readonly access: Access;
  /** What is kept with the socket. */
  readonly userData: (principal: Principal | undefined) => UserData;
  /** Answers that it may not be opened. */
  readonly fail: (error: unknown) => void;
}

export function openSocket<UserData>(
  res: HttpResponse,
  req: HttpRequest,
  socketContext: us_socket_context_t,
  { access, userData, fail }: Opening<UserData>,
): void {
  // A request can be read in its own turn only.
  const [key, extensions] = [req.getHeader('sec-websocket-key'), req.getHeader('sec-websocket-extensions')];
  const protocols = protocolsOf(req);
  const open = (principal: Principal | undefined): void => {
    authorize(access, principal, 'any key');
    const chosen = protocols.includes(PROTOCOL) ? PROTOCOL : '';
    res.upgrade(userData(principal), key, chosen, extensions, socketContext);
  };
  try {
    const found = access.isOpen ? undefined : principalOf(access, credentialOf(req) || keyIn(protocols));
    if (found instanceof Promise) void openLater(res, found, open, fail);
    else open(found);
  } catch (error) {
    fail(error);
  }
}

async function openLater(
  res: HttpResponse,
  verified: Promise<Principal>,
  open: (principal: Principal) => void,
  fail: (error: unknown) => void,
): Promise<void> {
  let isGone = false;
  res.onAborted(() => {
    isGone = true;
  });
  try {
    const principal = await verified;
    if (!isGone) res.cork(() => orFail(() => open(principal), fail));
  } catch (error) {
    if (!isGone) fail(error);
  }
}

function orFail(work: () => void, fail: (error: unknown) => void): void {
  try {
    work();
  } catch (error) {
    fail(error);
  }
}

function protocolsOf(req: HttpRequest): string[] {
  return req
    .getHeader('sec-websocket-protocol')
    .split(',')
    .map((name) => name.trim());
}

/** Empty = there is none. */
function keyIn(protocols: readonly string[]): string {
  const found = protocols.find((name) => name.startsWith(KEY_PROTOCOL));
  return found?.slice(KEY_PROTOCOL.length) ?? '';
}
