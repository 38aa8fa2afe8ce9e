/** All calls of a server, as the transport binds them, of a server that is not there. */
import { openToAll } from '../../src/access/access.ts';
import { createCallerReader } from '../../src/server/caller-headers.ts';
import { createPageGuard } from '../../src/server/page-guard.ts';
import { createReadiness } from '../../src/server/readiness.ts';
import type { RouteContext } from '../../src/server/route-context.ts';
import { plainRoutes, predictRoute } from '../../src/server/routes.ts';
import type { Route } from '../../src/server/route.ts';
import { ServerState } from '../../src/server/server-state.ts';
import type { Project } from '../../src/project/project.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';

export function routeTable({ limits }: Project): readonly Route[] {
  const metrics = createMetrics();
  const state = new ServerState(limits, createLog('silent'));
  const context: RouteContext = {
    state,
    metrics,
    version: '0',
    access: openToAll,
    cors: undefined,
    pages: createPageGuard({ access: openToAll, cors: undefined, isInsecure: false }),
    audit: { record: () => undefined, close: async () => undefined },
    readiness: createReadiness(state, () => undefined),
    observer: undefined,
    readCaller: createCallerReader(undefined),
    change: async () => undefined,
    unloadedModels: () => new Set(),
    serving: undefined,
    intake: undefined,
    feedback: undefined,
  };
  state.close();
  metrics.close();
  return [predictRoute(context), ...plainRoutes(context)];
}
