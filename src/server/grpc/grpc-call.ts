/**
 * One gRPC call as the rest of the server sees it: admitted, counted, held to the limits, and part of the definition
 * that answers it.
 */
import type { ServerUnaryCall, UntypedHandleCall, sendUnaryData } from '@grpc/grpc-js';
import { authorize } from '../../access/access.ts';
import type { Principal } from '../../access/access.ts';
import type { RouteScopes } from '../../access/scope.ts';
import { overloaded } from '../../serving/overloaded.ts';
import { createAuditedCall } from '../audited-call.ts';
import { toKnownError } from '../error-reply.ts';
import { credentialFrom, principalOf } from '../gate.ts';
import type { RouteContext } from '../route-context.ts';
import { createRouteMetrics } from '../route-metrics.ts';
import type { RouteMetrics } from '../route-metrics.ts';
import { callFailure } from './call-failure.ts';

export interface GrpcRoute<Request, Response> {
  /** Label in metrics. */
  readonly name: string;
  readonly scopes: RouteScopes;
  /** As of a route over HTTP. */
  readonly isChange?: boolean;
  /** What is changed, for the audit log; undefined = nothing. */
  readonly target?: (request: Request) => string;
  readonly answer: (request: Request, caller: GrpcCaller) => Response | Promise<Response>;
}

export interface GrpcCaller {
  /** Whether the caller has hung up, or its own time is over. */
  readonly isGone: () => boolean;
  /** Milliseconds that the caller waits; undefined = it does not say. */
  readonly timeoutMs: number | undefined;
}

export function grpcHandler<Request, Response>(
  context: RouteContext,
  route: GrpcRoute<Request, Response>,
): UntypedHandleCall {
  const metrics = createRouteMetrics(context.metrics, route.name, '');
  return (call: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>): void => {
    void serve(context, route, metrics, call, callback);
  };
}

/** Answers once, whatever happens. */
async function serve<Request, Response>(
  context: RouteContext,
  route: GrpcRoute<Request, Response>,
  metrics: RouteMetrics,
  call: ServerUnaryCall<Request, Response>,
  callback: sendUnaryData<Response>,
): Promise<void> {
  const { state } = context;
  const startedMs = performance.now();
  const requestId = state.nextRequestId();
  const audited = route.target && createAuditedCall(context.audit, route.name);
  let principal: Principal | undefined;
  let status = 200;
  state.open++;
  // Health must be told also when the server is busy.
  const isLimited = route.scopes !== 'anyone';
  const isGuarded = isLimited && !context.access.isOpen;
  const isFull = isLimited && state.isFull;
  if (isLimited) state.answeringCalls++;
  try {
    if (isFull) throw overloaded();
    if (isGuarded) principal = await callerOf(context, call);
    if (isGuarded) authorize(context.access, principal, route.scopes);
    audited?.note({ target: route.target?.(call.request) ?? '' });
    callback(null, await answer(context, route, call));
  } catch (error) {
    const known = toKnownError(error, state.log, requestId, route.name);
    status = known.status;
    audited?.note({ code: known.code });
    callback(callFailure(known, requestId));
  } finally {
    if (isLimited) state.answeringCalls--;
    state.closeOne();
    // As over HTTP: whoever shows no key must not fill the log.
    if (context.access.isOpen || principal !== undefined) audited?.ended(requestId, principal, status);
    metrics.count(call.cancelled ? 0 : status, (performance.now() - startedMs) / 1000);
  }
}

async function answer<Request, Response>(
  context: RouteContext,
  { isChange = false, answer: make }: GrpcRoute<Request, Response>,
  call: ServerUnaryCall<Request, Response>,
): Promise<Response> {
  const caller = { isGone: () => call.cancelled, timeoutMs: timeLeftMs(call) };
  if (isChange) return make(call.request, caller);
  const { generation } = context.state;
  generation.enter();
  try {
    return await make(call.request, caller);
  } finally {
    generation.leave();
  }
}

/** Undefined = no key was shown. */
async function callerOf(
  { access }: RouteContext,
  { metadata }: ServerUnaryCall<unknown, unknown>,
): Promise<Principal | undefined> {
  const header = (name: string): string => String(metadata.get(name)[0] ?? '');
  const credential = credentialFrom(header('authorization'), header('x-api-key'));
  return principalOf(access, credential);
}

function timeLeftMs(call: ServerUnaryCall<unknown, unknown>): number | undefined {
  const deadline = call.getDeadline();
  const atMs = deadline instanceof Date ? deadline.getTime() : deadline;
  return Number.isFinite(atMs) ? Math.max(0, atMs - Date.now()) : undefined;
}
