/** The calls of the gRPC service, which stand on the same models as those over HTTP. */
import type { UntypedServiceImplementation } from '@grpc/grpc-js';
import { canAnswer, findModel, readyModel } from '../open-inference/find-model.ts';
import {
  extensions,
  modelMetadata,
  repositoryIndex,
  serverName,
} from '../open-inference/model-description.ts';
import type { IndexEntry, ModelMetadata } from '../open-inference/model-description.ts';
import { servingOf } from '../route-context.ts';
import type { RouteContext } from '../route-context.ts';
import { grpcHandler } from './grpc-call.ts';
import type { GrpcCaller, GrpcRoute } from './grpc-call.ts';
import { readInference, writeInference } from './infer-message.ts';
import type { InferRequestMessage, InferResponseMessage } from './messages.ts';

interface ModelName {
  readonly name: string;
  readonly version: string;
}

const describing = ['predict', 'models:write', 'metrics:read'] as const;

export function inferenceService(context: RouteContext): UntypedServiceImplementation {
  const handler = <Request, Response>(
    route: GrpcRoute<Request, Response>,
  ): UntypedServiceImplementation[string] => grpcHandler(context, route);
  return {
    ServerLive: handler({ name: 'grpc-live', scopes: 'anyone', answer: () => ({ live: true }) }),
    ServerReady: handler({
      name: 'grpc-ready',
      scopes: 'anyone',
      answer: () => ({ ready: context.readiness.now().reasons.length === 0 }),
    }),
    ServerMetadata: handler({
      name: 'grpc-server-metadata',
      scopes: 'any key',
      answer: () => ({ name: serverName, version: context.version, extensions: grpcExtensions }),
    }),
    ModelReady: handler({
      name: 'grpc-model-ready',
      scopes: describing,
      answer: ({ name, version }: ModelName) => {
        const model = findModel(servingOf(context).models, name, version);
        return { ready: canAnswer(model) && context.state.phase === 'ready' };
      },
    }),
    ModelMetadata: handler({
      name: 'grpc-model-metadata',
      scopes: describing,
      answer: ({ name, version }: ModelName): ModelMetadata => {
        const { models } = servingOf(context);
        return modelMetadata(models, readyModel(models, name, version));
      },
    }),
    ModelInfer: handler({
      name: 'grpc-model-infer',
      scopes: ['predict'],
      answer: async (request: InferRequestMessage, caller) => infer(context, request, caller),
    }),
    RepositoryIndex: handler({
      name: 'grpc-repository-index',
      scopes: describing,
      answer: ({ ready }: { ready: boolean }): { models: IndexEntry[] } => ({
        models: repositoryIndex(servingOf(context).models, context.unloadedModels(), ready),
      }),
    }),
    RepositoryModelLoad: handler(changing(context, 'load')),
    RepositoryModelUnload: handler(changing(context, 'unload')),
  };
}

/** Over gRPC bytes need no extension, and there are no calls for settings and statistics. */
const grpcExtensions = extensions.filter((extension) => extension === 'model_repository');

function changing(context: RouteContext, kind: 'load' | 'unload'): GrpcRoute<{ model_name: string }, object> {
  return {
    name: `grpc-model-${kind}`,
    scopes: ['models:write'],
    isChange: true,
    target: ({ model_name: model }) => model,
    answer: async ({ model_name: model }) => {
      servingOf(context);
      await context.change({ kind, model });
      return {};
    },
  };
}

async function infer(
  context: RouteContext,
  request: InferRequestMessage,
  { isGone, timeoutMs }: GrpcCaller,
): Promise<InferResponseMessage> {
  const { models, refusal } = servingOf(context);
  const refused = refusal();
  if (refused !== undefined) throw refused;
  const model = readyModel(models, request.model_name, request.model_version);
  const inference = readInference(request);
  const ownMs = Math.min(timeoutMs ?? Infinity, inference.timeoutMs ?? Infinity);
  const result = await model.infer({ ...inference, isGone, ...(ownMs !== Infinity && { timeoutMs: ownMs }) });
  return writeInference(model, request, result);
}
