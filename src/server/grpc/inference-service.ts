/** The calls of the gRPC service, which stand on the same models as those over HTTP. */
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
import type { GrpcCaller, GrpcRoute } from './grpc-route.ts';
import { readInference, writeInference } from './infer-message.ts';
import type { InferRequestMessage, InferResponseMessage } from './messages.ts';

interface ModelName {
  readonly name: string;
  readonly version: string;
}

const describing = ['predict', 'models:write', 'metrics:read'] as const;

/** By the names of their methods. */
export function inferenceService(context: RouteContext): Readonly<Record<string, GrpcRoute>> {
  return {
    ServerLive: { name: 'grpc-live', scopes: 'anyone', answer: () => ({ live: true }) },
    ServerReady: {
      name: 'grpc-ready',
      scopes: 'anyone',
      answer: () => ({ ready: context.readiness.now().reasons.length === 0 }),
    },
    ServerMetadata: {
      name: 'grpc-server-metadata',
      scopes: 'any key',
      answer: () => ({ name: serverName, version: context.version, extensions: grpcExtensions }),
    },
    ModelReady: {
      name: 'grpc-model-ready',
      scopes: describing,
      answer: ({ name, version }: ModelName) => {
        const model = findModel(servingOf(context).models, name, version);
        return { ready: canAnswer(model) && context.state.phase === 'ready' };
      },
    },
    ModelMetadata: {
      name: 'grpc-model-metadata',
      scopes: describing,
      answer: ({ name, version }: ModelName): ModelMetadata => {
        const { models } = servingOf(context);
        return modelMetadata(models, readyModel(models, name, version));
      },
    },
    ModelInfer: {
      name: 'grpc-model-infer',
      scopes: ['predict'],
      answer: async (request: InferRequestMessage, caller: GrpcCaller) => infer(context, request, caller),
    },
    RepositoryIndex: {
      name: 'grpc-repository-index',
      scopes: describing,
      answer: ({ ready }: { ready: boolean }): { models: IndexEntry[] } => ({
        models: repositoryIndex(servingOf(context).models, context.unloadedModels(), ready),
      }),
    },
    RepositoryModelLoad: changing(context, 'load'),
    RepositoryModelUnload: changing(context, 'unload'),
  };
}

/** Over gRPC bytes need no extension, and there are no calls for settings and statistics. */
const grpcExtensions = extensions.filter((extension) => extension === 'model_repository');

function changing(context: RouteContext, kind: 'load' | 'unload'): GrpcRoute<{ model_name: string }> {
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
  { isGone, timeoutMs, span, answeredBy }: GrpcCaller,
): Promise<InferResponseMessage> {
  const { models, refusal } = servingOf(context);
  const refused = refusal();
  if (refused !== undefined) throw refused;
  const model = readyModel(models, request.model_name, request.model_version);
  const inference = readInference(request);
  const ownMs = Math.min(timeoutMs ?? Infinity, inference.timeoutMs ?? Infinity);
  answeredBy(model);
  const own = { isGone, span, ...(ownMs !== Infinity && { timeoutMs: ownMs }) };
  const result = await model.infer({ ...inference, ...own });
  return writeInference(model, request, result);
}
