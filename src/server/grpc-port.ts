/**
 * gRPC beside HTTP, on a port of its own. Where several processes serve, one accepts the connections and hands them on:
 * Node 20 cannot share a port otherwise, and connections of gRPC live long.
 */
import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import type { Certificate, GrpcServer } from './grpc/create-grpc-server.ts';
import { listenGrpc } from './grpc/listen-grpc.ts';
import type { RouteContext } from './route-context.ts';
import type { GrpcOptions } from './server-options.ts';
import type { TlsFiles } from './tls-files.ts';

export interface GrpcPort {
  /** Undefined = connections come only by `take`. */
  readonly port: number | undefined;
  /** Serves a connection that was accepted. */
  readonly take: (connection: Socket) => void;
  /** Connections from now on get the certificate that is in the files now. */
  renewCertificate(): Promise<void>;
  /** Takes no new connections and calls; resolves when those that are under way are answered, and the answers sent. */
  drain(): Promise<void>;
  /** Ends every connection. */
  close(): void;
}

/** @throws MillraceError STARTUP_FAILED */
export async function openGrpcPort(
  options: GrpcOptions | undefined,
  { host, tls }: { readonly host: string; readonly tls?: TlsFiles | undefined },
  context: RouteContext,
): Promise<GrpcPort | undefined> {
  if (options === undefined) return undefined;
  const { port } = options;
  // Loaded only where it is wanted: the packages take a tenth of a second.
  const { createGrpcServer } = await import('./grpc/create-grpc-server.ts');
  const server: GrpcServer = createGrpcServer(context, await certificateOf(tls));
  const listener = port === undefined ? undefined : await listenGrpc({ host, port }, server.take);
  if (listener !== undefined) context.state.log.info({ host, port: listener.port }, 'listening for gRPC');
  return {
    port: listener?.port,
    take: server.take,
    renewCertificate: async () => server.renew(await certificateOf(tls)),
    async drain() {
      listener?.close();
      await server.drain();
    },
    close() {
      listener?.close();
      server.close();
    },
  };
}

async function certificateOf(tls: TlsFiles | undefined): Promise<Certificate | undefined> {
  if (tls === undefined) return undefined;
  const [cert, key] = await Promise.all([readFile(tls.certFile), readFile(tls.keyFile)]);
  return { cert, key };
}
