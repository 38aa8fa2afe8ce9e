/** The gRPC service on connections that somebody else accepts. */
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import type { RouteContext } from '../route-context.ts';
import { createRouteMetrics } from '../route-metrics.ts';
import { createHandler } from './answer-call.ts';
import { createArrivingCalls } from './arriving-calls.ts';
import { undecodedMessage } from './decode-message.ts';
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

/** Calls of one connection at once; those above wait at the client. */
const STREAMS_MAX = 1000;
/** A connection without calls is ended after it. */
const IDLE_MS = 300_000;
/** After it a connection is asked whether it lives, and has the other for its answer. */
const KEEPALIVE_MS = 60_000;
const KEEPALIVE_TIMEOUT_MS = 20_000;

/** @param certificate undefined = without TLS */
export function createGrpcServer(context: RouteContext, certificate: Certificate | undefined): GrpcServer {
  const definition = serviceDefinition();
  const routes = Object.entries(inferenceService(context)).map(([method, route]) => {
    const { path: address } = definition[method] as { readonly path: string };
    const metrics = createRouteMetrics(context.metrics, route.name, '');
    return { method, address, path: address.slice(1), route, metrics };
  });
  const arriving = createArrivingCalls(context, new Map(routes.map((each) => [each.address, each])));
  const server = new Server({
    'grpc.max_receive_message_length': context.state.limits.bodyBytesMax,
    'grpc.max_send_message_length': -1,
    'grpc.max_concurrent_streams': STREAMS_MAX,
    'grpc.max_connection_idle_ms': IDLE_MS,
    'grpc.keepalive_time_ms': KEEPALIVE_MS,
    'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
    interceptors: [arriving.interceptor],
  });
  const handlers = routes.map(({ method, route }) => [
    method,
    createHandler(context, route, (metadata) => arriving.called(metadata)),
  ]);
  server.addService(definition, Object.fromEntries(handlers) as UntypedServiceImplementation);
  const injectors = [server.createConnectionInjector(credentialsOf(certificate))];
  return {
    take(connection) {
      arriving.watch(connection);
      injectors.at(-1)?.injectConnection(connection);
    },
    renew: (next) => void injectors.push(server.createConnectionInjector(credentialsOf(next))),
    drain: async () => {
      arriving.endSilent();
      return new Promise((resolve) => server.tryShutdown(() => resolve()));
    },
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
  const service = loadSync(protoFile, options)['inference.GRPCInferenceService'] as ServiceDefinition;
  const methods = Object.entries(service).map(([name, method]) => [
    name,
    { ...method, requestDeserialize: undecodedMessage(name, method.requestDeserialize) },
  ]);
  return Object.fromEntries(methods) as ServiceDefinition;
}
