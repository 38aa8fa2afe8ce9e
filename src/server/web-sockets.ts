/** `/v1/ws` bound to uWebSockets.js: who may open a socket, and what happens on it. */
import type { HttpRequest, HttpResponse, TemplatedApp, WebSocket } from 'uWebSockets.js';
import type { Principal } from '../access/access.ts';
import { MillraceError } from '../errors.ts';
import { overloaded } from '../serving/overloaded.ts';
import type { Serving } from '../serving/serving.ts';
import type { Counter } from '../telemetry/metrics.ts';

import { isAmbiguous } from './body-length.ts';
import { Exchange } from './exchange.ts';
import { Outbox } from './outbox.ts';
import { createIntakeCall, intakes as intakeKinds } from './intake-call.ts';
import type { IntakeList } from './intake-call.ts';
import { PackedEnvelopeReader } from './packed-envelope.ts';
import { TextEnvelopeReader } from './text-envelope.ts';
import { createRouteMetrics } from './route-metrics.ts';
import type { RouteMetrics } from './route-metrics.ts';
import { servingOf } from './route-context.ts';
import type { RouteContext } from './route-context.ts';
import { Socket, closeCodes, webSocketRoute } from './socket.ts';
import type { SocketIntake, SocketOwner, SocketParts } from './socket.ts';
import type { SocketOpening } from './observer.ts';
import { createSocketCallers } from './socket-callers.ts';
import type { SocketCallers } from './socket-callers.ts';
import { openSocket } from './socket-opening.ts';

export interface WebSockets {
  /** Counts the requests for an endpoint by its name. */
  bindEndpoint(name: string): void;
  /** Says goodbye to every socket as soon as its requests are answered. */
  drain(): void;
}

/** What uWebSockets.js keeps with a socket. */
interface UserData extends SocketOwner {
  socket: Socket | undefined;
}

export function bindWebSockets(app: TemplatedApp, context: RouteContext): WebSockets {
  const { state, metrics } = context;
  const sockets = new Set<Socket>();
  const metricsOf = (endpoint: string): RouteMetrics =>
    createRouteMetrics(metrics, webSocketRoute.name, endpoint);
  const parts = {
    context,
    state,
    outbox: new Outbox(),
    readPacked: packedReader(context),
    readText: textReader(context),
    metrics: new Map([['', metricsOf('')]]),
    intakes: openIntakes(context),
  };
  metrics.gauge('millrace_ws_sockets', 'Open WebSockets.', () => [{ labels: {}, value: state.sockets }]);
  const [jsonMessages, packedMessages] = ['json', 'messagepack'].map((encoding) =>
    metrics.counter('millrace_ws_messages_total', 'Messages that came over WebSockets.', { encoding }),
  ) as [Counter, Counter];
  const socketOf = (ws: WebSocket<UserData>): Socket => ws.getUserData().socket as Socket;
  const { bodyBytesMax, wsIdleTimeoutMs } = state.limits;
  app.ws<UserData>(webSocketRoute.path, {
    // A message that is somewhat too large gets an error; at a larger one the socket is cut off.
    maxPayloadLength: 2 * bodyBytesMax,
    idleTimeout: Math.round(wsIdleTimeoutMs / 1000),
    sendPingsAutomatically: true,
    // Without a limit of its own: the socket looks itself what was not taken yet, to close with a code.
    maxBackpressure: 0,
    upgrade: (res, req, socketContext) => {
      if (isAmbiguous(req)) return void res.close();
      const refusal = refusalOf(req, context, state.sockets);
      const opening = context.observer?.opening(req);
      const fail = (error: unknown): void => refuseSocket(res, parts, opening, error);
      if (refusal !== undefined) return fail(refusal);
      const userData = userDataOf(callersOf(req, context), opening);
      openSocket(res, req, socketContext, { access: context.access, userData, fail });
    },
    open(ws) {
      // uWebSockets.js does not tell that an HTTP connection has become another one.
      state.disconnectOne();
      state.sockets++;
      const userData = ws.getUserData();
      const socket = new Socket(ws, parts, userData);
      userData.socket = socket;
      sockets.add(socket);
    },
    message(ws, message, isBinary) {
      (isBinary ? packedMessages : jsonMessages).add(1);
      socketOf(ws).receive(message, isBinary);
    },
    drain: (ws) => socketOf(ws).drained(),
    ping: (ws) => socketOf(ws).pinged(),
    close(ws, code, message) {
      const socket = socketOf(ws);
      sockets.delete(socket);
      state.sockets--;
      socket.closed();
      const reason = closeReason(code, Buffer.from(message).toString('latin1'));
      metrics
        .counter('millrace_ws_closes_total', 'WebSockets that were closed, by reason.', { reason })
        .add(1);
    },
  });
  return {
    bindEndpoint: (name) => void parts.metrics.set(name, metricsOf(name)),
    drain() {
      for (const socket of sockets) socket.closeIfDone();
    },
  };
}

function openIntakes(context: RouteContext): SocketParts['intakes'] {
  const intakes = intakeKinds.map((kind): [IntakeList, SocketIntake] => {
    const metrics = createRouteMetrics(context.metrics, `${webSocketRoute.name}-${kind.name}`, '');
    return [kind.list, { call: createIntakeCall(context, kind), metrics }];
  });
  return new Map(intakes);
}

function refuseSocket(
  res: HttpResponse,
  { context, state, metrics }: SocketParts,
  opening: SocketOpening | undefined,
  error: unknown,
): void {
  const exchange = new Exchange(res, state, metrics.get('') as RouteMetrics, false);
  exchange.observation = context.observer?.message(opening, exchange, webSocketRoute.path);
  exchange.handle(() => exchange.fail(error));
}

/** Sockets are only opened once there is something to serve. */
function packedReader(context: RouteContext): SocketParts['readPacked'] {
  const readerOf = ofServing(context, ({ endpoints }) => new PackedEnvelopeReader(endpoints));
  return (body) => readerOf().read(body);
}

function textReader(context: RouteContext): SocketParts['readText'] {
  const readerOf = ofServing(context, ({ endpoints }) => new TextEnvelopeReader(endpoints));
  return (body) => readerOf().read(body);
}

/** Made anew when the project is served anew. */
function ofServing<T>(context: RouteContext, create: (serving: Serving) => T): () => T {
  let made: { readonly serving: Serving; readonly value: T } | undefined;
  return () => {
    const serving = servingOf(context);
    if (made?.serving !== serving) made = { serving, value: create(serving) };
    return made.value;
  };
}

function userDataOf(
  callersOnce: () => SocketCallers,
  opening: SocketOpening | undefined,
): (principal: Principal | undefined) => UserData {
  return (principal) => ({ callers: callersOnce(), opening, principal, socket: undefined });
}

/**
 * Who asks on it: headers are read now, and their mistakes thrown when it is known who opens it. Nobody else is told of them.
 * @throws MillraceError NOT_READY, FORCING_REFUSED, when what it returns is called
 */
function callersOf(req: HttpRequest, context: RouteContext): () => SocketCallers {
  try {
    const callers = createSocketCallers(req, context);
    return () => callers;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}

/** Why a socket may not be opened; undefined = it may. */
function refusalOf(req: HttpRequest, context: RouteContext, openCount: number): MillraceError | undefined {
  const { state } = context;
  const refusal = context.pages.socketRefusal(req);
  if (refusal !== undefined) return refusal;
  if (state.phase === 'draining') return new MillraceError('NOT_READY', 'The server is stopping.');
  return openCount >= state.limits.wsSocketsMax ? overloaded() : undefined;
}

const lossReasons: Readonly<Record<string, string>> = {
  'Received too big message': 'too_large',
  'Received invalid UTF-8': 'invalid_utf8',
  'WebSocket timed out from inactivity': 'idle',
};

/** @param message the reason that was sent, or what uWebSockets.js says of a socket that it cut off */
function closeReason(code: number, message: string): string {
  if (code === closeCodes.slowConsumer) return 'slow_consumer';
  if (code === closeCodes.revoked) return 'revoked';
  if (code === closeCodes.stopping && message === 'STOPPING') return 'stopping';
  return code === LOST ? (lossReasons[message] ?? 'lost') : 'client';
}

/** Stands for a socket that ended without a close frame. */
const LOST = 1006;
