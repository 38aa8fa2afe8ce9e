/**
 * gRPC beside HTTP, on a port of its own. Connections come in over a socket of Node, also those that another process
 * has accepted: where several processes serve, one hands them on, as Node 20 cannot share a port otherwise.
 */
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { ServiceDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import type { RouteContext } from '../route-context.ts';
import { inferenceService } from './inference-service.ts';

export interface GrpcServer {
  /** Serves a connection that was accepted. */
  readonly take: (connection: Socket) => void;
  /** Takes no new calls; resolves when those that are under way are answered, and the answers are sent. */
  drain(): Promise<void>;
  /** Ends every connection. */
  close(): void;
}

const protoFile = fileURLToPath(new URL('../../../schema/open-inference.proto', import.meta.url));

export function createGrpcServer(context: RouteContext): GrpcServer {
  const server = new Server({
    'grpc.max_receive_message_length': context.state.limits.bodyBytesMax,
    'grpc.max_send_message_length': -1,
  });
  server.addService(serviceDefinition(), inferenceService(context));
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  return {
    take: (connection) => injector.injectConnection(connection),
    drain: async () => new Promise((resolve) => server.tryShutdown(() => resolve())),
    close: () => {
      injector.destroy();
      server.forceShutdown();
    },
  };
}

function serviceDefinition(): ServiceDefinition {
  const options = { keepCase: true, longs: String, defaults: true, oneofs: true };
  return loadSync(protoFile, options)['inference.GRPCInferenceService'] as ServiceDefinition;
}
