/**
 * One HTTP exchange: collects the body within its limits, hands it to the route, and replies exactly once. It owns
 * the uWebSockets.js response, which must not be touched after the caller has hung up or been answered.
 */
import type { HttpResponse } from 'uWebSockets.js';
import { MillraceError, errorCatalogue } from '../errors.ts';
import { jsonText } from '../serving/json-text.ts';
import type { PredictionSink } from '../serving/prediction.ts';
import type { DeadlineEntry, DeadlineQueue } from './deadline-queue.ts';
import type { ServerState } from './server-state.ts';
import type { RouteMetrics } from './route-metrics.ts';

/** What a route does once the body is complete. It replies through the exchange, now or later. */
export type RouteHandler = (exchange: Exchange, body: Buffer) => void | Promise<void>;

const statusLines = new Map<number, string>(
  Object.entries({
    200: 'OK',
    400: 'Bad Request',
    404: 'Not Found',
    405: 'Method Not Allowed',
    408: 'Request Timeout',
    413: 'Content Too Large',
    415: 'Unsupported Media Type',
    429: 'Too Many Requests',
    500: 'Internal Server Error',
    503: 'Service Unavailable',
    504: 'Gateway Timeout',
  }).map(([status, text]) => [Number(status), `${status} ${text}`]),
);
const RETRY_AFTER_SECONDS = '1';
const emptyBody: Buffer = Buffer.alloc(0);

export class Exchange implements DeadlineEntry, PredictionSink {
  enteredMs = 0;
  previous: DeadlineEntry | undefined = undefined;
  next: DeadlineEntry | undefined = undefined;
  queue: DeadlineQueue | undefined = undefined;

  readonly requestId: string;
  private readonly res: HttpResponse;
  private readonly state: ServerState;
  private readonly metrics: RouteMetrics;
  private readonly startedMs: number;
  private chunks: Buffer[] | undefined = undefined;
  private bytes = 0;
  private bodyComplete = false;
  private done = false;

  constructor(res: HttpResponse, state: ServerState, metrics: RouteMetrics) {
    this.res = res;
    this.state = state;
    this.metrics = metrics;
    this.requestId = state.nextRequestId();
    this.startedMs = performance.now();
    state.open++;
    res.onAborted(() => this.abort());
  }

  /** Collects the body, then calls the route. */
  receive(handler: RouteHandler, contentLength: string): void {
    if (Number(contentLength) > this.state.limits.bodyBytesMax) return this.refuseBody();
    this.state.arriving.enter(this);
    this.res.onData((chunk, isLast) => {
      if (this.done) return;
      this.bytes += chunk.byteLength;
      if (this.bytes > this.state.limits.bodyBytesMax) return this.refuseBody();
      if (!isLast) return this.keepChunk(chunk);
      this.state.arriving.leave(this);
      this.handle(handler, this.wholeBody(chunk));
    });
  }

  /** Calls the route of a call without a body. */
  handle(handler: RouteHandler, body: Buffer = emptyBody): void {
    this.bodyComplete = true;
    if (this.state.answering.size >= this.state.limits.inFlightMax) {
      return this.fail(
        new MillraceError('OVERLOADED', 'Too many requests are waiting for an answer; retry later.'),
      );
    }
    this.state.answering.enter(this);
    try {
      const pending = handler(this, body);
      if (pending !== undefined) pending.catch((error: unknown) => this.fail(error));
    } catch (error) {
      this.fail(error);
    }
  }

  /** The deadline has passed: of the body, or of the answer. */
  expire(): void {
    const { limits } = this.state;
    if (this.bodyComplete) {
      this.fail(
        new MillraceError('DEADLINE_EXCEEDED', `The answer took longer than ${limits.timeoutMs} ms.`),
      );
    } else {
      this.fail(
        new MillraceError('REQUEST_TIMEOUT', `The body did not arrive within ${limits.bodyTimeoutMs} ms.`),
      );
    }
  }

  /** Answers 200 with JSON text. */
  reply(json: string): void {
    this.send(200, 'application/json', json);
  }

  send(status: number, contentType: string, body: string): void {
    if (this.done) return;
    const res = this.res;
    res.cork(() => {
      res.writeStatus(statusLines.get(status) ?? String(status));
      if (body !== '') res.writeHeader('content-type', contentType);
      res.end(body, this.closesConnection);
    });
    this.finish(status);
  }

  /** Answers with the error's status and the error body that every call has. */
  fail(error: unknown, allow?: string): void {
    if (this.done) return;
    const known = this.knownError(error);
    const body = jsonText({
      error: known.message,
      code: known.code,
      request_id: this.requestId,
      ...(known.details === undefined ? {} : { details: known.details.map((detail) => ({ ...detail })) }),
    });
    const res = this.res;
    res.cork(() => {
      res.writeStatus(statusLines.get(known.status) ?? String(known.status));
      res.writeHeader('content-type', 'application/json');
      if (known.status === 429 || known.status === 503) res.writeHeader('retry-after', RETRY_AFTER_SECONDS);
      if (allow !== undefined) res.writeHeader('allow', allow);
      res.end(body, this.closesConnection);
    });
    this.finish(known.status);
  }

  /** An unread rest of a body would be taken for the next request; a draining server takes no next request. */
  private get closesConnection(): boolean {
    return !this.bodyComplete || this.state.phase === 'draining';
  }

  private knownError(error: unknown): MillraceError {
    if (error instanceof MillraceError) {
      if (error.status >= 500) this.log('error', error);
      return error;
    }
    this.log('error', error);
    return new MillraceError('INTERNAL', errorCatalogue.INTERNAL.meaning, { cause: error });
  }

  private log(level: 'error', error: unknown): void {
    this.state.log[level](
      { err: error, request_id: this.requestId, route: this.metrics.route },
      'request failed',
    );
  }

  private refuseBody(): void {
    this.fail(
      new MillraceError('BODY_TOO_LARGE', `The body is larger than ${this.state.limits.bodyBytesMax} bytes.`),
    );
  }

  /** The chunk is only lent until the callback returns, so what is kept is copied. */
  private keepChunk(chunk: ArrayBuffer): void {
    this.chunks ??= [];
    this.chunks.push(Buffer.from(Buffer.from(chunk)));
  }

  private wholeBody(lastChunk: ArrayBuffer): Buffer {
    if (this.chunks === undefined) return Buffer.from(lastChunk);
    const body = Buffer.concat([...this.chunks, Buffer.from(lastChunk)]);
    this.chunks = undefined;
    return body;
  }

  private abort(): void {
    if (!this.done) this.finish(0);
  }

  /** @param status 0 = the caller hung up. */
  private finish(status: number): void {
    this.done = true;
    this.chunks = undefined;
    this.queue?.leave(this);
    this.metrics.count(status, (performance.now() - this.startedMs) / 1000);
    this.state.closeOne();
  }
}
