/** One request that came over a WebSocket. It is answered exactly once, unless the socket closes before. */
import type { MillraceError } from '../errors.ts';
import type { Answer } from '../serving/answer.ts';
import type { Caller } from '../serving/caller.ts';
import { jsonText } from '../project/json-text.ts';
import type { JsonObject } from '../project/json-text.ts';
import type { MessagePackWriter } from '../serving/message-pack-writer.ts';
import type { PredictionSink } from '../serving/prediction.ts';
import type { RequestSpan } from '../telemetry/tracing.ts';
import type { AuditedCall } from './audited-call.ts';
import type { DeadlineEntry, DeadlineQueue } from './deadline-queue.ts';
import { deadlineExceeded, errorBody, toKnownError } from './error-reply.ts';
import type { Generation } from './generation.ts';
import type { Observation } from './observer.ts';
import type { RouteMetrics } from './route-metrics.ts';
import type { Socket } from './socket.ts';

export const ID_LENGTH_MAX = 128;

/** What the caller knows a request by; null = the message had no usable one. */
export type MessageId = string | number | null;

interface ErrorAnswer {
  readonly id: MessageId;
  readonly requestId: string;
  readonly isBinary: boolean;
  readonly error: MillraceError;
}

const OK = 200;
const HUNG_UP = 0;

export class SocketRequest implements DeadlineEntry, PredictionSink {
  enteredMs = 0;
  previous: DeadlineEntry | undefined = undefined;
  next: DeadlineEntry | undefined = undefined;
  queue: DeadlineQueue | undefined = undefined;

  readonly requestId: string;
  onUnanswered: (() => void) | undefined = undefined;
  isDone = false;
  /** What the audit log is to say of it; undefined = nothing. */
  audited: AuditedCall | undefined = undefined;
  /** Its place among the requests of its socket. */
  at = 0;
  private readonly socket: Socket;
  private readonly id: MessageId;
  private readonly isBinary: boolean;
  readonly metrics: RouteMetrics;
  private readonly endpoint: string;
  private knownCaller: Caller | undefined = undefined;
  private readonly observation: Observation | undefined;
  private readonly generation: Generation;

  constructor(socket: Socket, id: MessageId, isBinary: boolean, metrics: RouteMetrics, endpoint: string) {
    this.socket = socket;
    this.id = id;
    this.isBinary = isBinary;
    this.metrics = metrics;
    this.endpoint = endpoint;
    const { state } = socket.parts;
    this.requestId = state.nextRequestId();
    this.observation = socket.observe(this);
    state.open++;
    this.generation = state.generation;
    this.generation.enter();
    state.answering.enter(this);
    socket.enter(this);
  }

  get span(): RequestSpan | undefined {
    return this.observation?.span;
  }

  /**
   * Read when it is first asked for, which is as the prediction starts: by the needs of what then answers.
   * @throws MillraceError FORCING_REFUSED
   */
  get caller(): Caller | undefined {
    return (this.knownCaller ??= this.socket.owner.callers.of(this.endpoint));
  }

  get seesProtected(): boolean {
    return this.socket.seesProtected;
  }

  answer(answer: Answer): void {
    if (this.isDone) return;
    this.observation?.answered(answer);
    const writer = this.socket.parts.outbox.begin();
    const { id, requestId } = this;
    if (this.isBinary) {
      answer.plan.messagePackAnswer(writer, answer, requestId, id);
    } else {
      writer.text(answer.plan.jsonAnswer(answer, requestId, `"id":${jsonText(id)},`));
    }
    this.finish(OK);
  }

  /** Answers with what a call over HTTP has for a body. */
  reply(status: number, body: JsonObject): void {
    if (this.isDone) return;
    writeBody(this.socket.parts.outbox.begin(), { id: this.id, ...body }, this.isBinary);
    this.finish(status);
  }

  fail(error: unknown): void {
    if (this.isDone) return;
    const { outbox, state } = this.socket.parts;
    const known = toKnownError(error, state.log, this.requestId, this.metrics.route, this.span?.ids);
    if (this.observation !== undefined) this.observation.error = known.code;
    this.audited?.note({ code: known.code });
    const { id, requestId, isBinary } = this;
    writeError(outbox.begin(), { id, requestId, isBinary, error: known });
    this.finish(known.status);
  }

  expire(): void {
    if (!this.isDone) this.onUnanswered?.();
    this.fail(deadlineExceeded(this.socket.parts.state.limits.timeoutMs));
  }

  /** The socket is closed. */
  abort(): void {
    this.onUnanswered?.();
    this.isDone = true;
    this.leave(HUNG_UP);
    this.socket.parts.state.closeOne();
  }

  private finish(status: number): void {
    this.isDone = true;
    this.leave(status);
    this.socket.leave(this);
    this.socket.queueAnswer(this.isBinary);
  }

  private leave(status: number): void {
    // The queue notes when an entry enters it; leaving does not change that.
    this.metrics.count(status, (performance.now() - this.enteredMs) / 1000);
    this.observation?.end(status, this.socket.owner.principal?.id);
    this.queue?.leave(this);
    this.generation.leave();
    this.audited?.ended(this.requestId, this.socket.owner.principal, status);
  }
}

/** Writes the error as the message with this id is answered. */
export function writeError(writer: MessagePackWriter, { id, requestId, isBinary, error }: ErrorAnswer): void {
  writeBody(writer, { id, ...errorBody(error, requestId) }, isBinary);
}

function writeBody(writer: MessagePackWriter, body: JsonObject, isBinary: boolean): void {
  if (isBinary) writer.value(body);
  else writer.text(jsonText(body));
}
