/**
 * The closed catalogue of operating errors: code -> HTTP status -> meaning. A code is part of the API: it never
 * changes its meaning. A programmer's mistake is not in here; that is an ordinary `Error`.
 */

export interface ErrorKind {
  /** The HTTP status with which the server answers. */
  readonly status: number;
  /** One sentence for the reference page: when this happens and what the caller can do. */
  readonly meaning: string;
}

export const errorCatalogue = {
  MALFORMED_JSON: { status: 400, meaning: 'The body is not valid JSON. The message names the position.' },
  MALFORMED_MESSAGE_PACK: {
    status: 400,
    meaning: 'The message is not valid MessagePack, or uses a type that has no meaning in a request.',
  },
  INVALID_ENCODING: { status: 400, meaning: 'The body is not valid UTF-8.' },
  EMPTY_BODY: { status: 400, meaning: 'The call needs a JSON body and got none.' },
  DUPLICATE_FIELD: { status: 400, meaning: 'A JSON object names the same field twice.' },
  NESTED_TOO_DEEP: { status: 400, meaning: 'The JSON is nested deeper than any valid request.' },
  INVALID_REQUEST: {
    status: 400,
    meaning: 'Fields are unknown, missing or of the wrong type. `details` lists each with its path.',
  },
  TOO_MANY_ROWS: {
    status: 400,
    meaning: 'The request has more rows than `limits.rows_max`, or its answer would be too large. Split it.',
  },
  TOO_MANY_EVENTS: {
    status: 400,
    meaning: 'The call has more events than `streaming.events_max`. Split it.',
  },
  KEY_TOO_LONG: { status: 400, meaning: 'The join keys of one entity are longer than a store key may be.' },
  UNAUTHENTICATED: {
    status: 401,
    meaning:
      'The call needs a key or a token and came without, or with one that is wrong, expired or revoked. Send it as `Authorization: Bearer <key>`.',
  },
  FORBIDDEN: {
    status: 403,
    meaning: 'The key or token is valid, but lacks the scope that the message names.',
  },
  RATE_LIMITED: {
    status: 429,
    meaning:
      'The key has made more calls than its rate allows. Retry after `retry_after_ms`, or the `Retry-After` seconds of HTTP.',
  },
  ORIGIN_REFUSED: {
    status: 403,
    meaning:
      'A web page of another host asked for a WebSocket, or for a change that it may not make. Name its origin with `--cors-origin`.',
  },
  HOST_REFUSED: {
    status: 403,
    meaning:
      'The server has no keys, and was called by a name that is not `localhost`, `127.0.0.1` or `[::1]`. Make a key, or start it with `--insecure`.',
  },
  UNKNOWN_ENDPOINT: { status: 404, meaning: 'No endpoint of this name is in the project file.' },
  UNKNOWN_ROUTE: { status: 404, meaning: 'No call has this path.' },
  UNKNOWN_FEATURE: {
    status: 404,
    meaning: 'No feature or feature view of this name is in the project file.',
  },
  UNKNOWN_EXPERIMENT: {
    status: 404,
    meaning: 'No experiment, canary or bandit of this name is in the project.',
  },
  UNKNOWN_EVENT: { status: 404, meaning: 'No event type of this name is in the project file.' },
  UNKNOWN_VARIANT: { status: 404, meaning: 'The endpoint has no variant of this name.' },
  UNKNOWN_MODEL: {
    status: 404,
    meaning: 'No model, or no version of it, has this name in the project folder.',
  },
  MODEL_UNAVAILABLE: {
    status: 503,
    meaning: 'The project has this model or version, but it is not loaded. The message says why.',
  },
  MODEL_IN_USE: {
    status: 409,
    meaning: 'The model answers an endpoint, so it cannot be unloaded. The message names the endpoint.',
  },
  CHANGE_REFUSED: {
    status: 422,
    meaning:
      'The project or the model, as its files are now, cannot be served. `details` lists what is wrong; what was served is served on.',
  },
  FORCING_REFUSED: {
    status: 403,
    meaning: 'The header `x-millrace-variant` needs the key of the server in `x-millrace-force-key`.',
  },
  NO_CANARY: {
    status: 409,
    meaning: 'The endpoint has no canary in a state that this can be done to. The message names the state.',
  },
  ROLLOUT_CONFLICT: {
    status: 409,
    meaning: 'The rollout was changed since the version that the call names. Read it again, and decide anew.',
  },
  INVALID_ROLLOUT: {
    status: 422,
    meaning: 'The rollout has mistakes. `details` lists each with its path. Nothing was changed.',
  },
  METHOD_NOT_ALLOWED: { status: 405, meaning: 'The path exists, but not with this HTTP method.' },
  REQUEST_TIMEOUT: { status: 408, meaning: 'The body did not arrive within `limits.body_timeout`.' },
  BODY_TOO_LARGE: { status: 413, meaning: 'The body is larger than `limits.body_bytes_max`.' },
  EVENT_TOO_LARGE: { status: 413, meaning: 'An event is larger than `streaming.event_bytes_max`.' },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, meaning: 'The content type is not `application/json`.' },
  UPGRADE_REQUIRED: { status: 426, meaning: 'The path takes WebSocket connections only.' },
  OVERLOADED: {
    status: 429,
    meaning:
      'Too many requests are in flight or wait for a model, or too many sockets are open. Retry after `retry_after_ms`, or the `Retry-After` seconds of HTTP.',
  },
  INTERNAL: { status: 500, meaning: 'A fault in the server. The log has the cause under the request id.' },
  MODEL_FAILED: {
    status: 422,
    meaning: 'The model rejected the values of this request. The log has the cause.',
  },
  STORE_FAILED: {
    status: 503,
    meaning: 'The online store could not be read or written (disk full, no permission, Redis away).',
  },
  TOKEN_KEYS_AWAY: {
    status: 503,
    meaning:
      'Tokens cannot be checked, because the public keys of their issuer could not be fetched. The log has the cause.',
  },
  WORKER_LOST: {
    status: 503,
    meaning: 'The worker thread that ran the model ended without an answer. Another one is started; retry.',
  },
  NOT_READY: {
    status: 503,
    meaning: 'The server is still loading models, or it is draining before it stops.',
  },
  DEADLINE_EXCEEDED: {
    status: 504,
    meaning: "The answer took longer than `limits.timeout`, or than the model's `timeout_ms`.",
  },
  INVALID_PROJECT: { status: 500, meaning: 'The project file has mistakes. Each names file, line and path.' },
  INVALID_MODEL: { status: 500, meaning: 'A model file is missing, corrupt or does not fit its model.yaml.' },
  STARTUP_FAILED: {
    status: 500,
    meaning: 'The server could not start (port in use, data folder not writable, Redis not there).',
  },
  KEYS_FAILED: {
    status: 500,
    meaning:
      'A file of keys has mistakes, or could not be read or written. Each message names the file and the path in it.',
  },
  LOAD_FAILED: { status: 500, meaning: 'A file could not be loaded into a feature view.' },
  REPLAY_FAILED: {
    status: 500,
    meaning:
      'Events could not be replayed into a training table. The message names the line of the file, or the option.',
  },
  EXPORT_FAILED: {
    status: 500,
    meaning: 'Predictions, a report or types could not be written to a file or to standard output.',
  },
  LOADTEST_FAILED: {
    status: 500,
    meaning: 'The load test could not run (server not reachable, or it refuses the requests).',
  },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof errorCatalogue;

/** One of several places that are wrong, as in the `details` of an error reply. */
export interface ErrorDetail {
  /** Where, as a path: `rows[3].distance`. */
  readonly path: string;
  readonly message: string;
}

export interface MillraceErrorOptions {
  readonly cause?: unknown;
  readonly details?: readonly ErrorDetail[] | undefined;
  readonly retryAfterMs?: number;
}

/** An operating error: something a caller, an operator or the environment did, with a code from the catalogue. */
export class MillraceError extends Error {
  override readonly name = 'MillraceError';
  readonly code: ErrorCode;
  readonly details: readonly ErrorDetail[] | undefined;
  /** When a retry has a chance, for `Retry-After`; undefined = nothing is known. */
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, options: MillraceErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details;
    this.retryAfterMs = options.retryAfterMs;
  }

  get status(): number {
    return errorCatalogue[this.code].status;
  }
}
