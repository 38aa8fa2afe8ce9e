/** The predict calls: one path for each endpoint, with its own fields. */
import type { ElementType } from '../../inference/session.ts';
import type { ErrorCode } from '../../errors.ts';
import type { JsonObject } from '../../project/json-text.ts';
import type { Endpoint, Limits, RequestField } from '../../project/project.ts';
import type { AnswerFieldShape, AnswerShape } from '../../serving/answer-shape.ts';
import { json } from './description.ts';
import type { Descriptions, Parameter, RouteDescription, Subject } from './description.ts';
import * as schemas from './json-schema.ts';
import type { Schema } from './json-schema.ts';
import { traceSchema } from './trace-schema.ts';
import { exampleValue, timestampSchema, valueSchema } from './value-schema.ts';

const PATH = '/v1/endpoints/:endpoint/predict';
const { array, constant, described, object, text } = schemas;

const errors: readonly ErrorCode[] = [
  'TOO_MANY_ROWS',
  'KEY_TOO_LONG',
  'UNKNOWN_ENDPOINT',
  'MODEL_FAILED',
  'NOT_READY',
  'STORE_FAILED',
  'WORKER_LOST',
];

export const predictDescriptions: Descriptions = {
  [`post ${PATH}`]: (subject) =>
    [...subject.project.endpoints.values()].map((endpoint) => describeEndpoint(endpoint, subject)),
};

function describeEndpoint(endpoint: Endpoint, { project, answers }: Subject): RouteDescription {
  const { name, variants } = endpoint;
  const isSplit = variants.length > 1;
  return {
    path: PATH.replace(':endpoint', name),
    tag: 'Predictions',
    summary: `Predict with ${name}`,
    description: [
      'One prediction per row, in the order of the rows. A field stands in `context`, for all rows, or in the rows, not in both.',
      variantSentence(endpoint),
    ].join(' '),
    parameters: isSplit ? callerParameters(endpoint) : [],
    request: { content: json(requestSchema(endpoint, project.limits), exampleRequest(endpoint)) },
    answers: {
      200: { description: 'The predictions.', content: json(answerSchema(name, answers.get(name) ?? [])) },
    },
    errors: isSplit ? [...errors, 'UNKNOWN_VARIANT', 'FORCING_REFUSED'] : errors,
  };
}

function variantSentence({ variants }: Endpoint): string {
  const models = variants.map(({ name, model }) => `\`${name}\` (${model.model}@${model.version})`);
  return `Variants: ${models.join(', ')}.`;
}

function callerParameters({ name, unit, variants }: Endpoint): readonly Parameter[] {
  const header = (title: string, description: string): Parameter => ({
    name: title,
    in: 'header',
    description,
    schema: text,
  });
  const known = variants.map((variant) => variant.name).join(', ');
  const forced = [
    header('x-millrace-variant', `\`${name}=VARIANT\` asks for one of ${known}. Needs the key.`),
    header('x-millrace-force-key', 'The key that the server was given for choosing variants.'),
    header('x-forwarded-user-agent', 'The user agent of the person that is asked for, to tell bots apart.'),
  ];
  if (unit === undefined || unit.kind === 'field') return forced;
  const session: Parameter = {
    name: unit.name,
    in: 'header',
    description: 'What is bucketed between variants: the id of a session or person.',
    schema: text,
  };
  return unit.kind === 'header' ? [session, ...forced] : forced;
}

function requestSchema({ name, request }: Endpoint, { rowsMax }: Limits): Schema {
  const needed = request.filter(({ optional }) => !optional).map((field) => field.name);
  const common = {
    as_of: described(
      schemas.nullable(timestampSchema),
      "The time that ages and time functions count from; default: the server's clock.",
    ),
    trace: { type: ['boolean', 'null'], description: 'true adds what the model saw.' },
  };
  const rowsOf = (required: readonly string[]): Schema =>
    array(object(fieldSchemas(request), required), {
      maxItems: rowsMax,
      description: 'One object for each prediction.',
    });
  const context = object(fieldSchemas(request), []);
  return {
    title: `Request of ${name}`,
    anyOf: [
      {
        title: 'Every row by itself',
        ...object({ rows: rowsOf(needed), context: { type: 'null' }, ...common }, ['rows']),
      },
      {
        title: 'Rows that share fields',
        ...object(
          {
            context: described(context, 'Fields that all rows share; what is needed stands here or there.'),
            rows: rowsOf([]),
            ...common,
          },
          ['context', 'rows'],
        ),
      },
    ],
  };
}

function fieldSchemas(fields: readonly RequestField[]): Record<string, Schema> {
  return Object.fromEntries(fields.map(({ name, type, optional }) => [name, valueSchema(type, optional)]));
}

function exampleRequest({ request }: Endpoint): JsonObject {
  return { rows: [Object.fromEntries(request.map(({ name, type }) => [name, exampleValue(type, name)]))] };
}

function answerSchema(endpoint: string, shapes: readonly AnswerShape[]): Schema {
  const names = (pick: (shape: AnswerShape) => string): Schema =>
    schemas.oneOfNames(new Set(shapes.map(pick)));
  return object(
    {
      request_id: described(text, 'To name it by in feedback, and in the log.'),
      endpoint: constant(endpoint),
      model: names(({ model }) => model),
      version: names(({ version }) => version),
      variant: described(
        names(({ variant }) => variant),
        'Which of the variants has answered.',
      ),
      predictions: array(schemas.anyOf(shapes.map(({ fields }) => predictionSchema(fields))), {
        description: 'One for each row, in their order.',
      }),
      trace: traceSchema,
    },
    ['request_id', 'endpoint', 'model', 'version', 'variant', 'predictions'],
  );
}

function predictionSchema(fields: readonly AnswerFieldShape[]): Schema {
  return object(Object.fromEntries(fields.map((field) => [field.name, outputSchema(field)])));
}

function outputSchema({ elementType, width }: AnswerFieldShape): Schema {
  const element = elementSchema(elementType);
  if (width === 1) return element;
  if (width !== undefined) return array(element, { minItems: width, maxItems: width });
  return { anyOf: [element, array(element)] };
}

function elementSchema(elementType: ElementType): Schema {
  if (elementType === 'string') return text;
  if (elementType === 'bool') return schemas.truth;
  const isFloat = elementType.startsWith('float');
  return isFloat
    ? { type: ['number', 'null'], description: `${elementType}; null where it is no finite number` }
    : { type: 'integer', description: elementType };
}
