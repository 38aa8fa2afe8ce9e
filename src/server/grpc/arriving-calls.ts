/**
 * Calls over gRPC until their message is there. Nothing of a message is received before its caller is admitted; then it
 * has a deadline, and there is a limit of how many there are and of the bytes that they hold. Connections have the same
 * time for their first call.
 */
import { constants } from 'node:http2';
import type { ServerHttp2Stream } from 'node:http2';
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

export interface ArrivingCalls {
  readonly interceptor: ServerInterceptor;
  /** Ends a connection that begins no call in time. */
  watch(connection: Socket): void;
  /** The call that these headers belong to; they have to be the very object. */
  called(metadata: Metadata): OpenCall;
}

/** @param routes by what callers call their method */
export function createArrivingCalls(
  context: RouteContext,
  routes: ReadonlyMap<string, CountedRoute>,
): ArrivingCalls {
  const { state } = context;
  const arriving = { count: 0 };
  const silent = new Map<string, NodeJS.Timeout>();
  const calls = new WeakMap<Metadata, OpenCall>();
  const hear = (peer: string): void => {
    clearTimeout(silent.get(peer));
    silent.delete(peer);
  };
  return {
    called: (metadata) => calls.get(metadata) as OpenCall,
    watch(connection) {
      const peer = `${connection.remoteAddress}:${connection.remotePort}`;
      silent.set(
        peer,
        setTimeout(() => connection.destroy(), state.limits.bodyTimeoutMs),
      );
      connection.once('close', () => hear(peer));
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
        sendStatus(status, next) {
          next(status);
          arrival?.answered(status.code);
        },
      });
    },
  };
}

class Arrival {
  private readonly state: ServerState;
  private readonly arriving: { count: number };
  private readonly call: ServerInterceptingCallInterface;
  private readonly open: OpenCall;
  private readonly stream: ServerHttp2Stream;
  private readonly timer: NodeJS.Timeout;
  private bytes = 0;
  private isOver = false;

  constructor(
    state: ServerState,
    arriving: { count: number },
    call: ServerInterceptingCallInterface,
    open: OpenCall,
  ) {
    this.state = state;
    this.arriving = arriving;
    this.call = call;
    this.open = open;
    this.stream = streamOf(call);
    const { bodyTimeoutMs } = state.limits;
    const message = `The message did not arrive within ${bodyTimeoutMs} ms.`;
    this.timer = setTimeout(() => this.refuse(new MillraceError('REQUEST_TIMEOUT', message)), bodyTimeoutMs);
    arriving.count++;
    this.stream.once('close', () => this.closed());
    this.stream.on('data', (chunk: Buffer) => this.hold(chunk));
  }

  /** @param receive begins to receive the message */
  admit(receive: () => void): void {
    const letIn = (): void => {
      if (this.isOver) return;
      if (this.arriving.count > this.state.limits.inFlightMax) return this.refuse(overloaded());
      receive();
    };
    const refuse = (error: unknown): void => this.refuse(error);
    try {
      const later = this.open.admit();
      if (later === undefined) letIn();
      else later.then(letIn, refuse);
    } catch (error) {
      refuse(error);
    }
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
    this.state.arrivingBytes -= this.bytes;
    this.arriving.count--;
    const { observation } = this.open;
    if (observation !== undefined) observation.bytesIn = this.bytes;
  }

  /** What is missing of the message of an answered call is not waited for. */
  answered(code: number): void {
    const isArriving = !this.isOver;
    this.complete();
    this.open.end(this.stream.aborted ? CANCELLED : code);
    if (isArriving) this.stream.close(constants.NGHTTP2_NO_ERROR);
  }

  /** The caller hung up, or its time is over, which the library then tells it. No status comes from here any more. */
  cancelled(): void {
    const isLate = !this.stream.aborted && Number(this.call.getDeadline()) <= Date.now();
    const isArriving = !this.isOver;
    this.complete();
    this.open.end(this.codeSent() ?? (isLate ? DEADLINE_EXCEEDED : CANCELLED));
    if (isArriving) setImmediate(() => this.stream.close(constants.NGHTTP2_NO_ERROR));
  }

  private refuse(error: unknown): void {
    if (this.isOver) return;
    const failure = this.open.failure(error);
    this.call.sendStatus(failure);
    this.answered(failure.code);
  }

  /** Whatever has ended the call: also the library may have, by itself. */
  private closed(): void {
    this.complete();
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
    this.state.arrivingBytes += length;
    if (this.state.arrivingBytes > ARRIVING_BYTES_MAX) this.refuse(overloaded());
  }
}

/** An answered call stays open, and holds what came of it, until its caller ends it; the public interface has no end. */
function streamOf(call: ServerInterceptingCallInterface): ServerHttp2Stream {
  return (call as unknown as { readonly stream: ServerHttp2Stream }).stream;
}
