/**
 * uWebSockets.js bound to the routes: headers are checked here, bodies are collected by the exchange. A request that
 * no route takes gets a named error, never an empty page.
 */
import uWS from 'uWebSockets.js';
import type { HttpRequest, HttpResponse, TemplatedApp } from 'uWebSockets.js';
import { MillraceError } from '../errors.ts';
import { shortName } from '../project/problem-list.ts';
import { preflightHeaders } from './cors.ts';
import { freePort, listen, quietTurn } from './listen.ts';
import type { Address } from './listen.ts';
import { createAuditedCall } from './audited-call.ts';
import { guardRoutes } from './body-length.ts';
import type { RouteApp } from './body-length.ts';
import type { Exchange } from './exchange.ts';
import { openExchange } from './open-exchange.ts';
import { admit } from './gate.ts';
import type { RouteHandler } from './exchange.ts';
import { createRouteMetrics } from './route-metrics.ts';
import type { RouteMetrics } from './route-metrics.ts';
import { plainRoutes, predictHandler, predictRoute } from './routes.ts';
import type { RouteContext } from './route-context.ts';
import { isWrite } from './route.ts';
import type { Call, Route } from './route.ts';
import { webSocketRoute } from './socket.ts';
import { bindWebSockets } from './web-sockets.ts';

/** The declared types lack it. */
interface UntypedApp {
  /** The count is positive when a connection opens, negative when it closes; one that is upgraded stays open. */
  filter(change: (res: HttpResponse, count: number) => void): TemplatedApp;
}

const NO_CONTENT = 204;

export interface Transport {
  /** The port that is listened on; differs from the one asked for if that was 0. */
  readonly port: number;
  /** Gives endpoints a route and metrics of their own. Those that are gone keep theirs, which then answers that they are. */
  bindEndpoints(names: Iterable<string>): void;
  /**
   * Takes new connections with the certificate that the files hold now; open ones live on with theirs.
   * @throws MillraceError STARTUP_FAILED
   */
  renewCertificate(): Promise<void>;
  /** Takes no new connections; open ones live on, WebSockets until their requests are answered. Resolves when the port is closed. */
  stopListening(): Promise<void>;
  /** Closes every connection. */
  close(): void;
}

/** @throws MillraceError STARTUP_FAILED if the address cannot be bound, or the certificate cannot be used */
export async function openTransport(address: Address, context: RouteContext): Promise<Transport> {
  const { host, sharing, tls } = address;
  // With a new certificate another listener joins, so the port is shared from the start.
  const isFound = sharing === 'first' || (sharing === 'alone' && tls !== undefined);
  const port = isFound ? await freePort(host, address.port) : address.port;
  const isShared = sharing !== 'alone' || tls !== undefined;
  const names = new Set<string>();
  const open = async (at: number): Promise<Listener> => {
    const listener = await openListener({ ...address, port: at }, isShared, context);
    for (const name of names) listener.bindEndpoint(name);
    return listener;
  };
  let current = await open(port);
  const before: Listener[] = [];
  return {
    port: current.port,
    bindEndpoints(added) {
      for (const name of added) {
        if (names.has(name)) continue;
        names.add(name);
        for (const listener of [...before, current]) listener.bindEndpoint(name);
      }
    },
    async renewCertificate() {
      const next = await open(current.port);
      before.push(current);
      const last = current;
      current = next;
      await last.stopListening();
    },
    stopListening: async () => current.stopListening(),
    close() {
      for (const listener of [...before, current]) listener.close();
    },
  };
}

/** One app of uWebSockets.js, whose certificate is as it was when it was opened. */
interface Listener {
  readonly port: number;
  bindEndpoint(name: string): void;
  stopListening(): Promise<void>;
  close(): void;
}

async function openListener(
  { host, port, tls }: Address,
  isShared: boolean,
  context: RouteContext,
): Promise<Listener> {
  const app =
    tls === undefined ? uWS.App() : uWS.SSLApp({ cert_file_name: tls.certFile, key_file_name: tls.keyFile });
  let acceptedCount = 0;
  (app as unknown as UntypedApp).filter((_res, count) => {
    if (count < 0) return context.state.disconnectOne();
    context.state.connections++;
    acceptedCount++;
  });
  const sockets = bindWebSockets(app, context);
  const routes = guardRoutes(app, context.metrics);
  bindPlainCall(routes, context);
  bindRoutes(routes, context, [predictRoute(context), ...plainRoutes(context)]);
  bindPreflight(routes, context);
  bindUnknown(routes, context);
  const socket = await listen(app, host, port, isShared);
  let isListening = true;
  return {
    port: uWS.us_socket_local_port(socket),
    bindEndpoint(name) {
      bindPredict(routes, context, name);
      sockets.bindEndpoint(name);
    },
    async stopListening() {
      await quietTurn(() => acceptedCount);
      if (isListening) uWS.us_listen_socket_close(socket);
      isListening = false;
      sockets.drain();
    },
    close: () => {
      isListening = false;
      app.close();
    },
  };
}

/** What browsers ask before they let a page of another origin call. */
function bindPreflight(app: RouteApp, context: RouteContext): void {
  if (context.cors === undefined) return;
  const metrics = createRouteMetrics(context.metrics, 'preflight', '');
  app.options('/*', (res, req) => {
    const exchange = openExchange(res, req, context, metrics, '/*');
    exchange.handle(() => exchange.send(NO_CONTENT, '', '', preflightHeaders));
  });
}

/** Each endpoint has a route of its own: its name need not be read and looked up in every call. */
function bindPredict(app: RouteApp, context: RouteContext, name: string): void {
  const route = predictRoute(context);
  const { path, name: label, scopes } = route;
  const handler = predictHandler(context, name);
  const metrics = createRouteMetrics(context.metrics, label, name);
  app.post(path.replace(':endpoint', name), (res, req) => {
    const exchange = openExchange(res, req, context, metrics, path);
    const admitted = context.pages.callRefusal(req, route) ?? admit(context.access, req, exchange, scopes);
    if (admitted instanceof MillraceError) return refuseUnread(req, exchange, admitted);
    const wanted = refuseCaller(context, name, req, exchange) ?? handler;
    receiveJson(req, exchange, admitted === undefined ? wanted : afterwards(exchange, admitted, wanted));
  });
}

/**
 * Notes what the endpoint wants to know of the caller; if that may not ask for what it asks for, says so. A request whose
 * body spans a change of the project was read for the definition before: headers are gone when the body is there.
 */
function refuseCaller(
  context: RouteContext,
  endpoint: string,
  req: HttpRequest,
  exchange: Exchange,
): RouteHandler | undefined {
  const needs = context.serving?.endpoints.get(endpoint)?.callerNeeds;
  if (needs === undefined) return undefined;
  try {
    exchange.caller = context.readCaller(req, endpoint, needs);
    return undefined;
  } catch (error) {
    return () => exchange.fail(error);
  }
}

/** Routes that share a path are bound one after the other; what is left of the path is for other methods. */
function bindRoutes(app: RouteApp, context: RouteContext, routes: readonly Route[]): void {
  const metricsOf = new Map<string, RouteMetrics>();
  for (const route of routes) {
    // Names of endpoints that are not in the project share one child of the metrics: callers could else make more.
    const metrics = metricsOf.get(route.name) ?? createRouteMetrics(context.metrics, route.name, '');
    metricsOf.set(route.name, metrics);
    bindRoute(app, context, route, metrics);
  }
  for (const path of new Set(routes.map((route) => route.path))) {
    const own = routes.filter((route) => route.path === path);
    const methods = own.map(({ method }) => method.toUpperCase());
    bindOtherMethods(app, context, path, methods, metricsOf.get(own[0]?.name ?? '') as RouteMetrics);
  }
}

function bindRoute(app: RouteApp, context: RouteContext, route: Route, metrics: RouteMetrics): void {
  const isAudited = isWrite(route);
  const bind = (res: HttpResponse, req: HttpRequest): void => {
    const exchange = openExchange(res, req, context, metrics, route.path);
    exchange.isChange = route.isChange ?? false;
    if (isAudited) exchange.audited = createAuditedCall(context.audit, route.name);
    const admitted =
      context.pages.callRefusal(req, route) ?? admit(context.access, req, exchange, route.scopes);
    if (admitted instanceof MillraceError) return refuseUnread(req, exchange, admitted);
    const call = readCall(route, req);
    if (call.params[0] !== undefined) exchange.audited?.note({ target: call.params[0] });
    const wanted: RouteHandler = (_exchange, body) => route.handle(exchange, body, call);
    const handler = admitted === undefined ? wanted : afterwards(exchange, admitted, wanted);
    if (route.body === 'none') exchange.handle(handler);
    else if (route.body === 'json') receiveJson(req, exchange, handler);
    else exchange.receive(handler, req.getHeader('content-length'));
  };
  app[route.method](route.path, bind);
  if (route.method === 'get') app.head(route.path, bind);
}

/**
 * The bytes of a body are there in its turn only. Who may not call is answered before the body is here: a slow one would else
 * take the place of another caller.
 */
function afterwards(exchange: Exchange, admitted: Promise<void>, handler: RouteHandler): RouteHandler {
  admitted.catch((error: unknown) => exchange.fail(error));
  return async (_exchange, body) => {
    const kept = Buffer.from(body);
    await admitted;
    return handler(exchange, kept);
  };
}

function readCall({ path, headers = [] }: Route, req: HttpRequest): Call {
  const paramCount = path.split('/:').length - 1;
  return {
    params: Array.from({ length: paramCount }, (_, i) => decodePart(req.getParameter(i))),
    query: req.getQuery(),
    headers: Object.fromEntries(headers.map((name) => [name, req.getHeader(name)])),
  };
}

/** A part of a path that is no valid encoding names nothing that exists. */
function decodePart(part: string | undefined): string {
  try {
    return decodeURIComponent(part ?? '');
  } catch {
    return part ?? '';
  }
}

/** A path that exists, called with a method that it does not have. */
function bindOtherMethods(
  app: RouteApp,
  context: RouteContext,
  path: string,
  methods: readonly string[],
  metrics: RouteMetrics,
): void {
  const allow = methods.join(', ');
  app.any(path, (res, req) => {
    const method = req.getMethod().toUpperCase();
    const sentence = `${method} is not allowed here; use ${methods.join(' or ')}.`;
    const error = new MillraceError('METHOD_NOT_ALLOWED', sentence);
    refuse(res, req, context, { metrics, path }, error, allow);
  });
}

/** A call of the WebSocket path that asks for no WebSocket. */
function bindPlainCall(app: RouteApp, context: RouteContext): void {
  const metrics = createRouteMetrics(context.metrics, webSocketRoute.name, '');
  app.any(webSocketRoute.path, (res, req) => {
    const sentence = `${webSocketRoute.path} takes WebSocket connections only.`;
    const bound = { metrics, path: webSocketRoute.path };
    refuse(res, req, context, bound, new MillraceError('UPGRADE_REQUIRED', sentence));
  });
}

function bindUnknown(app: RouteApp, context: RouteContext): void {
  const metrics = createRouteMetrics(context.metrics, 'unknown', '');
  app.any('/*', (res, req) => {
    const call = `${req.getMethod().toUpperCase()} ${shortName(req.getUrl())}`;
    const error = new MillraceError('UNKNOWN_ROUTE', `There is no call ${call}.`);
    refuse(res, req, context, { metrics, path: '' }, error);
  });
}

function refuse(
  res: HttpResponse,
  req: HttpRequest,
  context: RouteContext,
  { metrics, path }: { readonly metrics: RouteMetrics; readonly path: string },
  error: MillraceError,
  allow?: string,
): void {
  refuseUnread(req, openExchange(res, req, context, metrics, path), error, allow);
}

/** Answers without reading the body; where there is one, the connection is closed. */
function refuseUnread(req: HttpRequest, exchange: Exchange, error: MillraceError, allow?: string): void {
  const hasBody = req.getHeader('content-length') !== '' || req.getHeader('transfer-encoding') !== '';
  if (hasBody) exchange.fail(error, allow);
  else exchange.handle(() => exchange.fail(error, allow));
}

function receiveJson(req: HttpRequest, exchange: Exchange, handler: RouteHandler): void {
  const contentType = req.getHeader('content-type');
  const wanted = isJson(contentType) ? handler : refuseContentType(contentType);
  exchange.receive(wanted, req.getHeader('content-length'));
}

function isJson(contentType: string): boolean {
  return contentType === 'application/json' || /^application\/json\s*(;|$)/i.test(contentType);
}

function refuseContentType(contentType: string): RouteHandler {
  const got = contentType === '' ? 'none' : `"${contentType.slice(0, 100)}"`;
  return (exchange) => {
    exchange.fail(
      new MillraceError('UNSUPPORTED_MEDIA_TYPE', `The content type must be application/json, not ${got}.`),
    );
  };
}
