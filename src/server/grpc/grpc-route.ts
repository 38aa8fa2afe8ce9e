/** The calls of the gRPC service, as the table of them says. */
import type { RouteScopes } from '../../access/scope.ts';
import type { RequestSpan } from '../../telemetry/tracing.ts';

export interface GrpcRoute<Request = unknown> {
  /** Label in metrics. */
  readonly name: string;
  readonly scopes: RouteScopes;
  /** As of a route over HTTP. */
  readonly isChange?: boolean;
  /** What is changed, for the audit log; undefined = nothing. */
  target?(request: Request): string;
  answer(request: Request, caller: GrpcCaller): object | Promise<object>;
}

export interface GrpcCaller {
  /** Whether the caller has hung up, or its own time is over. */
  readonly isGone: () => boolean;
  /** Milliseconds that the caller waits; undefined = it does not say. */
  readonly timeoutMs: number | undefined;
  /** Undefined = none is recorded. */
  readonly span: RequestSpan | undefined;
  /** It is going to be answered by this model. */
  readonly answeredBy: (model: AnsweringModel) => void;
}

export interface AnsweringModel {
  readonly name: string;
  readonly version: string;
}
