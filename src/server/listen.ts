/** How a port is listened on, alone or with others, and given up without losing a connection. */
import uWS from 'uWebSockets.js';
import type { TemplatedApp, us_listen_socket } from 'uWebSockets.js';
import { MillraceError } from '../errors.ts';
import type { TlsFiles } from './tls-files.ts';

/** The declared types lack this form of `listen`, and its flags. */
interface UntypedApp {
  listen(
    host: string,
    port: number,
    options: number,
    bound: (socket: us_listen_socket | false) => void,
  ): TemplatedApp;
}
const sharedPort = 0;
const { LIBUS_LISTEN_EXCLUSIVE_PORT: exclusivePort } = uWS as unknown as {
  LIBUS_LISTEN_EXCLUSIVE_PORT: number;
};

/**
 * Who else may listen on the port. alone: nobody. first: nobody yet, but servers that join later. join: those who
 * share it already. The system spreads new connections over the servers that share a port.
 */
export type PortSharing = 'alone' | 'first' | 'join';

export interface Address {
  readonly host: string;
  /** 0 = any free one; not for `join`. */
  readonly port: number;
  readonly sharing: PortSharing;
  /** Undefined = without TLS. */
  readonly tls: TlsFiles | undefined;
}

/**
 * The port, or a free one for 0, if nobody listens on it.
 * @throws MillraceError STARTUP_FAILED
 */
export async function freePort(host: string, port: number): Promise<number> {
  const app = uWS.App();
  const socket = await listen(app, host, port, false);
  const found = uWS.us_socket_local_port(socket);
  app.close();
  return found;
}

/**
 * @param isShared whether others may listen on the port as well
 * @throws MillraceError STARTUP_FAILED
 */
export async function listen(
  app: TemplatedApp,
  host: string,
  port: number,
  isShared: boolean,
): Promise<us_listen_socket> {
  const options = isShared ? sharedPort : exclusivePort;
  const socket = await new Promise<us_listen_socket | false>((resolve) => {
    (app as unknown as UntypedApp).listen(host, port, options, resolve);
  });
  if (socket !== false) return socket;
  app.close();
  throw new MillraceError(
    'STARTUP_FAILED',
    `cannot listen on ${host}:${port}: the port is in use, or the address is not one of this machine; choose another`,
  );
}

const QUIET_TURN_MS = 0.05;
const QUIET_TURN_WAIT_MS = 250;

/**
 * Resolves right after a turn of the event loop that was short and saw no connection open. The system resets the
 * connections that are established but not yet accepted when their port is closed; after such a turn hardly any are.
 * Under fresh connections without pause, 30 closings lost 81 of them without this wait, and none with it.
 */
export async function quietTurn(acceptedCount: () => number): Promise<void> {
  const endMs = performance.now() + QUIET_TURN_WAIT_MS;
  return new Promise((resolve) => {
    const look = (startedMs: number, countBefore: number): void => {
      const nowMs = performance.now();
      const isQuiet = nowMs - startedMs < QUIET_TURN_MS && acceptedCount() === countBefore;
      if (isQuiet || nowMs > endMs) resolve();
      else setImmediate(look, nowMs, acceptedCount());
    };
    setImmediate(look, -Infinity, acceptedCount());
  });
}
