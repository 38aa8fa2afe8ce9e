/** The calls of the server. The transport binds them; nothing else knows the paths. */
import { parseStrictJson } from '../project/strict-json.ts';
import { eventRoutes } from './event-routes.ts';
import type { RouteHandler } from './exchange.ts';
import { featureRoutes } from './feature-routes.ts';
import { healthRoutes } from './health-routes.ts';
import { lifecycleRoutes } from './lifecycle-routes.ts';
import { openInferenceRoutes } from './open-inference/routes.ts';
import { openApiRoutes } from './openapi-routes.ts';
import { rolloutRoutes } from './rollout-routes.ts';
import type { RouteContext } from './route-context.ts';
import { endpointNamed, servingOf } from './route-context.ts';
import type { Route } from './route.ts';

/** Of every endpoint; those of the project have a route of their own as well, see `predictHandler`. */
export function predictRoute(context: RouteContext): Route {
  return {
    method: 'post',
    path: '/v1/endpoints/:endpoint/predict',
    name: 'predict',
    scopes: ['predict'],
    body: 'json',
    handle: (exchange, body, { params: [endpoint = ''] }) =>
      predictHandler(context, endpoint)(exchange, body),
  };
}

/** All but those of predictions and WebSockets. */
export function plainRoutes(context: RouteContext): readonly Route[] {
  const table: readonly Route[] = [
    ...featureRoutes(context),
    ...eventRoutes(context),
    ...rolloutRoutes(context),
    ...lifecycleRoutes(context),
    ...openInferenceRoutes(context),
    ...healthRoutes(context),
    {
      method: 'get',
      path: '/metrics',
      name: 'metrics',
      scopes: ['metrics:read'],
      body: 'none',
      handle: metricsHandler(context),
    },
    ...openApiRoutes(context, () => [predictRoute(context), ...table]),
  ];
  return table;
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

function metricsHandler(context: RouteContext): RouteHandler {
  return async (exchange) => {
    // A turn for each: a caller who sends thousands at once would else have them all rendered before anybody's turn.
    await new Promise((resolve) => setImmediate(resolve));
    if (exchange.isDone) return;
    exchange.send(200, context.metrics.contentType, await context.metrics.render());
  };
}
