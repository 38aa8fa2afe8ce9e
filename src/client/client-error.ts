/** What every call of the client rejects with, and how the body of an error becomes one. */

/** One of several places that are wrong. */
export interface ErrorPlace {
  /** As in the request: `rows[0].distance`. */
  readonly path: string;
  readonly message: string;
}

/**
 * Codes of the client itself. All others are those of the server (docs/errors.md).
 *
 * TIMEOUT         the call took longer than its `timeoutMs`
 * NETWORK         the server could not be reached, or the connection broke before the answer
 * BAD_ANSWER      what came is no answer of Millrace: another server, or a proxy
 * CLOSED          the client was closed
 * OUTBOX_FULL     the outbox holds as many events as it may
 * STORAGE_FAILED  the storage of the outbox could not be read or written
 */
export type ClientCode = 'TIMEOUT' | 'NETWORK' | 'BAD_ANSWER' | 'CLOSED' | 'OUTBOX_FULL' | 'STORAGE_FAILED';

export interface ClientErrorOptions {
  readonly status?: number | undefined;
  readonly requestId?: string | undefined;
  readonly details?: readonly ErrorPlace[] | undefined;
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

/** An error with a code to act on: one of the server's (docs/errors.md), or one of `ClientCode`. */
export class MillraceClientError extends Error {
  override readonly name = 'MillraceClientError';
  readonly code: ClientCode | (string & Record<never, never>);
  /** Of HTTP; undefined over WebSocket, and where there was no answer. */
  readonly status: number | undefined;
  /** Under which the server's log has the call; undefined where there was no answer. */
  readonly requestId: string | undefined;
  /** Up to 20 places that are wrong. */
  readonly details: readonly ErrorPlace[] | undefined;
  /** When the server thinks that a retry has a chance. */
  readonly retryAfterMs: number | undefined;

  constructor(code: string, message: string, options: ClientErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.status = options.status;
    this.requestId = options.requestId;
    this.details = options.details;
    this.retryAfterMs = options.retryAfterMs;
  }
}

export interface AnswerHead {
  readonly status?: number;
  /** The header `Retry-After`, for answers that no Millrace has written. */
  readonly retryAfter?: string | null;
}

/** The error in the body of an answer: `{"error", "code", "request_id", "details"?, "retry_after_ms"?}`. */
export function errorOf(body: unknown, { status, retryAfter }: AnswerHead = {}): MillraceClientError {
  const fields = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  const { error, code, request_id: requestId, details, retry_after_ms: retryAfterMs } = fields;
  const waitMs = typeof retryAfterMs === 'number' ? retryAfterMs : waitOf(retryAfter ?? null);
  if (typeof code !== 'string' || typeof error !== 'string') {
    const sentence = `The answer${status === undefined ? '' : ` with status ${status}`} is not one of Millrace; look at the url of the client and at proxies before the server.`;
    return new MillraceClientError('BAD_ANSWER', sentence, { status, retryAfterMs: waitMs });
  }
  return new MillraceClientError(code, error, {
    status,
    requestId: typeof requestId === 'string' ? requestId : undefined,
    details: Array.isArray(details) ? (details as readonly ErrorPlace[]) : undefined,
    retryAfterMs: waitMs,
  });
}

/** Seconds or a date. */
function waitOf(retryAfter: string | null): number | undefined {
  if (retryAfter === null || retryAfter.trim() === '') return undefined;
  const seconds = Number(retryAfter);
  const waitMs = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(retryAfter) - Date.now();
  return Number.isFinite(waitMs) ? Math.max(0, waitMs) : undefined;
}
