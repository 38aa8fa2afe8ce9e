/**
 * The OpenAPI 3.1 document of a server: every route of its table, with the endpoints, views, event types and limits of
 * the project. Whom a call takes, and what may be wrong with its body, is made of the route itself.
 */
import { scopes as allScopes } from '../../access/scope.ts';
import type { RouteScopes } from '../../access/scope.ts';
import type { JsonObject, JsonValue } from '../../project/json-text.ts';
import type { Route } from '../route.ts';
import { tags } from './description.ts';
import type { Descriptions, Media, Parameter, RouteDescription, Subject } from './description.ts';
import { documentText } from './document-text.ts';
import { errorAnswers, errorCodes, errorHeaders, errorSchema } from './error-answers.ts';
import { eventDescriptions } from './event-descriptions.ts';
import { featureDescriptions } from './feature-descriptions.ts';
import { inferenceDescriptions } from './inference-descriptions.ts';
import { modelDescriptions } from './model-descriptions.ts';
import { predictDescriptions } from './predict-descriptions.ts';
import { rolloutDescriptions } from './rollout-descriptions.ts';
import { serverDescriptions } from './server-descriptions.ts';

const descriptions: Descriptions = {
  ...predictDescriptions,
  ...featureDescriptions,
  ...eventDescriptions,
  ...rolloutDescriptions,
  ...inferenceDescriptions,
  ...modelDescriptions,
  ...serverDescriptions,
};

/** @param rolloutSchema of the section `rollout` */
export function openApiDocument(
  routes: readonly Route[],
  subject: Subject,
  rolloutSchema: JsonObject,
): JsonObject {
  const paths: Record<string, Record<string, JsonObject>> = {};
  for (const route of routes) {
    for (const description of describe(route, subject)) {
      const path = (description.path ?? route.path).replaceAll(/:(\w+)/g, '{$1}');
      const methods = (paths[path] ??= {});
      methods[route.method] = operation(route, path, description, subject.isOpen);
    }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: `Millrace: ${subject.project.name}`,
      version: subject.version,
      description: documentText(subject),
    },
    servers: [{ url: '/' }],
    tags: Object.entries(tags).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      schemas: { Error: errorSchema, Rollout: rolloutSchema },
      headers: errorHeaders,
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description: `A key of the server, or a token (JWT) of its identity provider. Scopes: ${allScopes.join(', ')}.`,
        },
        apiKey: { type: 'apiKey', in: 'header', name: 'x-api-key', description: 'The same.' },
      },
    },
  };
}

/** A route that nobody has described stands there with what its table says. */
function describe(route: Route, subject: Subject): readonly RouteDescription[] {
  const found = descriptions[`${route.method} ${route.path}`];
  return (
    found?.(subject) ?? [{ tag: 'Server', summary: route.name, answers: { 200: { description: 'Done.' } } }]
  );
}

function operation(
  route: Route,
  path: string,
  { tag, summary, description, parameters = [], request, answers, errors = [] }: RouteDescription,
  isOpen: boolean,
): JsonObject {
  const words = path.replace(/\/$/, '/slash').split(/[^A-Za-z0-9.]+/);
  return {
    operationId: [route.method, ...words.filter((word) => word !== '')].join('-'),
    tags: [tag],
    summary,
    description: [description, scopeSentence(route.scopes)].filter(Boolean).join('\n\n'),
    security: security(route.scopes, isOpen),
    parameters: parameters.length === 0 ? undefined : parameters.map(parameterJson),
    requestBody: request && {
      required: request.isOptional !== true,
      content: contentJson(request.content),
    },
    responses: responses(answers, errorAnswers(errorCodes(route, errors))),
  };
}

function scopeSentence(scopes: RouteScopes): string {
  if (scopes === 'anyone') return 'Anybody may call it.';
  if (scopes === 'any key') return 'Any key or token may call it.';
  return `Scope: ${scopes.map((scope) => `\`${scope}\``).join(' or ')}.`;
}

/** One of the alternatives is enough. */
function security(scopes: RouteScopes, isOpen: boolean): readonly JsonObject[] {
  if (scopes === 'anyone') return [];
  const needed = scopes === 'any key' ? [[]] : scopes.map((scope) => [scope]);
  const alternatives = needed.flatMap((scope) => [{ bearer: scope }, { apiKey: scope }]);
  return isOpen ? [{}, ...alternatives] : alternatives;
}

function parameterJson({ required = false, example, ...parameter }: Parameter): JsonObject {
  return { ...parameter, required, example };
}

function contentJson(content: Readonly<Record<string, Media>>): JsonObject {
  return Object.fromEntries(
    Object.entries(content).map(([type, { schema, example }]) => [type, { schema, example }]),
  );
}

function responses(
  answers: RouteDescription['answers'],
  errors: ReadonlyMap<number, JsonObject>,
): Record<string, JsonObject> {
  const all: Record<string, JsonObject> = {};
  for (const [status, { description, content }] of Object.entries(answers))
    all[status] = { description, content: content && contentJson(content) };
  for (const [status, answer] of errors) {
    const own = all[status];
    all[status] = own === undefined ? answer : either(own, answer);
  }
  return all;
}

function schemaOf(answer: JsonObject): JsonValue {
  return ((answer['content'] as JsonObject)['application/json'] as JsonObject)['schema'];
}

/** A status that says two things. */
function either(own: JsonObject, error: JsonObject): JsonObject {
  return {
    ...error,
    description: `${own['description'] as string}\n${error['description'] as string}`,
    content: { 'application/json': { schema: { anyOf: [schemaOf(own), schemaOf(error)] } } },
  };
}
