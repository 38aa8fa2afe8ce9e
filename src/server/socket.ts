/**
 * One open WebSocket: takes messages apart into requests, and sends the answers. It keeps a slow reader from filling
 * the memory, and a stopping server from cutting off what it still has to send.
 */
import type { WebSocket } from 'uWebSockets.js';
import { requireScope, takeCall } from '../access/access.ts';
import type { Principal } from '../access/access.ts';
import type { Scope } from '../access/scope.ts';
import { MillraceError } from '../errors.ts';
import { overloaded } from '../serving/overloaded.ts';
import type { PredictRequest } from '../serving/predict-request.ts';
import type { ServedEndpoint } from '../serving/serving.ts';
import { createAuditedCall } from './audited-call.ts';
import type { AuditedCall } from './audited-call.ts';
import { bodyTooLarge, toKnownError } from './error-reply.ts';
import { ACCEPTED } from './intake-call.ts';
import type { IntakeCall, IntakeList } from './intake-call.ts';
import type { Observation, ObservedRequest, SocketOpening } from './observer.ts';
import type { Outbox, OutboxPiece } from './outbox.ts';
import type { UsualMessage } from './packed-envelope.ts';
import type { RouteMetrics } from './route-metrics.ts';
import { endpointNamed } from './route-context.ts';
import type { RouteContext } from './route-context.ts';
import { SENDING_BYTES_MAX } from './server-state.ts';
import type { ServerState } from './server-state.ts';
import type { SocketCallers } from './socket-callers.ts';
import { askedOf, requireId, requireRecord } from './socket-message.ts';
import type { AskedIntake, AskedPrediction } from './socket-message.ts';
import { SocketRequest, writeError } from './socket-request.ts';
import type { MessageId } from './socket-request.ts';
import { parseStrictJson } from '../project/strict-json.ts';
import { parseStrictMessagePack } from './strict-message-pack.ts';
import { readTextRest } from './text-envelope.ts';
import type { UsualText } from './text-envelope.ts';

/** What the sockets of a server share. */
export interface SocketParts {
  readonly context: RouteContext;
  readonly state: ServerState;
  readonly outbox: Outbox;
  readonly readPacked: (body: Buffer) => UsualMessage | undefined;
  readonly readText: (body: Buffer) => UsualText | undefined;
  /** By endpoint; that of '' counts requests that name no endpoint of the project. */
  readonly metrics: ReadonlyMap<string, RouteMetrics>;
  /** One for each list. */
  readonly intakes: ReadonlyMap<IntakeList, SocketIntake>;
}

/** Where events and feedback go. */
export interface SocketIntake {
  readonly call: IntakeCall;
  readonly metrics: RouteMetrics;
}

export const webSocketRoute = { path: '/v1/ws', name: 'ws' } as const;

/** With 4000 and up, the codes that RFC 6455 leaves to applications. */
export const closeCodes = { stopping: 1001, revoked: 4001, slowConsumer: 4008 } as const;

/** Who has opened a socket, as its headers said. */
export interface SocketOwner {
  readonly callers: SocketCallers;
  /** Undefined = the server was open. */
  readonly principal: Principal | undefined;
  /** Undefined = there is no observer. */
  readonly opening: SocketOpening | undefined;
}

const predictScopes: readonly Scope[] = ['predict'];
const intakeScopes: readonly Scope[] = ['events:write'];

/** What `send` returns when all bytes went to the operating system, or to the cork. */
const SENT = 1;

export class Socket {
  readonly parts: SocketParts;
  readonly owner: SocketOwner;
  /** Those that are not answered yet. */
  private readonly requests: SocketRequest[] = [];
  private readonly ws: WebSocket<unknown>;
  private pieces: OutboxPiece[] = [];
  /** Sent, and not taken by the operating system, when it was last asked. */
  private bufferedBytes = 0;
  private isOpen = true;
  private isTooSlow = false;
  /** One of the rate was taken for what is being read: a message, or one of those in it. */
  private isPaid = false;

  constructor(ws: WebSocket<unknown>, parts: SocketParts, owner: SocketOwner) {
    this.ws = ws;
    this.owner = owner;
    this.parts = parts;
  }

  /** Whether its owner may see the values of protected features. */
  get seesProtected(): boolean {
    return this.parts.context.access.isOpen || this.owner.principal?.allows('features:protected') === true;
  }

  /** @param message lent until this returns */
  receive(message: ArrayBuffer, isBinary: boolean): void {
    if (this.isRevoked) {
      this.ws.end(closeCodes.revoked, 'REVOKED');
      return;
    }
    this.isPaid = false;
    const { bodyBytesMax } = this.parts.state.limits;
    try {
      if (message.byteLength > bodyBytesMax) throw this.pay() ?? bodyTooLarge(bodyBytesMax);
      const body = Buffer.from(message);
      if (isBinary ? this.receiveUsual(body) : this.receiveUsualText(body)) return;
      // Before it is parsed: also what turns out to be nothing must be within the rate.
      const unpaid = this.pay();
      if (unpaid !== undefined) throw unpaid;
      const value = isBinary ? parseStrictMessagePack(body) : parseStrictJson(body);
      if (Array.isArray(value)) this.receiveMany(value, isBinary);
      else this.receiveOne(value, isBinary);
    } catch (error) {
      this.refuse(null, isBinary, error, this.metricsOf(''));
    }
  }

  observe(request: ObservedRequest): Observation | undefined {
    return this.parts.context.observer?.message(this.owner.opening, request, webSocketRoute.path);
  }

  /** In any order: each knows where it stands. A set would make a new table every few requests, and leave it behind. */
  enter(request: SocketRequest): void {
    request.at = this.requests.length;
    this.requests.push(request);
  }

  leave({ at }: SocketRequest): void {
    const last = this.requests.pop() as SocketRequest;
    if (last.at === at) return;
    last.at = at;
    this.requests[at] = last;
  }

  /** Queues the answer that was put into the outbox. */
  queueAnswer(isBinary: boolean): void {
    const { outbox } = this.parts;
    if (this.pieces.push(outbox.commit(isBinary)) === 1) outbox.schedule(this);
    outbox.flushIfFull();
  }

  sendQueued(): void {
    const { pieces } = this;
    if (this.isOpen) {
      this.ws.cork(this.sendPieces);
      if (this.isTooSlow) this.closeSlow();
      else this.noteBuffered();
    }
    this.pieces = [];
    this.closeIfDone();
    for (let i = 0; i < pieces.length; i++) this.parts.state.closeOne();
  }

  /** The operating system took some of what was left. */
  drained(): void {
    this.noteBuffered();
    this.closeIfDone();
  }

  /** uWebSockets.js has answered a ping by itself; a caller that reads none of these answers could fill the memory. */
  pinged(): void {
    this.noteBuffered();
    if (this.isOpen && this.hasTooMuch()) this.closeSlow();
  }

  /** Says goodbye if the server is stopping and nothing is left to be sent. */
  closeIfDone(): void {
    if (!this.isOpen || this.parts.state.phase !== 'draining') return;
    if (this.requests.length > 0 || this.pieces.length > 0 || this.bufferedBytes > 0) return;
    this.ws.end(closeCodes.stopping, 'STOPPING');
  }

  /** The socket is closed, by whomever. */
  closed(): void {
    this.isOpen = false;
    for (const request of this.requests) request.abort();
    this.requests.length = 0;
    this.setBuffered(0);
  }

  private receiveMany(messages: readonly unknown[], isBinary: boolean): void {
    const { wsInFlightMax } = this.parts.state.limits;
    if (messages.length > wsInFlightMax) {
      const sentence = `The message holds ${messages.length} requests; at most ${wsInFlightMax} are allowed. Split it.`;
      throw new MillraceError('INVALID_REQUEST', sentence);
    }
    for (const message of messages) {
      if (!this.isOpen) return;
      this.receiveOne(message, isBinary);
      this.isPaid = false;
    }
  }

  private receiveOne(message: unknown, isBinary: boolean): void {
    let knownId: MessageId = null;
    const unpaid = this.pay();
    try {
      const { id, ...fields } = requireRecord(message);
      knownId = requireId(id);
      if (unpaid !== undefined) throw unpaid;
      const asked = askedOf(fields);
      if ('list' in asked) void this.take(knownId, isBinary, asked);
      else this.startPrediction(knownId, isBinary, asked);
    } catch (error) {
      this.refuse(knownId, isBinary, unpaid ?? error, this.metricsOf(''));
    }
  }

  private startPrediction(id: MessageId, isBinary: boolean, { endpoint, body }: AskedPrediction): void {
    const metrics = this.metricsOf(endpoint);
    if (this.isRefused(id, isBinary, metrics)) return;
    const request = this.open(id, isBinary, metrics, endpoint);
    try {
      const served = endpointNamed(this.parts.context, endpoint);
      served.predict(served.decode(body), request);
    } catch (error) {
      request.fail(error);
    }
  }

  private async take(id: MessageId, isBinary: boolean, { list, input }: AskedIntake): Promise<void> {
    const { call, metrics } = this.parts.intakes.get(list) as SocketIntake;
    const audited = createAuditedCall(this.parts.context.audit, metrics.route);
    const refusal = this.refusal() ?? this.denial(intakeScopes);
    if (refusal !== undefined) return this.refuse(id, isBinary, refusal, metrics, audited);
    const request = this.open(id, isBinary, metrics);
    request.audited = audited;
    try {
      request.reply(ACCEPTED, await call(async (intake) => intake.takeValue(input), audited));
    } catch (error) {
      request.fail(error);
    }
  }

  /** The shortest way; false = the message has to go the long one. */
  private receiveUsual(body: Buffer): boolean {
    const usual = this.parts.readPacked(body);
    if (usual === undefined) return false;
    const { id, endpointName, endpoint } = usual;
    const metrics = this.metricsOf(endpointName);
    // Before the rest is read: what is refused must cost little.
    if (this.isRefused(id, true, metrics)) return true;
    const decoded = endpoint.readPacked(usual.rest);
    if (decoded === undefined) return false;
    this.predict(this.open(id, true, metrics, endpointName), endpoint, decoded);
    return true;
  }

  /** The same for JSON. */
  private receiveUsualText(body: Buffer): boolean {
    const usual = this.parts.readText(body);
    if (usual === undefined) return false;
    const { id, endpointName, endpoint } = usual;
    const metrics = this.metricsOf(endpointName);
    if (this.isRefused(id, false, metrics)) return true;
    const decoded = readTextRest(usual);
    if (decoded === undefined) return false;
    this.predict(this.open(id, false, metrics, endpointName), endpoint, decoded);
    return true;
  }

  private predict(request: SocketRequest, endpoint: ServedEndpoint, decoded: PredictRequest): void {
    try {
      endpoint.predict(decoded, request);
    } catch (error) {
      request.fail(error);
    }
  }

  private open(id: MessageId, isBinary: boolean, metrics: RouteMetrics, endpoint = ''): SocketRequest {
    return new SocketRequest(this, id, isBinary, metrics, endpoint);
  }

  /** Whether there is no room for another prediction; if so, the caller has been told. */
  private isRefused(id: MessageId, isBinary: boolean, metrics: RouteMetrics): boolean {
    const refusal = this.denial(predictScopes) ?? this.refusal() ?? this.parts.context.serving?.refusal();
    if (refusal !== undefined) this.refuse(id, isBinary, refusal, metrics);
    return refusal !== undefined;
  }

  /** The key was revoked or has expired, or a server that was open has keys now. */
  private get isRevoked(): boolean {
    const { principal } = this.owner;
    return !this.parts.context.access.isOpen && (principal === undefined || principal.isRevoked);
  }

  /** Why the owner may not make a call; takes one of its rate, unless that was done. */
  private denial(scopes: readonly Scope[]): MillraceError | undefined {
    return this.pay() ?? errorOf(() => requireScope(this.parts.context.access, this.owner.principal, scopes));
  }

  /** Takes one of the rate, once; says why that may not be. */
  private pay(): MillraceError | undefined {
    if (this.isPaid) return undefined;
    const unpaid = errorOf(() => takeCall(this.parts.context.access, this.owner.principal));
    this.isPaid = unpaid === undefined;
    return unpaid;
  }

  /** Why no request is taken now. */
  private refusal(): MillraceError | undefined {
    const { state } = this.parts;
    if (this.requests.length >= state.limits.wsInFlightMax) return overloaded();
    if (state.isFull) return overloaded();
    return state.takesMessages ? undefined : new MillraceError('NOT_READY', 'The server is stopping.');
  }

  /** Answers at once, with nothing kept of the request. */
  private refuse(
    id: MessageId,
    isBinary: boolean,
    error: unknown,
    metrics: RouteMetrics,
    audited?: AuditedCall,
  ): void {
    const { outbox, state } = this.parts;
    const requestId = state.nextRequestId();
    const observation = this.observe({ requestId, metrics });
    const known = toKnownError(error, state.log, requestId, metrics.route, observation?.span?.ids);
    if (observation !== undefined) observation.error = known.code;
    state.open++;
    writeError(outbox.begin(), { id, requestId, isBinary, error: known });
    metrics.count(known.status, 0);
    observation?.end(known.status, this.owner.principal?.id);
    audited?.note({ code: known.code });
    audited?.ended(requestId, this.owner.principal, known.status);
    this.queueAnswer(isBinary);
  }

  private metricsOf(endpointName: string): RouteMetrics {
    const { metrics } = this.parts;
    return metrics.get(endpointName) ?? (metrics.get('') as RouteMetrics);
  }

  private readonly sendPieces = (): void => {
    const { outbox } = this.parts;
    for (const { from, to, isBinary } of this.pieces) {
      if (this.bufferedBytes > 0) this.noteBuffered();
      this.isTooSlow = this.hasTooMuch();
      if (this.isTooSlow) return;
      if (this.ws.send(outbox.bytes.subarray(from, to), isBinary) !== SENT) this.noteBuffered();
    }
  };

  /** Whether too much is unread. An answer larger than the limit passes if the one before it was read. */
  private hasTooMuch(): boolean {
    const { limits, sendingBytes } = this.parts.state;
    if (this.bufferedBytes === 0) return false;
    return this.bufferedBytes > limits.wsBufferBytesMax || sendingBytes > SENDING_BYTES_MAX;
  }

  /**
   * The close frame stands behind the answers that were not read. uWebSockets.js keeps them until they are, or until
   * the idle timeout; so long they count. Where that is too much, the socket is cut off without a frame.
   */
  private closeSlow(): void {
    const { state } = this.parts;
    const { bufferedBytes } = this;
    if (state.sendingBytes > SENDING_BYTES_MAX) {
      this.ws.close();
      return;
    }
    this.ws.end(closeCodes.slowConsumer, 'SLOW_CONSUMER');
    state.sendingBytes += bufferedBytes;
    setTimeout(() => (state.sendingBytes -= bufferedBytes), state.limits.wsIdleTimeoutMs).unref();
  }

  private noteBuffered(): void {
    if (this.isOpen) this.setBuffered(this.ws.getBufferedAmount());
  }

  /** A socket with something left to send counts as open work, so that a stopping server waits for it. */
  private setBuffered(bufferedBytes: number): void {
    const { state } = this.parts;
    const before = this.bufferedBytes;
    this.bufferedBytes = bufferedBytes;
    state.sendingBytes += bufferedBytes - before;
    if (before === 0 && bufferedBytes > 0) state.open++;
    if (before > 0 && bufferedBytes === 0) state.closeOne();
  }
}

function errorOf(work: () => void): MillraceError | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return error as MillraceError;
  }
}
