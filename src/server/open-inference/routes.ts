/** The Open Inference Protocol over HTTP: models by their tensors. Health is told by health-routes.ts. */
import { MillraceError } from '../../errors.ts';
import { parseStrictJson } from '../../project/strict-json.ts';
import type { Serving } from '../../serving/serving.ts';
import type { Exchange } from '../exchange.ts';
import type { RouteContext } from '../route-context.ts';
import type { RawModel } from '../../serving/raw-model.ts';
import type { UnavailableModel } from '../../serving/raw-models.ts';
import { servingOf } from '../route-context.ts';
import type { Route } from '../route.ts';
import { canAnswer, findModel, readyModel } from './find-model.ts';
import { writeAnswer } from './infer-answer.ts';
import { readInferCall } from './infer-request.ts';
import {
  extensions,
  modelConfig,
  modelMetadata,
  modelStatistics,
  repositoryIndex,
  serverName,
} from './model-description.ts';

const LENGTH_HEADER = 'inference-header-content-length';
/** Whoever uses models, changes them or watches them may know what there is. */
const describing = ['predict', 'models:write', 'metrics:read'] as const;

export function openInferenceRoutes(context: RouteContext): readonly Route[] {
  return [
    server(context, '/v2'),
    server(context, '/v2/'),
    ...['/v2/models/:model', '/v2/models/:model/versions/:version'].flatMap((path) => [
      told(context, path, 'model-metadata', ({ models }, name, version) =>
        modelMetadata(models, readyModel(models, name, version)),
      ),
      ready(context, `${path}/ready`),
      told(context, `${path}/config`, 'model-config', ({ models }, name, version) =>
        modelConfig(readyModel(models, name, version)),
      ),
      told(context, `${path}/stats`, 'model-stats', ({ models }, name, version) => {
        const { name: found } = findModel(models, name, version);
        const own = models.list().filter((model) => model.name === found);
        return statistics(own.filter((model) => version === undefined || model.version === version));
      }),
      infer(context, `${path}/infer`),
    ]),
    allStatistics(context),
    index(context),
  ];
}

function statistics(models: readonly (RawModel | UnavailableModel)[]): object {
  return {
    model_stats: models.flatMap((model) => (model.state === 'ready' ? [modelStatistics(model)] : [])),
  };
}

/** A fixed path comes before one with a parameter: the metadata of a model named `stats` is at its versions only. */
function allStatistics(context: RouteContext): Route {
  return {
    method: 'get',
    path: '/v2/models/stats',
    name: 'all-model-stats',
    scopes: describing,
    body: 'none',
    handle: (exchange) => exchange.reply(JSON.stringify(statistics(servingOf(context).models.list()))),
  };
}

function server({ version }: RouteContext, path: string): Route {
  const text = JSON.stringify({ name: serverName, version, extensions });
  return {
    method: 'get',
    path,
    name: 'server-metadata',
    scopes: 'any key',
    body: 'none',
    handle: (exchange) => exchange.reply(text),
  };
}

function told(
  context: RouteContext,
  path: string,
  name: string,
  tell: (serving: Serving, model: string, version: string | undefined) => object,
): Route {
  return {
    method: 'get',
    path,
    name,
    scopes: describing,
    body: 'none',
    handle: (exchange, _body, { params: [model = '', version] }) =>
      exchange.reply(JSON.stringify(tell(servingOf(context), model, version))),
  };
}

function ready(context: RouteContext, path: string): Route {
  return {
    method: 'get',
    path,
    name: 'model-ready',
    scopes: describing,
    body: 'none',
    handle: (exchange, _body, { params: [name = '', version] }) => {
      const model = findModel(servingOf(context).models, name, version);
      const isReady = canAnswer(model) && context.state.phase === 'ready';
      exchange.send(
        isReady ? 200 : 503,
        'application/json',
        JSON.stringify({ name: model.name, ready: isReady }),
      );
    },
  };
}

function infer(context: RouteContext, path: string): Route {
  return {
    method: 'post',
    path,
    name: 'model-infer',
    scopes: ['predict'],
    body: 'any',
    headers: [LENGTH_HEADER, 'content-encoding'],
    handle: async (exchange, body, { params: [name = '', version], headers }) => {
      refuseEncoding(headers['content-encoding'] ?? '');
      const { models, refusal } = servingOf(context);
      const refused = refusal();
      if (refused !== undefined) return exchange.fail(refused);
      const model = readyModel(models, name, version);
      const { inference, form } = readInferCall(body, headers[LENGTH_HEADER] ?? '', model);
      exchange.observation?.answeredBy(model);
      const { span } = exchange;
      const result = await model.infer({ ...inference, span, isGone: () => exchange.isDone });
      const answer = writeAnswer(model, result, form);
      exchange.send(200, answer.contentType, answer.body, answer.headers);
    },
  };
}

function refuseEncoding(encoding: string): void {
  if (encoding === '' || encoding === 'identity') return;
  throw new MillraceError(
    'UNSUPPORTED_MEDIA_TYPE',
    `A body must not be compressed (${encoding.slice(0, 40)}).`,
  );
}

function index(context: RouteContext): Route {
  return {
    method: 'post',
    path: '/v2/repository/index',
    name: 'repository-index',
    scopes: describing,
    body: 'any',
    handle: (exchange, body) => answerIndex(context, exchange, body),
  };
}

function answerIndex(context: RouteContext, exchange: Exchange, body: Buffer): void {
  const asked = body.length === 0 ? {} : parseStrictJson(body);
  const isReadyOnly =
    typeof asked === 'object' && asked !== null && (asked as { ready?: unknown }).ready === true;
  const entries = repositoryIndex(servingOf(context).models, context.unloadedModels(), isReadyOnly);
  exchange.reply(JSON.stringify(entries));
}
