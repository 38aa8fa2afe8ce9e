/** One call over gRPC, from its headers to its status: who makes it, and what is counted, logged and traced of it. */
import { status as grpcStatus } from '@grpc/grpc-js';
import type { Metadata, StatusObject } from '@grpc/grpc-js';
import type { Principal } from '../../access/access.ts';
import { createAuditedCall } from '../audited-call.ts';
import type { AuditedCall } from '../audited-call.ts';
import { toKnownError } from '../error-reply.ts';
import { admit } from '../gate.ts';
import type { Observation } from '../observer.ts';
import type { RouteContext } from '../route-context.ts';
import type { RouteMetrics } from '../route-metrics.ts';
import { callFailure } from './call-failure.ts';
import type { GrpcRoute } from './grpc-route.ts';

const OK: number = grpcStatus.OK;
const CANCELLED: number = grpcStatus.CANCELLED;
/** Code -> status as over HTTP; the others tell of a message that is none. */
const refusedByLibrary: ReadonlyMap<number, number> = new Map([
  [CANCELLED, 0],
  [grpcStatus.DEADLINE_EXCEEDED, 504],
  [grpcStatus.RESOURCE_EXHAUSTED, 413],
]);

/** A route with what is counted of it. */
export interface CountedRoute {
  readonly route: GrpcRoute;
  readonly metrics: RouteMetrics;
  /** `package.Service/Method` */
  readonly path: string;
}

export class OpenCall {
  readonly requestId: string;
  readonly metrics: RouteMetrics;
  readonly observation: Observation | undefined;
  principal: Principal | undefined = undefined;
  isUnrestricted = false;
  private readonly context: RouteContext;
  private readonly route: GrpcRoute;
  private readonly metadata: Metadata;
  private readonly audited: AuditedCall | undefined;
  private readonly startedMs = performance.now();
  /** As over HTTP. */
  private status = 200;
  private isOver = false;

  constructor(context: RouteContext, { route, metrics, path }: CountedRoute, metadata: Metadata) {
    this.context = context;
    this.route = route;
    this.metadata = metadata;
    this.metrics = metrics;
    this.requestId = context.state.nextRequestId();
    this.audited = route.target && createAuditedCall(context.audit, route.name);
    this.observation = context.observer?.grpc((name) => this.header(name), this, path);
    context.state.open++;
  }

  /** False = anyone may make it, also where keys are asked for. */
  get needsKey(): boolean {
    return this.route.scopes !== 'anyone';
  }

  /**
   * Lets it in, or not, before its message is received.
   * @throws MillraceError at once, or where a token has to be verified first, later
   */
  admit(): Promise<void> | undefined {
    const headers = { getHeader: (name: string) => this.header(name) };
    const found = admit(this.context.access, headers, this, this.route.scopes);
    if (found instanceof Error) throw found;
    return found;
  }

  noteTarget(target: string | undefined): void {
    this.audited?.note({ target: target ?? '' });
  }

  /** What a caller is told that is not answered. */
  failure(error: unknown): StatusObject {
    const { state } = this.context;
    const { observation } = this;
    const known = toKnownError(error, state.log, this.requestId, this.route.name, observation?.span?.ids);
    this.status = known.status;
    this.audited?.note({ code: known.code });
    if (observation !== undefined) observation.error = known.code;
    return callFailure(known, this.requestId, observation?.span?.traceparent);
  }

  /** @param code of gRPC: what it is answered with, or CANCELLED where the caller hung up; only the first one counts */
  end(code: number): void {
    if (this.isOver) return;
    this.isOver = true;
    const status = this.statusOf(code);
    this.context.state.closeOne();
    this.metrics.count(status, (performance.now() - this.startedMs) / 1000);
    this.observation?.endGrpc(code, status, this.principal?.id);
    // As over HTTP: whoever shows no key must not fill the log.
    if (this.isUnrestricted || this.principal !== undefined)
      this.audited?.ended(this.requestId, this.principal, status);
  }

  /** What the library refuses by itself, such as a message that is too long, has a code and no error of ours. */
  private statusOf(code: number): number {
    if (code === OK || (this.status !== 200 && code !== CANCELLED)) return this.status;
    return refusedByLibrary.get(code) ?? 400;
  }

  /** Empty = it was not sent. */
  private header(name: string): string {
    return String(this.metadata.get(name)[0] ?? '');
  }
}
