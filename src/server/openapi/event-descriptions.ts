/** The calls that take events and feedback, with the event types of the project. */
import type { ErrorCode } from '../../errors.ts';
import { EVENT_ID_BYTES_MAX } from '../../events/event.ts';
import type { JsonObject } from '../../project/json-text.ts';
import type { EventType, Project } from '../../project/project.ts';
import type { AnswerDescription, Descriptions, Media, RouteDescription, Subject } from './description.ts';
import { json } from './description.ts';
import { jsonErrors } from './error-answers.ts';
import { anyOf, array, constant, count, described, nullable, number, object, text } from './json-schema.ts';
import type { Schema } from './json-schema.ts';
import { exampleTime, exampleValue, timestampSchema, valueSchema } from './value-schema.ts';

export const eventDescriptions: Descriptions = {
  'post /v1/events': (subject) => [describeEvents(subject)],
  'post /v1/feedback': (subject) => [describeFeedback(subject)],
};

const errors: readonly ErrorCode[] = [
  ...jsonErrors,
  'TOO_MANY_EVENTS',
  'KEY_TOO_LONG',
  'UNKNOWN_EVENT',
  'UNKNOWN_ROUTE',
  'EVENT_TOO_LARGE',
  'UNSUPPORTED_MEDIA_TYPE',
  'NOT_READY',
  'STORE_FAILED',
];

const id: Schema = {
  type: ['string', 'null'],
  minLength: 1,
  maxLength: EVENT_ID_BYTES_MAX,
  description: 'What is sent again with the same id counts once. Without one, one is made.',
};

function describeEvents({ project }: Subject): RouteDescription {
  const types = [...project.eventTypes.values()];
  const { eventsMax, eventBytesMax } = project.streaming;
  const [first] = types;
  const own = first === undefined ? { type: 'object' } : anyOf(types.map(eventSchema));
  const cloud = first === undefined ? { type: 'object' } : anyOf(types.map(cloudEventSchema));
  return {
    tag: 'Events',
    summary: 'Send events',
    description: [
      `One, an array or NDJSON, at most ${eventsMax} of at most ${eventBytesMax} bytes each, plain or with \`content-encoding: gzip\`.`,
      'Each is judged by itself; the call fails if none is accepted. What was accepted is durable when it is answered.',
      first === undefined
        ? 'This project has no event types, so the call is answered with UNKNOWN_ROUTE.'
        : '',
    ].join(' '),
    request: {
      content: {
        ...oneOrMany(anyOf([own, cloud]), eventsMax, first && eventExample(first)),
        'application/cloudevents+json': media(cloud, first && cloudExample(first)),
        'application/cloudevents-batch+json': media(
          array(cloud, { maxItems: eventsMax }),
          first && [cloudExample(first)],
        ),
      },
    },
    answers: { 202: accepted('events') },
    errors,
  };
}

function media(schema: Schema, example: Media['example']): Media {
  return example === undefined ? { schema } : { schema, example };
}

function oneOrMany(
  one: Schema,
  countMax: number,
  example: JsonObject | undefined,
): Readonly<Record<string, Media>> {
  const lines = described(text, 'One JSON object a line.');
  return {
    'application/json': media(anyOf([one, array(one, { maxItems: countMax })]), example),
    'application/x-ndjson': media(lines, example && `${JSON.stringify(example)}\n`),
  };
}

function fieldsSchema({ fields }: EventType): Schema {
  return object(
    Object.fromEntries(fields.map(({ name, type, optional }) => [name, valueSchema(type, optional)])),
    fields.filter(({ optional }) => !optional).map(({ name }) => name),
  );
}

function eventSchema(type: EventType): Schema {
  const { name, timeField } = type;
  const time =
    timeField === undefined
      ? described(nullable(timestampSchema), 'When it happened; default: now.')
      : { type: 'null', description: `\`fields.${timeField.name}\` says when it happened.` };
  const isEmpty = type.fields.every(({ optional }) => optional);
  return {
    title: name,
    ...object(
      { type: constant(name), id, time, fields: fieldsSchema(type) },
      isEmpty ? ['type'] : ['type', 'fields'],
    ),
  };
}

function cloudEventSchema(type: EventType): Schema {
  return {
    title: `${type.name} as a CloudEvent`,
    type: 'object',
    properties: {
      specversion: constant('1.0'),
      id: { type: 'string', minLength: 1 },
      source: { type: 'string', pattern: '^\\S+$' },
      type: constant(type.name),
      time: nullable(timestampSchema),
      datacontenttype: text,
      data: fieldsSchema(type),
    },
    required: ['specversion', 'id', 'source', 'type'],
  };
}

function exampleFields({ fields }: EventType): JsonObject {
  return Object.fromEntries(fields.map(({ name, type }) => [name, exampleValue(type, name)]));
}

/** With an id, so that sending it again changes nothing. */
function eventExample(type: EventType): JsonObject {
  return { type: type.name, id: `example-${type.name}`, fields: exampleFields(type) };
}

function cloudExample(type: EventType): JsonObject {
  const { name, timeField } = type;
  const time = timeField === undefined ? exampleTime : undefined;
  return {
    specversion: '1.0',
    id: `example-${name}`,
    source: '/docs',
    type: name,
    time,
    data: exampleFields(type),
  };
}

function accepted(list: 'events' | 'feedback'): AnswerDescription {
  const outcome = anyOf([
    object({ status: { enum: ['accepted', 'duplicate'] }, id: text }),
    object({ status: constant('rejected'), code: text, path: text, message: text }),
  ]);
  return {
    description: 'What became of each, in the order of the call.',
    content: json(object({ [list]: array(outcome) })),
  };
}

function describeFeedback({ project }: Subject): RouteDescription {
  const { eventsMax } = project.streaming;
  const isLogged = hasLog(project);
  return {
    tag: 'Events',
    summary: 'Tell what came of predictions',
    description: [
      `One, an array or NDJSON, at most ${eventsMax}.`,
      isLogged
        ? ''
        : 'No endpoint of this project logs its predictions, so the call is answered with UNKNOWN_ROUTE.',
    ].join(' '),
    request: { content: oneOrMany(feedbackSchema, eventsMax, feedbackExample) },
    answers: { 202: accepted('feedback') },
    errors: errors.filter((code) => code !== 'UNKNOWN_EVENT' && code !== 'EVENT_TOO_LARGE'),
  };
}

function hasLog({ endpoints }: Project): boolean {
  return [...endpoints.values()].some(({ log }) => log.sample > 0);
}

const feedbackSchema: Schema = {
  ...object(
    {
      request_id: { type: 'string', minLength: 1, maxLength: 128, description: 'Of the answer.' },
      row: described(nullable(count), 'Which row of the request, from 0; without it, all of them.'),
      label: { type: ['string', 'number', 'boolean', 'null'], description: 'What it was.' },
      reward: described(nullable(number), 'What it was worth.'),
      click: { type: ['boolean', 'null'] },
      time: described(nullable(timestampSchema), 'When it was known; default: now.'),
      id,
    },
    ['request_id'],
  ),
  anyOf: ['label', 'reward', 'click'].map((name) => ({ required: [name] })),
};

const feedbackExample: JsonObject = { request_id: 'example', row: 0, label: 1, id: 'example-feedback' };
