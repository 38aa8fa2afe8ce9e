/**
 * uWebSockets.js bound to the routes: headers are checked here, bodies are collected by the exchange. A request that
 * no route takes gets a named error, never an empty page.
 */
import uWS from 'uWebSockets.js';
import type { HttpRequest, HttpResponse, TemplatedApp, us_listen_socket } from 'uWebSockets.js';
import { MillraceError } from '../errors.ts';
import { shortName } from '../project/problem-list.ts';
import { Exchange } from './exchange.ts';
import type { RouteHandler } from './exchange.ts';
import { createRouteMetrics } from './route-metrics.ts';
import type { RouteMetrics } from './route-metrics.ts';
import { plainRoutes, predictHandler, predictRoute } from './routes.ts';
import type { Route, RouteContext } from './routes.ts';
import { bindWebSockets, webSocketRoute } from './web-sockets.ts';

/** The declared types lack this form of `listen`, and its flag. */
type ExclusiveListen = (
  this: TemplatedApp,
  host: string,
  port: number,
  options: number,
  bound: (socket: us_listen_socket | false) => void,
) => TemplatedApp;
const { LIBUS_LISTEN_EXCLUSIVE_PORT: exclusivePort } = uWS as unknown as {
  LIBUS_LISTEN_EXCLUSIVE_PORT: number;
};

export interface Transport {
  /** The port that is listened on; differs from the one asked for if that was 0. */
  readonly port: number;
  /** Takes no new connections; open ones live on, WebSockets until their requests are answered. */
  stopListening(): void;
  /** Closes every connection. */
  close(): void;
}

/** @throws MillraceError STARTUP_FAILED if the address cannot be bound. */
export async function openTransport(host: string, port: number, context: RouteContext): Promise<Transport> {
  const app = uWS.App();
  bindPredict(app, context);
  const sockets = bindWebSockets(app, context);
  bindPlainCall(app, context);
  for (const route of plainRoutes(context)) bindRoute(app, context, route, route.handle);
  bindUnknown(app, context);
  const socket = await new Promise<us_listen_socket | false>((resolve) => {
    // Without the exclusive flag two servers would share the port, each getting some of the requests.
    (app.listen as unknown as ExclusiveListen).call(app, host, port, exclusivePort, resolve);
  });
  if (socket === false) {
    app.close();
    throw new MillraceError(
      'STARTUP_FAILED',
      `cannot listen on ${host}:${port}: the port is in use, or the address is not one of this machine; choose another`,
    );
  }
  let listening = true;
  return {
    port: uWS.us_socket_local_port(socket),
    stopListening() {
      if (listening) uWS.us_listen_socket_close(socket);
      listening = false;
      sockets.drain();
    },
    close: () => {
      listening = false;
      app.close();
    },
  };
}

/** Each endpoint has a route of its own: its name need not be read and looked up in every call. */
function bindPredict(app: TemplatedApp, context: RouteContext): void {
  const bind = (path: string, metrics: RouteMetrics, handlerOf: (req: HttpRequest) => RouteHandler): void => {
    app.post(path, (res, req) => {
      receiveJson(req, new Exchange(res, context.state, metrics, false), handlerOf(req));
    });
  };
  for (const name of context.endpointNames) {
    const handler = predictHandler(context, name);
    const metrics = createRouteMetrics(context.metrics, predictRoute.name, name);
    bind(predictRoute.path.replace(':endpoint', name), metrics, () => handler);
  }
  // Names that are not in the project share one child of the metrics: a caller must not be able to make more.
  const unknownMetrics = createRouteMetrics(context.metrics, predictRoute.name, '');
  bind(predictRoute.path, unknownMetrics, (req) => predictHandler(context, req.getParameter(0)));
  bindOtherMethods(app, context, predictRoute, unknownMetrics);
}

function bindRoute(app: TemplatedApp, context: RouteContext, route: Route, handler: RouteHandler): void {
  const metrics = createRouteMetrics(context.metrics, route.name, '');
  if (route.method === 'post') {
    app.post(route.path, (res, req) =>
      receiveJson(req, new Exchange(res, context.state, metrics, false), handler),
    );
  } else {
    app.get(route.path, (res) => new Exchange(res, context.state, metrics, false).handle(handler));
    app.head(route.path, (res) => new Exchange(res, context.state, metrics, true).handle(handler));
  }
  bindOtherMethods(app, context, route, metrics);
}

/** A path that exists, called with a method that it does not have. */
function bindOtherMethods(
  app: TemplatedApp,
  context: RouteContext,
  route: Route,
  metrics: RouteMetrics,
): void {
  const allow = route.method.toUpperCase();
  app.any(route.path, (res, req) => {
    const method = req.getMethod().toUpperCase();
    const error = new MillraceError('METHOD_NOT_ALLOWED', `${method} is not allowed here; use ${allow}.`);
    refuse(res, req, context, metrics, error, allow);
  });
}

/** A call of the WebSocket path that asks for no WebSocket. */
function bindPlainCall(app: TemplatedApp, context: RouteContext): void {
  const metrics = createRouteMetrics(context.metrics, webSocketRoute.name, '');
  app.any(webSocketRoute.path, (res, req) => {
    const sentence = `${webSocketRoute.path} takes WebSocket connections only.`;
    refuse(res, req, context, metrics, new MillraceError('UPGRADE_REQUIRED', sentence));
  });
}

function bindUnknown(app: TemplatedApp, context: RouteContext): void {
  const metrics = createRouteMetrics(context.metrics, 'unknown', '');
  app.any('/*', (res, req) => {
    const call = `${req.getMethod().toUpperCase()} ${shortName(req.getUrl())}`;
    refuse(res, req, context, metrics, new MillraceError('UNKNOWN_ROUTE', `There is no call ${call}.`));
  });
}

/** Answers without reading the body; where there is one, the connection is closed. */
function refuse(
  res: HttpResponse,
  req: HttpRequest,
  context: RouteContext,
  metrics: RouteMetrics,
  error: MillraceError,
  allow?: string,
): void {
  const hasBody = req.getHeader('content-length') !== '' || req.getHeader('transfer-encoding') !== '';
  const exchange = new Exchange(res, context.state, metrics, req.getMethod() === 'head');
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
