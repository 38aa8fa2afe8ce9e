/** Answers a call whose message is there, by the definition that is served when it is. */
import type { ServerUnaryCall, UntypedHandleCall, sendUnaryData } from '@grpc/grpc-js';
import { overloaded } from '../../serving/overloaded.ts';
import type { RouteContext } from '../route-context.ts';
import type { UndecodedMessage } from './decode-message.ts';
import type { GrpcCaller, GrpcRoute } from './grpc-route.ts';
import type { OpenCall } from './open-call.ts';

type Call = ServerUnaryCall<UndecodedMessage<unknown>, object>;

/** @param called finds the call of some headers */
export function createHandler(
  context: RouteContext,
  route: GrpcRoute,
  called: (metadata: Call['metadata']) => OpenCall,
): UntypedHandleCall {
  return (call: Call, callback: sendUnaryData<object>): void => {
    void serve(context, route, called(call.metadata), call, callback);
  };
}

/** Answers once, whatever happens. */
async function serve(
  context: RouteContext,
  route: GrpcRoute,
  open: OpenCall,
  call: Call,
  callback: sendUnaryData<object>,
): Promise<void> {
  const { state } = context;
  // Health must be told also when the server is busy.
  const isLimited = route.scopes !== 'anyone';
  const isFull = isLimited && state.isFull;
  if (isLimited) state.answeringCalls++;
  try {
    if (isFull) throw overloaded();
    const request = call.request();
    open.noteTarget(route.target?.(request));
    callback(null, await answer(context, route, request, callerOf(call, open)));
  } catch (error) {
    callback(open.failure(error));
  } finally {
    if (isLimited) state.answeringCalls--;
  }
}

async function answer(
  context: RouteContext,
  route: GrpcRoute,
  request: unknown,
  caller: GrpcCaller,
): Promise<object> {
  if (route.isChange === true) return route.answer(request, caller);
  const { generation } = context.state;
  generation.enter();
  try {
    return await route.answer(request, caller);
  } finally {
    generation.leave();
  }
}

function callerOf(call: Call, { observation }: OpenCall): GrpcCaller {
  return {
    isGone: () => call.cancelled,
    timeoutMs: timeLeftMs(call),
    span: observation?.span,
    answeredBy: (model) => observation?.answeredBy(model),
  };
}

function timeLeftMs(call: Call): number | undefined {
  const deadline = call.getDeadline();
  const atMs = deadline instanceof Date ? deadline.getTime() : deadline;
  return Number.isFinite(atMs) ? Math.max(0, atMs - Date.now()) : undefined;
}
