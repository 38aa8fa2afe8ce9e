/** Whether the server lives, and whether it is ready for calls. */
import type { Exchange } from './exchange.ts';
import type { RouteContext } from './route-context.ts';
import type { Route } from './route.ts';

export function healthRoutes(context: RouteContext): readonly Route[] {
  return [
    health('/health', 'health', (exchange) => answerReady(exchange, context)),
    health('/v2/health/live', 'live', (exchange) => exchange.reply('{"live":true}')),
    health('/v2/health/ready', 'ready', (exchange) => answerReady(exchange, context)),
  ];
}

function health(path: string, name: string, handle: (exchange: Exchange) => void): Route {
  return { method: 'get', path, name, scopes: 'anyone', body: 'none', handle };
}

function answerReady(exchange: Exchange, { readiness }: RouteContext): void {
  const { reasons, degraded } = readiness.now();
  const isReady = reasons.length === 0;
  const body = {
    ready: isReady,
    ...(isReady ? {} : { reasons }),
    ...(degraded.length === 0 ? {} : { degraded }),
  };
  exchange.send(isReady ? 200 : 503, 'application/json', JSON.stringify(body));
}
