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

function answerReady(exchange: Exchange, context: RouteContext): void {
  if (context.state.phase === 'ready') exchange.reply('{"ready":true}');
  else exchange.send(503, 'application/json', '{"ready":false}');
}
