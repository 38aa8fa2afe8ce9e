/** What the calls of a server are answered from. */
import type { Access } from '../access/access.ts';
import type { AuditLog } from '../access/audit-log.ts';
import type { EventIntake } from '../events/intake.ts';
import { MillraceError } from '../errors.ts';
import { shortName } from '../project/problem-list.ts';
import { suggestName } from '../project/suggestion.ts';
import type { ServedEndpoint, Serving } from '../serving/serving.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { CallerReader } from './caller-headers.ts';
import type { Cors } from './cors.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { Observer } from './observer.ts';
import type { PageGuard } from './page-guard.ts';
import type { Readiness } from './readiness.ts';
import type { ServerState } from './server-state.ts';

/** The serving is there once the server is ready. */
export interface RouteContext {
  readonly state: ServerState;
  readonly metrics: Metrics;
  /** Of Millrace. */
  readonly version: string;
  readonly change: Lifecycle['change'];
  readonly unloadedModels: () => ReadonlySet<string>;
  readonly access: Access;
  /** Undefined = pages of other origins may not call. */
  readonly cors: Cors | undefined;
  readonly pages: PageGuard;
  readonly audit: AuditLog;
  readonly readCaller: CallerReader;
  readonly readiness: Readiness;
  /** Undefined = nobody asks for spans or an access log. */
  readonly observer: Observer | undefined;
  serving: Serving | undefined;
  /** Undefined also where the project has no events. */
  intake: EventIntake | undefined;
  /** Undefined also where no predictions are logged. */
  feedback: EventIntake | undefined;
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
