/** The port of gRPC. It speaks no gRPC itself: a process may accept connections for others. */
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { MillraceError } from '../../errors.ts';

export interface GrpcListener {
  readonly port: number;
  /** Accepts no more connections; those that were accepted live on. */
  close(): void;
}

export interface GrpcAddress {
  readonly host: string;
  /** 0 = any free one. */
  readonly port: number;
  /** Whether another process reads them: then this one reads nothing. */
  readonly isForOthers?: boolean;
}

/**
 * Accepts connections.
 * @throws MillraceError STARTUP_FAILED
 */
export async function listenGrpc(
  { host, port, isForOthers = false }: GrpcAddress,
  onConnection: (connection: Socket) => void,
): Promise<GrpcListener> {
  const listener = createServer({ noDelay: true, pauseOnConnect: isForOthers }, onConnection);
  await new Promise<void>((resolve, reject) => {
    listener.once('error', (cause) => {
      const sentence = `cannot listen on ${host}:${port} for gRPC: ${cause.message}; choose another port`;
      reject(new MillraceError('STARTUP_FAILED', sentence, { cause }));
    });
    listener.listen({ host, port, exclusive: true }, resolve);
  });
  return { port: (listener.address() as AddressInfo).port, close: () => void listener.close() };
}
