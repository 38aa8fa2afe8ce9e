/** The calls of the server: method, path and what each does. The transport binds them; nothing else knows the paths. */
import { getOnlineFeatures, decodePush } from '../features/feast.ts';
import { feastText } from '../features/feast-text.ts';
import type { EventIntake } from '../events/intake.ts';
import { MillraceError } from '../errors.ts';
import { jsonText } from '../project/json-text.ts';
import { shortName } from '../project/problem-list.ts';
import { suggestName } from '../project/suggestion.ts';
import { rolloutOverview } from '../serving/rollout-status.ts';
import type { ServedEndpoint, Serving } from '../serving/serving.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { CallerReader } from './caller-headers.ts';
import type { Exchange, RouteHandler } from './exchange.ts';
import type { ServerState } from './server-state.ts';
import { parseStrictJson } from '../project/strict-json.ts';

export interface Route {
  readonly method: 'get' | 'post';
  /** In uWebSockets.js's form: `:name` is a parameter. */
  readonly path: string;
  /** Label in metrics. */
  readonly name: string;
}

/** What the routes serve from; the serving is there once the server is ready. */
export interface RouteContext {
  readonly state: ServerState;
  readonly metrics: Metrics;
  readonly endpointNames: readonly string[];
  readonly readCaller: CallerReader;
  serving: Serving | undefined;
  /** Undefined also where the project has no events. */
  intake: EventIntake | undefined;
  /** Undefined also where no predictions are logged. */
  feedback: EventIntake | undefined;
}

export const predictRoute: Route = {
  method: 'post',
  path: '/v1/endpoints/:endpoint/predict',
  name: 'predict',
};

/** Routes other than predict, which binds its endpoint as well. */
export function plainRoutes(context: RouteContext): readonly (Route & { readonly handle: RouteHandler })[] {
  return [
    {
      method: 'post',
      path: '/get-online-features',
      name: 'get-online-features',
      handle: featuresHandler(context),
    },
    { method: 'post', path: '/push', name: 'push', handle: pushHandler(context) },
    {
      method: 'post',
      path: '/write-to-online-store',
      name: 'write-to-online-store',
      handle: pushHandler(context),
    },
    {
      method: 'get',
      path: '/v1/rollouts',
      name: 'rollouts',
      handle: (exchange) => exchange.reply(jsonText(rolloutOverview(servingOf(context)))),
    },
    { method: 'get', path: '/metrics', name: 'metrics', handle: metricsHandler(context) },
    { method: 'get', path: '/health', name: 'health', handle: (exchange) => answerReady(exchange, context) },
    {
      method: 'get',
      path: '/v2/health/live',
      name: 'live',
      handle: (exchange) => exchange.reply('{"live":true}'),
    },
    {
      method: 'get',
      path: '/v2/health/ready',
      name: 'ready',
      handle: (exchange) => answerReady(exchange, context),
    },
  ];
}

/** Answers a predict call of one endpoint. */
export function predictHandler(context: RouteContext, endpointName: string): RouteHandler {
  return (exchange, body) => {
    const endpoint = endpointNamed(context, endpointName);
    const refusal = servingOf(context).refusal();
    if (refusal !== undefined) return exchange.fail(refusal);
    const request = endpoint.read(body) ?? endpoint.decode(parseStrictJson(body));
    endpoint.predict(request, exchange);
  };
}

function featuresHandler(context: RouteContext): RouteHandler {
  return async (exchange, body) => {
    const { project, source, clock } = servingOf(context);
    const features = await getOnlineFeatures(project, source, parseStrictJson(body), clock.nowMs());
    exchange.reply(feastText(features));
  };
}

function pushHandler(context: RouteContext): RouteHandler {
  return async (exchange, body) => {
    const { project, store, clock } = servingOf(context);
    const rows = decodePush(project, parseStrictJson(body), clock.nowMs());
    const outcomes = await store.write(rows);
    outcomes.forEach((outcome, i) => {
      const view = rows[i]?.view.name ?? '';
      context.metrics
        .counter('millrace_pushed_rows_total', 'Pushed rows: written, or older than what is stored.', {
          view,
          outcome,
        })
        .add(1);
    });
    exchange.send(200, 'application/json', '');
  };
}

function metricsHandler(context: RouteContext): RouteHandler {
  return async (exchange) => {
    // A turn for each: a caller who sends thousands at once would else have them all rendered before anybody's turn.
    await new Promise((resolve) => setImmediate(resolve));
    if (exchange.isDone) return;
    exchange.send(200, context.metrics.contentType, await context.metrics.render());
  };
}

function answerReady(exchange: Exchange, context: RouteContext): void {
  if (context.state.phase === 'ready') exchange.reply('{"ready":true}');
  else exchange.send(503, 'application/json', '{"ready":false}');
}

/** @throws MillraceError NOT_READY */
export function servingOf(context: RouteContext): Serving {
  if (context.serving !== undefined) return context.serving;
  throw new MillraceError('NOT_READY', 'The server is still loading models; ask /v2/health/ready.');
}

/** @throws MillraceError NOT_READY, UNKNOWN_ENDPOINT */
export function endpointNamed(context: RouteContext, name: string): ServedEndpoint {
  const { endpoints } = servingOf(context);
  const endpoint = endpoints.get(name);
  if (endpoint !== undefined) return endpoint;
  const hint = suggestName(name, endpoints.keys(), 'endpoints');
  throw new MillraceError('UNKNOWN_ENDPOINT', `There is no endpoint "${shortName(name)}"; ${hint}`);
}
