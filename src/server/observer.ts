/**
 * What an operator sees of single requests: their spans and their lines in the access log. A server that is asked for
 * neither has no observer, and its requests look for none.
 */
import type { HttpRequest } from 'uWebSockets.js';
import type { Answer } from '../serving/answer.ts';
import type { AccessLog } from '../telemetry/access-log.ts';
import type { RequestSpan, SpanParent, Tracing } from '../telemetry/tracing.ts';
import type { RouteMetrics } from './route-metrics.ts';

/** What a socket was opened with holds for all requests on it. */
export interface SocketOpening {
  readonly parent: SpanParent | undefined;
  readonly userAgent: string | undefined;
}

export interface ObservedRequest {
  readonly requestId: string;
  readonly metrics: RouteMetrics;
}

export interface Observer {
  /** @param path of the route, as the transport knows it; empty = there is no such route */
  http(req: HttpRequest, request: ObservedRequest, path: string): Observation;
  /**
   * @param header the value of a header of the call; empty = it was not sent
   * @param path `package.Service/Method`
   */
  grpc(header: (name: string) => string, request: ObservedRequest, path: string): Observation;
  opening(req: HttpRequest): SocketOpening;
  message(opening: SocketOpening | undefined, request: ObservedRequest, path: string): Observation;
}

export interface ObserverParts {
  /** Undefined = no SDK is registered. */
  readonly tracing: Tracing | undefined;
  /** Undefined = there is none. */
  readonly accessLog: AccessLog | undefined;
}

const USER_AGENT_LENGTH_MAX = 200;
/**
 * UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE and DATA_LOSS, which the conventions of OpenTelemetry
 * for gRPC call errors of a server.
 */
const grpcServerErrors: ReadonlySet<number> = new Set([2, 4, 12, 13, 14, 15]);

/** @returns undefined = there is nothing to observe for */
export function createObserver({ tracing, accessLog }: ObserverParts): Observer | undefined {
  if (tracing === undefined && accessLog === undefined) return undefined;
  const parentOf = (req: HttpRequest): SpanParent | undefined =>
    tracing?.parent((name) => req.getHeader(name));
  const samples = (): boolean => accessLog?.samples() ?? false;
  return {
    http(req, request, path) {
      const method = req.getMethod().toUpperCase();
      const isSampled = samples();
      const span = tracing?.start(`${method} ${templateOf(path)}`.trim(), parentOf(req) as SpanParent, {
        'http.request.method': method,
        'url.path': req.getUrl(),
        ...(path === '' ? {} : { 'http.route': templateOf(path) }),
        ...attributesOf(request),
      });
      const userAgent = isSampled ? agentOf((name) => req.getHeader(name)) : undefined;
      return new Observation(request, { accessLog, span, method, isSampled, userAgent });
    },
    grpc(header, request, path) {
      const isSampled = samples();
      const [service = '', rpcMethod = ''] = path.split('/');
      const span = tracing?.start(path, tracing.parent(header), {
        'rpc.system': 'grpc',
        'rpc.service': service,
        'rpc.method': rpcMethod,
        ...attributesOf(request),
      });
      const userAgent = isSampled ? agentOf(header) : undefined;
      return new Observation(request, { accessLog, span, method: 'GRPC', isSampled, userAgent });
    },
    opening: (req) => ({
      parent: parentOf(req),
      userAgent: accessLog === undefined ? undefined : agentOf((name) => req.getHeader(name)),
    }),
    message(opening, request, path) {
      const isSampled = samples();
      const parent = opening?.parent;
      const span =
        parent &&
        tracing?.start(`WS ${path}`, parent, {
          'url.path': path,
          'http.route': path,
          'network.protocol.name': 'websocket',
          ...attributesOf(request),
        });
      const userAgent = isSampled ? opening?.userAgent : undefined;
      return new Observation(request, { accessLog, span, method: 'WS', isSampled, userAgent });
    },
  };
}

function agentOf(header: (name: string) => string): string | undefined {
  return header('user-agent').slice(0, USER_AGENT_LENGTH_MAX) || undefined;
}

function attributesOf({ requestId, metrics }: ObservedRequest): Record<string, string> {
  const { endpoint } = metrics;
  return { 'millrace.request_id': requestId, ...(endpoint === '' ? {} : { 'millrace.endpoint': endpoint }) };
}

/** As OpenAPI writes it: `/v1/endpoints/{endpoint}/predict`. */
function templateOf(path: string): string {
  return path.replaceAll(/:(\w+)/g, '{$1}');
}

interface ObservationParts {
  readonly accessLog: AccessLog | undefined;
  readonly span: RequestSpan | undefined;
  readonly method: string;
  readonly isSampled: boolean;
  readonly userAgent: string | undefined;
}

/** Of one request, until it is answered. */
export class Observation {
  readonly span: RequestSpan | undefined;
  bytesIn: number | undefined = undefined;
  bytesOut: number | undefined = undefined;
  /** Code of the error that it is answered with. */
  error: string | undefined = undefined;
  private readonly request: ObservedRequest;
  private readonly parts: ObservationParts;
  private readonly startedMs = performance.now();

  constructor(request: ObservedRequest, parts: ObservationParts) {
    this.request = request;
    this.parts = parts;
    this.span = parts.span;
  }

  /** It is going to be answered with a prediction. */
  answered({ plan, rowCount }: Answer): void {
    if (this.span === undefined) return;
    const { endpoint, model, version, variant } = plan.names;
    this.span.set({
      'millrace.endpoint': endpoint,
      'millrace.model': model,
      'millrace.version': version,
      'millrace.variant': variant,
      'millrace.rows': rowCount,
    });
  }

  /** It is going to be answered by this model. */
  answeredBy({ name, version }: { readonly name: string; readonly version: string }): void {
    this.span?.set({ 'millrace.model': name, 'millrace.version': version });
  }

  /**
   * @param status 0 = the caller hung up
   * @param key of whoever called
   */
  end(status: number, key: string | undefined): void {
    if (status !== 0) this.span?.set({ 'http.response.status_code': status });
    this.span?.end(this.errorType(status));
    this.write(status, key);
  }

  /** @param code of gRPC */
  endGrpc(code: number, status: number, key: string | undefined): void {
    this.span?.set({ 'rpc.grpc.status_code': code });
    this.span?.end(grpcServerErrors.has(code) ? (this.error ?? String(code)) : undefined);
    this.write(status, key);
  }

  private write(status: number, key: string | undefined): void {
    const { accessLog, method, isSampled, userAgent } = this.parts;
    const { requestId, metrics } = this.request;
    accessLog?.write(
      {
        method,
        route: metrics.route,
        endpoint: metrics.endpoint || undefined,
        status,
        duration_ms: Math.round((performance.now() - this.startedMs) * 1000) / 1000,
        request_id: requestId,
        key,
        bytes_in: this.bytesIn,
        bytes_out: this.bytesOut,
        user_agent: userAgent,
        error: this.error,
        ...this.span?.ids,
      },
      isSampled,
    );
  }

  /** What a caller did wrong is no error of the server. */
  private errorType(status: number): string | undefined {
    if (status === 0) return 'aborted';
    return status >= 500 ? (this.error ?? String(status)) : undefined;
  }
}
