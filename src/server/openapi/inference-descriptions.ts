/** The Open Inference Protocol's calls: models by their tensors. */
import type { ErrorCode } from '../../errors.ts';
import type { TensorSpec } from '../../inference/session.ts';
import type { JsonObject, JsonValue } from '../../project/json-text.ts';
import { datatypes } from '../../serving/datatype.ts';
import type { RawModel } from '../../serving/raw-model.ts';
import { json } from './description.ts';
import type { AnswerDescription, Descriptions, Parameter, RouteDescription, Subject } from './description.ts';
import { jsonErrors } from './error-answers.ts';
import {
  configSchema,
  indexSchema,
  inferAnswerSchema,
  inferRequestSchema,
  metadataSchema,
  modelReadySchema,
  serverSchema,
  statisticsSchema,
} from './inference-schemas.ts';
import { modelParameter, exampleModel } from './model-parameter.ts';
import { described, object, text, truth } from './json-schema.ts';

const MODEL = '/v2/models/:model';
const LENGTH_HEADER = 'inference-header-content-length';

/** A version that is no number is no version. */
function notThere(path: string): readonly ErrorCode[] {
  const own: readonly ErrorCode[] = path === MODEL ? [] : ['INVALID_REQUEST'];
  return [...own, 'UNKNOWN_MODEL', 'MODEL_UNAVAILABLE', 'NOT_READY'];
}

export const inferenceDescriptions: Descriptions = {
  'get /v2': () => [describeServer],
  'get /v2/': () => [describeServer],
  ...ofModel(MODEL),
  ...ofModel(`${MODEL}/versions/:version`),
  'get /v2/models/stats': () => [
    {
      tag: 'Models',
      summary: 'What all models have done',
      description:
        'Those that answer, each version by itself. A model named `stats` is told at `/v2/models/stats/versions/1`, with its version.',
      answers: { 200: answered('Of all models.', statisticsSchema) },
      errors: ['NOT_READY'],
    },
  ],
  'post /v2/repository/index': () => [
    {
      tag: 'Models',
      summary: 'Which models there are',
      description: 'Those that are loaded, those that are not, and why.',
      request: {
        isOptional: true,
        content: json(
          {
            ...object({ ready: described(truth, 'true = only those that are ready.') }, []),
            additionalProperties: {},
          },
          { ready: true },
        ),
      },
      answers: { 200: answered('One for each version.', indexSchema) },
      errors: [...jsonErrors.filter((code) => code !== 'EMPTY_BODY'), 'NOT_READY'],
    },
  ],
};

const describeServer: RouteDescription = {
  tag: 'Models',
  summary: 'What the server is, and which extensions it has',
  answers: { 200: answered('The server.', serverSchema) },
};

function answered(description: string, schema: JsonObject): AnswerDescription {
  return { description, content: json(schema) };
}

/** @param path without a version it is the newest that answers */
function ofModel(path: string): Descriptions {
  const about =
    (summary: string, schema: JsonObject, description?: string) =>
    (subject: Subject): readonly RouteDescription[] => [
      {
        tag: 'Models',
        summary: `${summary}${path === MODEL ? '' : ' of one version'}`,
        parameters: parameters(path, subject),
        answers: { 200: answered('Of the model.', schema) },
        errors: notThere(path),
        ...(description === undefined ? {} : { description }),
      },
    ];
  return {
    [`get ${path}`]: about('The tensors of a model', metadataSchema),
    [`get ${path}/config`]: about('The settings of a model', configSchema),
    [`get ${path}/stats`]: about('What a model has done', statisticsSchema),
    [`get ${path}/ready`]: (subject) => [
      {
        tag: 'Models',
        summary: `Whether a model is ready${path === MODEL ? '' : ' in one version'}`,
        parameters: parameters(path, subject),
        answers: {
          200: answered('It is.', modelReadySchema(true)),
          503: answered('It is not.', modelReadySchema(false)),
        },
        errors: notThere(path).filter((code) => code !== 'MODEL_UNAVAILABLE'),
      },
    ],
    [`post ${path}/infer`]: (subject) => [describeInfer(path, subject)],
  };
}

function parameters(path: string, subject: Subject): readonly Parameter[] {
  const { version } = exampleModel(subject.models) ?? {};
  if (path === MODEL) return [modelParameter(subject)];
  const versionParameter: Parameter = {
    name: 'version',
    in: 'path',
    description: 'A version of the model.',
    required: true,
    schema: { type: 'string', pattern: '^[0-9]+$' },
    ...(version === undefined ? {} : { example: version }),
  };
  return [modelParameter(subject), versionParameter];
}

function describeInfer(path: string, subject: Subject): RouteDescription {
  const model = exampleModel(subject.models);
  const schema = inferRequestSchema;
  const lengthHeader: Parameter = {
    name: LENGTH_HEADER,
    in: 'header',
    description: 'Bytes of the JSON, behind which the tensors lie as bytes; 0 = the body is one tensor.',
    schema: text,
  };
  return {
    tag: 'Models',
    summary: `Run a model on tensors${path === MODEL ? '' : ', in one version'}`,
    description: `${modelSentences(subject)} With the binary extension the tensors lie as bytes behind the JSON, and \`binary_data_size\` says how many are one's.`,
    parameters: [...parameters(path, subject), lengthHeader],
    request: {
      content: {
        ...json(schema, model && inferExample(model)),
        'application/octet-stream': {
          schema: { description: 'JSON and the bytes of tensors.' },
          ...(model === undefined ? {} : { example: JSON.stringify(inferExample(model)) }),
        },
      },
    },
    answers: {
      200: {
        description: 'The outputs that were asked for, or all.',
        content: {
          ...json(inferAnswerSchema),
          'application/octet-stream': { schema: { description: 'JSON and the bytes of tensors.' } },
        },
      },
    },
    errors: [
      ...jsonErrors,
      ...notThere(path),
      'TOO_MANY_ROWS',
      'UNSUPPORTED_MEDIA_TYPE',
      'MODEL_FAILED',
      'WORKER_LOST',
    ],
  };
}

function modelSentences({ models }: Subject): string {
  const ready = models.list().filter((model) => model.state === 'ready');
  return ready
    .map(
      ({ name, version, inputs }) => `\`${name}\` version ${version}: ${inputs.map(tensorText).join(', ')}.`,
    )
    .join(' ');
}

function tensorText({ name, elementType, shape }: TensorSpec): string {
  return `\`${name}\` ${datatypes[elementType]}[${shape.map((dim) => dim ?? -1).join(', ')}]`;
}

/** One row of zeros. */
function inferExample({ inputs }: RawModel): JsonObject {
  return { id: 'example', inputs: inputs.map(exampleTensor) };
}

function exampleTensor({ name, elementType, shape }: TensorSpec): JsonObject {
  const dims = shape.map((dim) => dim ?? 1);
  const size = dims.reduce((product, dim) => product * dim, 1);
  const data = Array.from({ length: size }, (): JsonValue => zeroOf(elementType));
  return { name, shape: dims, datatype: datatypes[elementType], data };
}

function zeroOf(elementType: TensorSpec['elementType']): JsonValue {
  if (elementType === 'string') return '';
  return elementType === 'bool' ? false : 0;
}
