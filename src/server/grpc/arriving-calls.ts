/**
 * Calls over gRPC until their message is there: they have a deadline, and a limit of how many of them there are and
 * of the bytes that they hold. Connections have the same time for their first call.
 */
import { constants } from 'node:http2';
import type { ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { ServerInterceptingCall } from '@grpc/grpc-js';
import type { ServerInterceptingCallInterface, ServerInterceptor } from '@grpc/grpc-js';
import { MillraceError } from '../../errors.ts';
import { overloaded } from '../../serving/overloaded.ts';
import { ARRIVING_BYTES_MAX } from '../server-state.ts';
import type { ServerState } from '../server-state.ts';
import { callFailure } from './call-failure.ts';

export interface ArrivingCalls {
  readonly interceptor: ServerInterceptor;
  /** Ends a connection that begins no call in time. */
  watch(connection: Socket): void;
}

export function createArrivingCalls(state: ServerState): ArrivingCalls {
  let arriving = 0;
  const silent = new Map<string, NodeJS.Timeout>();
  const hear = (peer: string): void => {
    clearTimeout(silent.get(peer));
    silent.delete(peer);
  };
  return {
    watch(connection) {
      const peer = `${connection.remoteAddress}:${connection.remotePort}`;
      silent.set(
        peer,
        setTimeout(() => connection.destroy(), state.limits.bodyTimeoutMs),
      );
      connection.once('close', () => hear(peer));
    },
    interceptor: (_, call) => {
      hear(call.getPeer());
      const isRefused = arriving >= state.limits.inFlightMax;
      arriving++;
      const arrival = arrive(state, call, () => arriving--);
      return new ServerInterceptingCall(call, {
        start: (next) => {
          if (isRefused) arrival.refuse(overloaded());
          else next({ onReceiveHalfClose: (go) => (arrival.complete(), go()) });
        },
        sendStatus: (status, next) => {
          next(status);
          arrival.giveUp();
        },
      });
    },
  };
}

interface Arrival {
  /** The message is there. */
  complete(): void;
  refuse(error: MillraceError): void;
  /** The call is answered: what is missing of its message is not waited for. */
  giveUp(): void;
}

function arrive(state: ServerState, call: ServerInterceptingCallInterface, onEnd: () => void): Arrival {
  const stream = streamOf(call);
  const { bodyTimeoutMs } = state.limits;
  let isOver = false;
  let bytes = 0;
  const complete = (): void => {
    if (isOver) return;
    isOver = true;
    clearTimeout(timer);
    state.arrivingBytes -= bytes;
    onEnd();
  };
  const giveUp = (): void => {
    if (isOver) return;
    complete();
    stream.close(constants.NGHTTP2_NO_ERROR);
  };
  const refuse = (error: MillraceError): void => {
    call.sendStatus(callFailure(error, state.nextRequestId()));
    giveUp();
  };
  const timer = setTimeout(() => {
    refuse(new MillraceError('REQUEST_TIMEOUT', `The message did not arrive within ${bodyTimeoutMs} ms.`));
  }, bodyTimeoutMs);
  stream.once('close', complete);
  stream.on('data', (chunk: Buffer) => {
    if (isOver) return;
    bytes += chunk.length;
    state.arrivingBytes += chunk.length;
    if (state.arrivingBytes > ARRIVING_BYTES_MAX) refuse(overloaded());
  });
  return { complete, refuse, giveUp };
}

/** An answered call stays open, and holds what came of it, until its caller ends it; the public interface has no end. */
function streamOf(call: ServerInterceptingCallInterface): ServerHttp2Stream {
  return (call as unknown as { readonly stream: ServerHttp2Stream }).stream;
}
