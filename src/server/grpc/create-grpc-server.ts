/** The gRPC service on connections that somebody else accepts. */
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { ServiceDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import type { RouteContext } from '../route-context.ts';
import { inferenceService } from './inference-service.ts';

export interface GrpcServer {
  readonly take: (connection: Socket) => void;
  renew(certificate: Certificate | undefined): void;
  /** Takes no new calls; resolves when those that are under way are answered, and the answers are sent. */
  drain(): Promise<void>;
  /** Ends every connection. */
  close(): void;
}

/** In PEM. */
export interface Certificate {
  readonly cert: Buffer;
  readonly key: Buffer;
}

const protoFile = fileURLToPath(new URL('../../../schema/open-inference.proto', import.meta.url));

/** @param certificate undefined = without TLS */
export function createGrpcServer(context: RouteContext, certificate: Certificate | undefined): GrpcServer {
  const server = new Server({
    'grpc.max_receive_message_length': context.state.limits.bodyBytesMax,
    'grpc.max_send_message_length': -1,
  });
  server.addService(serviceDefinition(), inferenceService(context));
  const injectors = [server.createConnectionInjector(credentialsOf(certificate))];
  return {
    take: (connection) => injectors.at(-1)?.injectConnection(connection),
    renew: (next) => void injectors.push(server.createConnectionInjector(credentialsOf(next))),
    drain: async () => new Promise((resolve) => server.tryShutdown(() => resolve())),
    close: () => {
      for (const injector of injectors) injector.destroy();
      server.forceShutdown();
    },
  };
}

function credentialsOf(certificate: Certificate | undefined): ServerCredentials {
  if (certificate === undefined) return ServerCredentials.createInsecure();
  const { cert, key } = certificate;
  return ServerCredentials.createSsl(null, [{ cert_chain: cert, private_key: key }]);
}

function serviceDefinition(): ServiceDefinition {
  const options = { keepCase: true, longs: String, defaults: true, oneofs: true };
  return loadSync(protoFile, options)['inference.GRPCInferenceService'] as ServiceDefinition;
}
