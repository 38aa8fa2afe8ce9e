/**
 * One HTTP exchange: collects the body within its limits, hands it to the route, and replies exactly once. It owns
 * the uWebSockets.js response, which must not be touched after the caller has hung up or been answered.
 */
import type { HttpResponse } from 'uWebSockets.js';
import type { Principal } from '../access/access.ts';
import type { Scope } from '../access/scope.ts';
import { MillraceError } from '../errors.ts';
import { overloaded } from '../serving/overloaded.ts';
import type { Answer } from '../serving/answer.ts';
import type { Caller } from '../serving/caller.ts';
import { jsonText } from '../project/json-text.ts';
import type { PredictionSink } from '../serving/prediction.ts';
import type { RequestSpan } from '../telemetry/tracing.ts';
import type { AuditedCall } from './audited-call.ts';
import type { DeadlineEntry, DeadlineQueue } from './deadline-queue.ts';
import { bodyTooLarge, deadlineExceeded, errorBody, retryAfterMsOf, toKnownError } from './error-reply.ts';
import type { Generation } from './generation.ts';
import type { Observation } from './observer.ts';
import { ARRIVING_BYTES_MAX } from './server-state.ts';
import type { ServerState } from './server-state.ts';
import type { RouteMetrics } from './route-metrics.ts';

/** What a route does once the body is complete. It replies through the exchange, now or later. */
export type RouteHandler = (exchange: Exchange, body: Buffer) => void | Promise<void>;

const statusLines = new Map<number, string>(
  Object.entries({
    200: 'OK',
    202: 'Accepted',
    204: 'No Content',
    304: 'Not Modified',
    400: 'Bad Request',
    401: 'Unauthorized',
    403: 'Forbidden',
    404: 'Not Found',
    405: 'Method Not Allowed',
    408: 'Request Timeout',
    409: 'Conflict',
    413: 'Content Too Large',
    415: 'Unsupported Media Type',
    422: 'Unprocessable Content',
    426: 'Upgrade Required',
    429: 'Too Many Requests',
    500: 'Internal Server Error',
    501: 'Not Implemented',
    503: 'Service Unavailable',
    504: 'Gateway Timeout',
  }).map(([status, text]) => [Number(status), `${status} ${text}`]),
);
const JSON_TYPE = 'application/json';
/** Longer answers, in characters or bytes, are handed over piece by piece, as fast as the caller reads. */
const WHOLE_ANSWER_LENGTH_MAX = 65_536;
const FIRST_BODY_BYTES = 16_384;
const emptyBody: Buffer = Buffer.alloc(0);

interface ReplyHead {
  readonly status: number;
  readonly contentType: string;
  readonly allow?: string | undefined;
  readonly retryAfterMs?: number | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

export class Exchange implements DeadlineEntry, PredictionSink {
  enteredMs = 0;
  previous: DeadlineEntry | undefined = undefined;
  next: DeadlineEntry | undefined = undefined;
  queue: DeadlineQueue | undefined = undefined;

  readonly requestId: string;
  caller: Caller | undefined = undefined;
  onUnanswered: (() => void) | undefined = undefined;
  /** Who calls; undefined = the server is open, or the call is for everybody. */
  principal: Principal | undefined = undefined;
  /** The server is open: everybody may do everything. */
  isUnrestricted = false;
  /** What the audit log is to say of the call; undefined = nothing. */
  audited: AuditedCall | undefined = undefined;
  /** For a page of another origin. */
  corsHeaders: Readonly<Record<string, string>> | undefined = undefined;
  /** Answered, or given up by the caller. */
  isDone = false;
  /** Whether the answer has no deadline, because it changes by what other requests are answered. */
  isChange = false;
  /** Undefined = there is no observer. */
  observation: Observation | undefined = undefined;
  readonly metrics: RouteMetrics;
  private readonly res: HttpResponse;
  private readonly state: ServerState;
  /** HEAD: the answer is told, but not sent. */
  private readonly isHead: boolean;
  private readonly startedMs: number;
  private kept: Buffer = emptyBody;
  private bytes = 0;
  private bodyComplete = false;
  private isOpen = true;
  /** Undefined while the body arrives, and when it is answered. */
  private generation: Generation | undefined;

  constructor(res: HttpResponse, state: ServerState, metrics: RouteMetrics, isHead: boolean) {
    this.res = res;
    this.state = state;
    this.metrics = metrics;
    this.isHead = isHead;
    this.requestId = state.nextRequestId();
    this.startedMs = performance.now();
    state.open++;
    res.onAborted(() => this.abort());
  }

  get span(): RequestSpan | undefined {
    return this.observation?.span;
  }

  /** Whether who calls may do this too. */
  allows(scope: Scope): boolean {
    return this.isUnrestricted || this.principal?.allows(scope) === true;
  }

  get seesProtected(): boolean {
    return this.allows('features:protected');
  }

  /** Collects the body, then calls the route. */
  receive(handler: RouteHandler, contentLength: string): void {
    const { arriving, limits } = this.state;
    if (Number(contentLength) > limits.bodyBytesMax) return this.refuseBody();
    if (arriving.size >= limits.inFlightMax) return this.fail(overloaded());
    arriving.enter(this);
    this.res.onData((chunk, isLast) => {
      if (this.isDone) return;
      if (this.bytes + chunk.byteLength > limits.bodyBytesMax) return this.refuseBody();
      if (!isLast) return this.keepChunk(chunk);
      if (this.observation !== undefined) this.observation.bytesIn = this.bytes + chunk.byteLength;
      const body = this.wholeBody(chunk);
      this.forgetBody();
      arriving.leave(this);
      this.bodyComplete = true;
      if (this.state.isFull) return this.fail(overloaded());
      this.run(handler, body);
    });
  }

  /** Calls the route of a call without a body, also when the server is busy: health must be told then too. */
  handle(handler: RouteHandler): void {
    this.bodyComplete = true;
    this.run(handler, emptyBody);
  }

  /** The deadline has passed: of the body, or of the answer. */
  expire(): void {
    const { bodyTimeoutMs, timeoutMs } = this.state.limits;
    if (!this.isDone) this.onUnanswered?.();
    this.fail(
      this.bodyComplete
        ? deadlineExceeded(timeoutMs)
        : new MillraceError('REQUEST_TIMEOUT', `The body did not arrive within ${bodyTimeoutMs} ms.`),
    );
  }

  answer(answer: Answer): void {
    if (this.isDone) return;
    this.observation?.answered(answer);
    this.reply(answer.plan.jsonAnswer(answer, this.requestId, ''));
  }

  /** Answers 200 with JSON text. */
  reply(json: string): void {
    this.send(200, JSON_TYPE, json);
  }

  /** @param headers besides those that every answer has, their names in lower case */
  send(
    status: number,
    contentType: string,
    body: string | Uint8Array,
    headers?: Readonly<Record<string, string>>,
  ): void {
    if (!this.isDone) this.write({ status, contentType, headers }, body);
  }

  /** Answers with the error's status and the error body that every call has. */
  fail(error: unknown, allow?: string): void {
    if (this.isDone) return;
    const known = toKnownError(error, this.state.log, this.requestId, this.metrics.route, this.span?.ids);
    if (this.observation !== undefined) this.observation.error = known.code;
    const body = jsonText(errorBody(known, this.requestId));
    const { status } = known;
    this.audited?.note({ code: known.code });
    this.write({ status, contentType: JSON_TYPE, allow, retryAfterMs: retryAfterMsOf(known) }, body);
  }

  private run(handler: RouteHandler, body: Buffer): void {
    if (!this.isChange) this.enter();
    try {
      const pending = handler(this, body);
      if (pending !== undefined) pending.catch((error: unknown) => this.fail(error));
    } catch (error) {
      this.fail(error);
    }
  }

  private enter(): void {
    this.generation = this.state.generation;
    this.generation.enter();
    this.state.answering.enter(this);
  }

  /** The one place that answers. */
  private write(head: ReplyHead, body: string | Uint8Array): void {
    const { res } = this;
    const closes = this.closesConnection;
    if (this.observation !== undefined) this.observation.bytesOut = Buffer.byteLength(body);
    const isLong = body.length > WHOLE_ANSWER_LENGTH_MAX && !this.isHead;
    res.cork(() => {
      this.writeHead(head, body);
      if (isLong) this.sendPieces(typeof body === 'string' ? Buffer.from(body) : body);
      else if (this.isHead) this.endHead(Buffer.byteLength(body), closes);
      else res.end(body, closes);
    });
    this.finish(head.status);
    if (!isLong) this.close();
  }

  private writeHead(head: ReplyHead, body: string | Uint8Array): void {
    const { status, contentType, allow, retryAfterMs, headers } = head;
    const { res } = this;
    // uWebSockets.js writes 200 by itself.
    if (status !== 200) res.writeStatus(statusLines.get(status) ?? String(status));
    if (body.length > 0) res.writeHeader('content-type', contentType);
    if (retryAfterMs !== undefined) res.writeHeader('retry-after', String(Math.ceil(retryAfterMs / 1000)));
    if (status === 401) res.writeHeader('www-authenticate', 'Bearer');
    if (status === 426) res.writeHeader('upgrade', 'websocket');
    if (allow !== undefined) res.writeHeader('allow', allow);
    const { span } = this;
    if (span !== undefined) res.writeHeader('traceparent', span.traceparent);
    if (headers !== undefined) this.writeHeaders(headers);
    if (this.corsHeaders !== undefined) this.writeHeaders(this.corsHeaders);
  }

  private writeHeaders(headers: Readonly<Record<string, string>>): void {
    for (const [name, value] of Object.entries(headers)) this.res.writeHeader(name, value);
  }

  /** With a length that is not sent, uWebSockets.js waits for the rest and takes no further request. */
  private endHead(bodyBytes: number, closes: boolean): void {
    if (closes) this.res.endWithoutBody(bodyBytes, true);
    else this.res.endWithoutBody();
  }

  /** The exchange stays open until the last piece is handed over, so that a stopping server waits for it. */
  private sendPieces(body: Uint8Array): void {
    const { res } = this;
    const [, isWhole] = res.tryEnd(body, body.length);
    if (isWhole) return this.close();
    res.onWritable((offset) => {
      const [isTaken, isEnded] = res.tryEnd(body.subarray(offset), body.length);
      if (isEnded) this.close();
      return isTaken;
    });
  }

  /** An unread rest of a body would be taken for the next request; a draining server takes no next request. */
  private get closesConnection(): boolean {
    return !this.bodyComplete || this.state.phase === 'draining';
  }

  private refuseBody(): void {
    this.fail(bodyTooLarge(this.state.limits.bodyBytesMax));
  }

  /** The chunk is only lent until the callback returns, so it is copied, into memory that doubles when it is full. */
  private keepChunk(chunk: ArrayBuffer): void {
    const bytes = this.bytes + chunk.byteLength;
    if (this.state.arrivingBytes + chunk.byteLength > ARRIVING_BYTES_MAX) return this.fail(overloaded());
    this.state.arrivingBytes += chunk.byteLength;
    if (bytes > this.kept.length) {
      const larger = Buffer.allocUnsafe(Math.max(FIRST_BODY_BYTES, 2 * this.kept.length, bytes));
      this.kept.copy(larger, 0, 0, this.bytes);
      this.kept = larger;
    }
    this.kept.set(new Uint8Array(chunk), this.bytes);
    this.bytes = bytes;
  }

  private wholeBody(lastChunk: ArrayBuffer): Buffer {
    if (this.bytes === 0) return Buffer.from(lastChunk);
    return Buffer.concat([this.kept.subarray(0, this.bytes), Buffer.from(lastChunk)]);
  }

  private forgetBody(): void {
    this.state.arrivingBytes -= this.bytes;
    this.bytes = 0;
    this.kept = emptyBody;
  }

  private abort(): void {
    if (!this.isDone) this.onUnanswered?.();
    if (!this.isDone) this.finish(0);
    this.close();
  }

  /** @param status 0 = the caller hung up. */
  private finish(status: number): void {
    this.isDone = true;
    this.forgetBody();
    this.queue?.leave(this);
    this.generation?.leave();
    this.generation = undefined;
    this.metrics.count(status, (performance.now() - this.startedMs) / 1000);
    this.observation?.end(status, this.principal?.id);
    if (this.isUnrestricted || this.principal !== undefined)
      this.audited?.ended(this.requestId, this.principal, status);
  }

  /** The response is sent or gone; it must not be touched any more. */
  private close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.state.closeOne();
  }
}
