/** Errors as callers are told of them, over HTTP and WebSocket alike. */
import { MillraceError, errorCatalogue } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';
import type { JsonObject } from '../project/json-text.ts';
import type { Log } from '../telemetry/log.ts';
import type { SpanIds } from '../telemetry/tracing.ts';

/**
 * Errors that the server's own state explains; metrics count them, and a log of each would add to the load. Why a model
 * is unavailable was told when it was not loaded, and anybody may ask for it as often as they like.
 */
const expectedCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'NOT_READY',
  'DEADLINE_EXCEEDED',
  'MODEL_UNAVAILABLE',
]);

/** Their sentence says it all: where in the program it was noticed would tell an operator nothing. */
const explainedCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['MODEL_FAILED', 'STORE_FAILED']);

const RETRY_AFTER_MS_MIN = 1000;

/** The error as the caller may see it. The log gets what the caller does not: the cause. */
export function toKnownError(
  error: unknown,
  log: Log,
  requestId: string,
  route: string,
  span?: SpanIds,
): MillraceError {
  const known =
    error instanceof MillraceError
      ? error
      : new MillraceError('INTERNAL', errorCatalogue.INTERNAL.meaning, { cause: error });
  const context = { request_id: requestId, route, ...span };
  if (explainedCodes.has(known.code)) log.warn({ ...context, cause: String(known.cause) }, known.message);
  else if (known.status >= 500 && !expectedCodes.has(known.code)) {
    log.error({ ...context, err: error }, 'request failed');
  }
  return known;
}

/** The body that every error has. */
export function errorBody(error: MillraceError, requestId: string): JsonObject {
  return {
    error: error.message,
    code: error.code,
    request_id: requestId,
    retry_after_ms: retryAfterMsOf(error),
    details: error.details?.map((detail) => ({ ...detail })),
  };
}

/** As `Retry-After` says it over HTTP: undefined for errors that a retry does not mend. */
export function retryAfterMsOf({ code, status, retryAfterMs = 0 }: MillraceError): number | undefined {
  if (code === 'MODEL_UNAVAILABLE') return undefined;
  if (status !== 429 && status !== 503) return undefined;
  return Math.max(RETRY_AFTER_MS_MIN, Math.ceil(retryAfterMs));
}

export function deadlineExceeded(timeoutMs: number): MillraceError {
  return new MillraceError('DEADLINE_EXCEEDED', `The answer took longer than ${timeoutMs} ms.`);
}

export function bodyTooLarge(bytesMax: number): MillraceError {
  return new MillraceError('BODY_TOO_LARGE', `The body is larger than ${bytesMax} bytes.`);
}
