/** The errors of a call: those that follow from whom it takes and what its body is, and those that its own work may have. */
import { errorCatalogue } from '../../errors.ts';
import type { ErrorCode } from '../../errors.ts';
import type { JsonObject } from '../../project/json-text.ts';
import type { Route } from '../route.ts';
import { array, object, reference, text } from './json-schema.ts';
import type { Schema } from './json-schema.ts';

const DETAILS_MAX = 20;

export const errorSchema: Schema = {
  description: 'What every error has as its body.',
  ...object(
    {
      error: { type: 'string', description: 'A sentence that names the place and the remedy.' },
      code: { type: 'string', enum: Object.keys(errorCatalogue) },
      request_id: { type: 'string', description: 'Under which the log has the cause.' },
      retry_after_ms: {
        type: 'integer',
        minimum: 1,
        description:
          'There with 429, and with 503 where waiting helps: when a retry has a chance, in milliseconds.',
      },
      details: array(object({ path: text, message: text }), {
        maxItems: DETAILS_MAX,
        description: 'There when places of the request can be named.',
      }),
    },
    ['error', 'code', 'request_id'],
  ),
};

/** Of a body that is JSON. */
export const jsonErrors: readonly ErrorCode[] = [
  'MALFORMED_JSON',
  'INVALID_ENCODING',
  'EMPTY_BODY',
  'DUPLICATE_FIELD',
  'NESTED_TOO_DEEP',
  'INVALID_REQUEST',
];

export function errorCodes(
  { method, scopes, body, isChange = false }: Route,
  own: readonly ErrorCode[],
): readonly ErrorCode[] {
  const codes = new Set<ErrorCode>();
  const add = (...more: readonly ErrorCode[]): void => more.forEach((code) => codes.add(code));
  add('HOST_REFUSED');
  if (method !== 'get') add('ORIGIN_REFUSED');
  if (body === 'json') add(...jsonErrors, 'UNSUPPORTED_MEDIA_TYPE');
  if (body !== 'none') add('BODY_TOO_LARGE', 'REQUEST_TIMEOUT', 'OVERLOADED');
  if (scopes !== 'anyone') add('UNAUTHENTICATED', 'RATE_LIMITED', 'TOKEN_KEYS_AWAY');
  if (typeof scopes !== 'string') add('FORBIDDEN');
  add(...own, 'INTERNAL');
  if (!isChange) add('DEADLINE_EXCEEDED');
  return [...codes];
}

/** One response for each status. */
export function errorAnswers(codes: readonly ErrorCode[]): ReadonlyMap<number, JsonObject> {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of codes) {
    const { status } = errorCatalogue[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  const entries = [...byStatus].toSorted(([a], [b]) => a - b);
  return new Map(entries.map(([status, own]) => [status, errorAnswer(status, own)]));
}

function errorAnswer(status: number, codes: readonly ErrorCode[]): JsonObject {
  return {
    description: codes.map((code) => `- \`${code}\`: ${errorCatalogue[code].meaning}`).join('\n'),
    headers: headersOf(status),
    content: {
      'application/json': { schema: { ...reference('Error'), properties: { code: { enum: codes } } } },
    },
  };
}

function header(name: string): JsonObject {
  return { [name]: { $ref: `#/components/headers/${name}` } };
}

function headersOf(status: number): JsonObject | undefined {
  if (status === 401) return header('WWW-Authenticate');
  return status === 429 || status === 503 ? header('Retry-After') : undefined;
}

export const errorHeaders: JsonObject = {
  'Retry-After': {
    description: 'Seconds after which a retry has a chance; `retry_after_ms` says it in milliseconds.',
    schema: { type: 'integer', minimum: 1 },
  },
  'WWW-Authenticate': { description: 'Bearer.', schema: text },
};
