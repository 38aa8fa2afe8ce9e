/** The calls that read and change rollouts. */
import type { ErrorCode } from '../../errors.ts';
import type { JsonObject } from '../../project/json-text.ts';
import type { Endpoint } from '../../project/project.ts';
import type { SimpleAction } from '../../rollouts/rollout-control.ts';
import { json } from './description.ts';
import type { Descriptions, Parameter, RouteDescription, Subject } from './description.ts';
import { count, described, object, oneOfNames, reference, text } from './json-schema.ts';
import type { Schema } from './json-schema.ts';
import { auditSchema, overviewSchema, statusSchema } from './rollout-schemas.ts';

const PATH = '/v1/endpoints/:endpoint/rollout';
const changing: readonly ErrorCode[] = ['UNKNOWN_ENDPOINT', 'ROLLOUT_CONFLICT', 'NOT_READY', 'STORE_FAILED'];

const actions: Readonly<Record<SimpleAction, string>> = {
  promote: 'Give everybody the candidate of a canary',
  step: 'Take a canary to its next step',
  pause: 'Keep a canary at its step',
  resume: 'Let a paused canary go on',
  rollback: 'Give everybody the variant that the candidate was to replace',
};

export const rolloutDescriptions: Descriptions = {
  'get /v1/rollouts': () => [
    {
      tag: 'Rollouts',
      summary: 'What is in effect of all endpoints, in short',
      answers: { 200: { description: 'One for each endpoint.', content: json(overviewSchema) } },
      errors: ['NOT_READY', 'STORE_FAILED'],
    },
  ],
  [`get ${PATH}`]: (subject) => [
    {
      tag: 'Rollouts',
      summary: 'What is in effect of an endpoint, and what has been seen of it',
      parameters: [endpointParameter(subject)],
      answers: status,
      errors: ['UNKNOWN_ENDPOINT', 'NOT_READY', 'STORE_FAILED'],
    },
  ],
  [`put ${PATH}`]: (subject) => [describePut(subject)],
  [`get ${PATH}/audit`]: (subject) => [
    {
      tag: 'Rollouts',
      summary: 'Who has changed it, the latest first',
      parameters: [
        endpointParameter(subject),
        {
          name: 'count',
          in: 'query',
          description: 'How many changes; default 50.',
          schema: { type: 'integer', minimum: 1, maximum: 200 },
          example: 10,
        },
      ],
      answers: { 200: { description: 'The changes.', content: json(auditSchema) } },
      errors: ['INVALID_REQUEST', 'UNKNOWN_ENDPOINT', 'NOT_READY', 'STORE_FAILED'],
    },
  ],
  ...Object.fromEntries(
    Object.entries(actions).map(([action, summary]) => [
      `post ${PATH}/${action}`,
      (subject: Subject) => [describeAction(subject, summary)],
    ]),
  ),
};

const status = { 200: { description: 'What is in effect now.', content: json(statusSchema) } };

/** Changes are shown on an endpoint of which there is something to choose. */
function exampleEndpoint({ project }: Subject): Endpoint | undefined {
  const endpoints = [...project.endpoints.values()];
  return endpoints.find(({ variants }) => variants.length > 1) ?? endpoints[0];
}

function endpointParameter(subject: Subject): Parameter {
  const example = exampleEndpoint(subject)?.name;
  return {
    name: 'endpoint',
    in: 'path',
    description: 'An endpoint of the project.',
    required: true,
    schema: example === undefined ? text : oneOfNames(subject.project.endpoints.keys()),
    ...(example === undefined ? {} : { example }),
  };
}

const note = {
  version: described(count, 'The version that the change is made for, as GET tells it.'),
  by: { type: 'string', maxLength: 1000, description: 'Who changes it; default "api".' },
  reason: { type: 'string', maxLength: 1000 },
} satisfies Record<string, Schema>;

function describePut(subject: Subject): RouteDescription {
  const endpoint = exampleEndpoint(subject);
  return {
    tag: 'Rollouts',
    summary: 'Change the rollout of an endpoint',
    description:
      'It begins anew, as the section says. It is refused if somebody has changed it since that version.',
    parameters: [endpointParameter(subject)],
    request: {
      content: json(
        object({ ...note, rollout: reference('Rollout') }, ['version', 'rollout']),
        endpoint && {
          version: subject.rolloutVersion(endpoint.name),
          by: 'docs',
          reason: 'an example',
          rollout: exampleRollout(endpoint),
        },
      ),
    },
    answers: status,
    errors: [...changing, 'INVALID_ROLLOUT'],
  };
}

/** A canary where there is something to change over to. */
function exampleRollout({ variants }: Endpoint): JsonObject {
  const [first, second] = variants;
  if (second === undefined) return { serve: first?.name };
  return { serve: first?.name, canary: { candidate: second.name, steps: [5, 25, 100], interval: '10m' } };
}

function describeAction(subject: Subject, summary: string): RouteDescription {
  return {
    tag: 'Rollouts',
    summary,
    description: 'Where there is no canary in a state for it, the answer is NO_CANARY.',
    parameters: [endpointParameter(subject)],
    request: { content: json(object(note, []), { by: 'docs', reason: 'an example' }) },
    answers: status,
    errors: [...changing, 'NO_CANARY'],
  };
}
