/**
 * The calls that change what is served while it is served: the model repository extension of the Open Inference Protocol,
 * and the reload of the project file. They answer when the next request is answered by what was asked for.
 */
import type { Exchange } from './exchange.ts';
import type { Change } from './lifecycle.ts';
import type { RouteContext } from './route-context.ts';
import { servingOf } from './route-context.ts';
import type { Route } from './route.ts';

export function lifecycleRoutes(context: RouteContext): readonly Route[] {
  const change = async (exchange: Exchange, wanted: Change): Promise<void> => {
    servingOf(context);
    await context.change(wanted);
    exchange.reply('{}');
  };
  return [
    changing('/v2/repository/models/:model/load', 'model-load', async (exchange, _body, { params }) =>
      change(exchange, { kind: 'load', model: params[0] ?? '' }),
    ),
    changing('/v2/repository/models/:model/unload', 'model-unload', async (exchange, _body, { params }) =>
      change(exchange, { kind: 'unload', model: params[0] ?? '' }),
    ),
    changing('/v1/project/reload', 'project-reload', async (exchange) =>
      change(exchange, { kind: 'reload' }),
    ),
  ];
}

/** Clients send an empty body, or one with options of other servers, none of which mean anything here. */
function changing(path: string, name: string, handle: Route['handle']): Route {
  return { method: 'post', path, name, scopes: ['models:write'], body: 'any', isChange: true, handle };
}
