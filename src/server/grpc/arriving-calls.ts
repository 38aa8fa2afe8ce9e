/**
 * Calls over gRPC until their message is there. Nothing of a message is received before its caller is admitted; then it
 * has a deadline, and there is a limit of how many there are and of the bytes that they hold. Calls that need no key have
 * places of their own, a second, and a kilobyte, so that they take nothing from the others. Connections have the same time
 * for their first call, and end after too many calls in a row that were refused for their key.
 */
import type { Http2Session, ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { ServerInterceptingCall, status as grpcStatus } from '@grpc/grpc-js';
import type { Metadata, ServerInterceptingCallInterface, ServerInterceptor } from '@grpc/grpc-js';
import { MillraceError } from '../../errors.ts';
import { overloaded } from '../../serving/overloaded.ts';
import type { RouteContext } from '../route-context.ts';
import { ARRIVING_BYTES_MAX } from '../server-state.ts';
import type { ServerState } from '../server-state.ts';
import { OpenCall } from './open-call.ts';
import type { CountedRoute } from './open-call.ts';

const CANCELLED: number = grpcStatus.CANCELLED;
const DEADLINE_EXCEEDED: number = grpcStatus.DEADLINE_EXCEEDED;

/** Of calls that need no key: their messages are empty. */
const OPEN_CALL_BYTES_MAX = 1024;
const OPEN_CALL_MS_MAX = 1000;
/** Calls of one connection in a row. */
const REFUSED_MAX = 100;
/** Time for a caller that has been answered to end its call. */
const END_MS_MAX = 1000;

export interface ArrivingCalls {
  readonly interceptor: ServerInterceptor;
  /** Ends a connection that begins no call in time. */
  watch(connection: Socket): void;
  /** Ends all that have begun none yet. */
  endSilent(): void;
  /** The call that these headers belong to; they have to be the very object. */
  called(metadata: Metadata): OpenCall;
}

/** @param routes by what callers call their method */
export function createArrivingCalls(
  context: RouteContext,
  routes: ReadonlyMap<string, CountedRoute>,
): ArrivingCalls {
  const { state } = context;
  const arriving: Arriving = { withKey: 0, withoutKey: 0, verifying: 0, refused: new WeakMap() };
  /** Connections that have begun no call, by their peer. */
  const silent = new Map<string, { readonly connection: Socket; readonly timer: NodeJS.Timeout }>();
  const calls = new WeakMap<Metadata, OpenCall>();
  const hear = (peer: string): void => {
    clearTimeout(silent.get(peer)?.timer);
    silent.delete(peer);
  };
  return {
    called: (metadata) => calls.get(metadata) as OpenCall,
    watch(connection) {
      const peer = `${connection.remoteAddress}:${connection.remotePort}`;
      const timer = setTimeout(() => connection.destroy(), state.limits.bodyTimeoutMs);
      silent.set(peer, { connection, timer });
      connection.once('close', () => hear(peer));
    },
    endSilent() {
      for (const { connection } of silent.values()) connection.destroy();
    },
    interceptor: ({ path }, call) => {
      hear(call.getPeer());
      let arrival: Arrival | undefined;
      return new ServerInterceptingCall(call, {
        start: (next) =>
          next({
            onReceiveMetadata(metadata, receive) {
              const open = new OpenCall(context, routes.get(path) as CountedRoute, metadata);
              calls.set(metadata, open);
              arrival = new Arrival(state, arriving, call, open);
              arrival.admit(() => receive(metadata));
            },
            onReceiveHalfClose(go) {
              arrival?.complete();
              go();
            },
            onCancel: () => arrival?.cancelled(),
          }),
        sendMetadata(metadata, next) {
          arrival?.addTraceparent(metadata);
          next(metadata);
        },
        sendMessage(message, next) {
          arrival?.answering();
          next(message);
        },
        sendStatus(status, next) {
          next(status);
          arrival?.answered(status.code);
        },
      });
    },
  };
}

/** Calls whose messages are arriving, or whose callers are not known yet. */
interface Arriving {
  withKey: number;
  withoutKey: number;
  verifying: number;
  /** How many calls were refused in a row for their key. */
  readonly refused: WeakMap<Http2Session, number>;
}

class Arrival {
  private readonly state: ServerState;
  private readonly arriving: Arriving;
  private readonly call: ServerInterceptingCallInterface;
  private readonly open: OpenCall;
  private readonly stream: ServerHttp2Stream;
  private readonly session: Http2Session | undefined;
  private timer: NodeJS.Timeout;
  private bytes = 0;
  private place: 'withKey' | 'withoutKey' | 'verifying' | undefined = undefined;
  private isOver = false;

  constructor(state: ServerState, arriving: Arriving, call: ServerInterceptingCallInterface, open: OpenCall) {
    this.state = state;
    this.arriving = arriving;
    this.call = call;
    this.open = open;
    this.stream = streamOf(call);
    this.session = this.stream.session;
    const { bodyTimeoutMs } = state.limits;
    const limitMs = open.needsKey ? bodyTimeoutMs : Math.min(bodyTimeoutMs, OPEN_CALL_MS_MAX);
    const message = `The message did not arrive within ${limitMs} ms.`;
    this.timer = setTimeout(() => this.refuse(new MillraceError('REQUEST_TIMEOUT', message)), limitMs);
    this.stream.once('close', () => this.closed());
    this.stream.on('data', (chunk: Buffer) => this.hold(chunk));
  }

  /** @param receive begins to receive the message */
  admit(receive: () => void): void {
    const letIn = (): void => {
      if (this.isOver) return;
      if (this.session !== undefined && this.open.needsKey) this.arriving.refused.delete(this.session);
      if (this.takePlace(this.open.needsKey ? 'withKey' : 'withoutKey')) receive();
    };
    const refuse = (error: unknown): void => this.refuse(error);
    try {
      const later = this.open.admit();
      if (later === undefined) letIn();
      else if (this.takePlace('verifying')) later.then(letIn, refuse);
    } catch (error) {
      refuse(error);
    }
  }

  /** The answer is being sent. A caller that does not read it must not stay open for ever. */
  answering(): void {
    clearTimeout(this.timer);
    const { timeoutMs } = this.state.limits;
    this.timer = setTimeout(() => this.session?.destroy(), timeoutMs);
  }

  private takePlace(place: 'withKey' | 'withoutKey' | 'verifying'): boolean {
    this.leavePlace();
    if (this.arriving[place] >= this.state.limits.inFlightMax) {
      this.refuse(overloaded());
      return false;
    }
    this.arriving[place]++;
    this.place = place;
    return true;
  }

  private leavePlace(): void {
    if (this.place !== undefined) this.arriving[this.place]--;
    this.place = undefined;
  }

  addTraceparent(metadata: Metadata): void {
    const { span } = this.open.observation ?? {};
    if (span !== undefined) metadata.set('traceparent', span.traceparent);
  }

  /** The message is there. */
  complete(): void {
    if (this.isOver) return;
    this.isOver = true;
    clearTimeout(this.timer);
    this.leavePlace();
    if (this.open.needsKey) this.state.arrivingBytes -= this.bytes;
    const { observation } = this.open;
    if (observation !== undefined) observation.bytesIn = this.bytes;
  }

  /** What is missing of the message of an answered call is not waited for. */
  answered(code: number): void {
    const isArriving = !this.isOver;
    this.complete();
    clearTimeout(this.timer);
    this.open.end(this.stream.aborted ? CANCELLED : code);
    if (isArriving) this.expectEnd();
  }

  /** The caller hung up, or its time is over, which the library then tells it. No status comes from here any more. */
  cancelled(): void {
    const isLate = !this.stream.aborted && Number(this.call.getDeadline()) <= Date.now();
    const isArriving = !this.isOver;
    this.complete();
    this.open.end(this.codeSent() ?? (isLate ? DEADLINE_EXCEEDED : CANCELLED));
    if (isArriving) this.expectEnd();
  }

  /**
   * A caller that has been answered ends its side of the call; one that does not loses its connection. The call itself is
   * not reset: Node 20 damages its memory when many are while their connection breaks.
   */
  private expectEnd(): void {
    const timer = setTimeout(() => this.session?.destroy(), END_MS_MAX);
    this.stream.once('close', () => clearTimeout(timer));
  }

  private refuse(error: unknown): void {
    if (this.isOver) return;
    const failure = this.open.failure(error);
    this.call.sendStatus(failure);
    this.answered(failure.code);
    if (failure.code === grpcStatus.UNAUTHENTICATED) this.countRefused();
  }

  /** One packet may begin thousands of calls, and each costs more to refuse than to send. */
  private countRefused(): void {
    const { session } = this;
    if (session === undefined || session.destroyed) return;
    const count = (this.arriving.refused.get(session) ?? 0) + 1;
    this.arriving.refused.set(session, count);
    // Not in the middle of what the session has just received.
    if (count === REFUSED_MAX) setImmediate(() => session.destroy());
  }

  /** Whatever has ended the call: also the library may have, by itself. */
  private closed(): void {
    this.complete();
    clearTimeout(this.timer);
    this.open.end(this.codeSent() ?? CANCELLED);
  }

  /** Undefined = the caller was sent no status. */
  private codeSent(): number | undefined {
    const { sentTrailers, sentHeaders } = this.stream;
    const code = sentTrailers?.['grpc-status'] ?? sentHeaders?.['grpc-status'];
    return code === undefined ? undefined : Number(code);
  }

  private hold({ length }: Buffer): void {
    if (this.isOver) return;
    this.bytes += length;
    if (this.open.needsKey) this.state.arrivingBytes += length;
    const isTooMuch = this.open.needsKey
      ? this.state.arrivingBytes > ARRIVING_BYTES_MAX
      : this.bytes > OPEN_CALL_BYTES_MAX;
    if (isTooMuch) this.refuse(overloaded());
  }
}

/** An answered call stays open, and holds what came of it, until its caller ends it; the public interface has no end. */
function streamOf(call: ServerInterceptingCallInterface): ServerHttp2Stream {
  return (call as unknown as { readonly stream: ServerHttp2Stream }).stream;
}
