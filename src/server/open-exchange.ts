/** How an exchange begins. */
import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { Exchange } from './exchange.ts';
import type { RouteContext } from './route-context.ts';
import type { RouteMetrics } from './route-metrics.ts';

/** @param path of the route; empty = there is no such route */
export function openExchange(
  res: HttpResponse,
  req: HttpRequest,
  { state, cors, observer }: RouteContext,
  metrics: RouteMetrics,
  path: string,
): Exchange {
  const exchange = new Exchange(res, state, metrics, req.getMethod() === 'head');
  if (cors !== undefined) exchange.corsHeaders = cors.headersFor(req.getHeader('origin'));
  if (observer !== undefined) exchange.observation = observer.http(req, exchange, path);
  return exchange;
}
