/** The calls that read and push features, in the form of Feast's feature server. */
import { getOnlineFeatures, decodePush } from '../features/feast.ts';
import { feastText } from '../features/feast-text.ts';
import { parseStrictJson } from '../project/strict-json.ts';
import { servingOf } from './route-context.ts';
import type { RouteContext } from './route-context.ts';
import type { Route } from './route.ts';

export function featureRoutes(context: RouteContext): readonly Route[] {
  return [
    {
      method: 'post',
      path: '/get-online-features',
      name: 'get-online-features',
      scopes: ['features:read'],
      body: 'json',
      handle: featuresHandler(context),
    },
    pushing('push', context),
    pushing('write-to-online-store', context),
  ];
}

function pushing(name: string, context: RouteContext): Route {
  const handle = pushHandler(context);
  return { method: 'post', path: `/${name}`, name, scopes: ['features:write'], body: 'json', handle };
}

function featuresHandler(context: RouteContext): Route['handle'] {
  return async (exchange, body) => {
    const { project, source, clock } = servingOf(context);
    const query = parseStrictJson(body);
    const seesProtected = exchange.allows('features:protected');
    const features = await getOnlineFeatures(project, source, query, clock.nowMs(), seesProtected);
    exchange.reply(feastText(features));
  };
}

function pushHandler(context: RouteContext): Route['handle'] {
  return async (exchange, body) => {
    const { project, store, clock } = servingOf(context);
    const rows = decodePush(project, parseStrictJson(body), clock.nowMs());
    exchange.audited?.note({ target: rows[0]?.view.name ?? '', details: { rows: rows.length } });
    const outcomes = await context.readiness.watch('features', store.write(rows));
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
