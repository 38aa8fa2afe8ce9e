/** The calls about the server itself. */
import { json } from './description.ts';
import type { Descriptions, RouteDescription } from './description.ts';
import { constant, object, text } from './json-schema.ts';

const ready = (isReady: boolean): ReturnType<typeof json> => json(object({ ready: constant(isReady) }));

function readiness(summary: string): RouteDescription {
  return {
    tag: 'Server',
    summary,
    answers: {
      200: { description: 'It is ready for calls.', content: ready(true) },
      503: { description: 'It loads models, or it is stopping.', content: ready(false) },
    },
  };
}

export const serverDescriptions: Descriptions = {
  'get /health': () => [readiness("Whether the server is ready, under Feast's name")],
  'get /v2/health/ready': () => [readiness('Whether the server is ready')],
  'get /v2/health/live': () => [
    {
      tag: 'Server',
      summary: 'Whether the server lives',
      answers: { 200: { description: 'It does.', content: json(object({ live: constant(true) })) } },
    },
  ],
  'get /metrics': () => [
    {
      tag: 'Server',
      summary: 'Metrics of Prometheus',
      answers: {
        200: { description: 'The text format of Prometheus.', content: { 'text/plain': { schema: text } } },
      },
    },
  ],
  'get /openapi.json': () => [
    {
      tag: 'Server',
      summary: 'This document',
      parameters: [
        {
          name: 'if-none-match',
          in: 'header',
          description: 'The ETag of the document that is known.',
          schema: text,
        },
      ],
      answers: {
        200: { description: 'OpenAPI 3.1.', content: json({ type: 'object' }) },
        304: { description: 'It has not changed.' },
      },
      errors: ['NOT_READY'],
    },
  ],
  'get /docs': () => [
    {
      tag: 'Server',
      summary: 'This document as a page to read and to try',
      answers: { 200: { description: 'A page.', content: { 'text/html': { schema: text } } } },
    },
  ],
};
