/** What a client offers, and how it is set up. */
import type { MillraceClientError } from './client-error.ts';
import type { OutboxOptions } from './event-outbox.ts';
import type { Fetch } from './http-transport.ts';
import type {
  AnyProject,
  ContextOf,
  EndpointName,
  EventOf,
  FeatureName,
  FieldValue,
  PredictAnswer,
  PredictOneAnswer,
  ProjectShape,
  PushedView,
  RequestFields,
  RestOf,
  RowOf,
  SplitEndpoint,
  Timestamp,
  WholeEndpoint,
} from './project-shape.ts';
import type { SocketConstructor } from './socket-transport.ts';

export interface ClientOptions {
  /** Of the server: `http://127.0.0.1:8080`. */
  readonly url: string;
  /** Sent with every call, to a server that asks for one. */
  readonly key?: string | undefined;
  /**
   * How predictions, events and feedback go: over HTTP with JSON, or over one WebSocket with MessagePack, which takes
   * less of the server. All else goes over HTTP. Default http.
   */
  readonly transport?: 'http' | 'ws' | undefined;
  /** For an answer, with all tries. Default 5000. */
  readonly timeoutMs?: number | undefined;
  /** Tries after the first, of calls that may be repeated. Default 2. */
  readonly retries?: number | undefined;
  /** Most rows that `predictOne` joins into one request. Default 100; the server's limit is `limits.rows_max`. */
  readonly batchRowsMax?: number | undefined;
  /** Of the outbox of events. */
  readonly events?: OutboxOptions | undefined;
  /** Sent with every call over HTTP, such as the header that an endpoint's `unit` names. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** The W3C trace context of whatever calls, sent with every call over HTTP. */
  readonly traceparent?: (() => string | undefined) | undefined;
  /** Default: that of the platform. */
  readonly fetch?: Fetch | undefined;
  /** Default: that of the platform. Node has one from version 22 on; before, give that of the package `ws`. */
  readonly WebSocket?: SocketConstructor | undefined;
}

export interface CallOptions {
  /** In place of that of the client. */
  readonly timeoutMs?: number | undefined;
  /** Gives the call up: it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

export interface PredictRequest<Request, Context> {
  /** One per prediction: the request fields that are not in `context`. */
  readonly rows: readonly RestOf<Request, NoInfer<Context>>[];
  /** Fields that all rows share. */
  readonly context?: ContextOf<Request, Context> | undefined;
  /** The time that ages and time functions count from. Default: the server's clock. */
  readonly as_of?: Timestamp | undefined;
  /** Adds what the model saw to the answer. */
  readonly trace?: boolean | undefined;
}

export interface PredictOneOptions<Request, Context> extends CallOptions {
  readonly context?: ContextOf<Request, Context> | undefined;
  readonly as_of?: Timestamp | undefined;
}

export interface FeatureQuery<P extends ProjectShape> {
  /** `view:feature` */
  readonly features: readonly FeatureName<P>[];
  /** For each join key a value per row. */
  readonly entities: { readonly [joinKey: string]: readonly FieldValue[] };
  /** Calls the columns `view__feature`, for features of one name in several views. */
  readonly full_feature_names?: boolean | undefined;
}

/** By column: the join keys first, then the features. */
export interface FeatureAnswer {
  readonly metadata: { readonly feature_names: readonly string[] };
  readonly results: readonly {
    readonly values: readonly unknown[];
    /** `PRESENT`, `NULL_VALUE`, `NOT_FOUND` or `OUTSIDE_MAX_AGE` */
    readonly statuses: readonly string[];
    readonly event_timestamps: readonly string[];
  }[];
}

export interface PushOptions extends CallOptions {
  /**
   * Every row has its event time, so that pushing it again changes nothing. Then the push is also repeated when the
   * connection broke. Without event times a repeated row is a newer one, and may replace what came meanwhile.
   */
  readonly hasEventTimes?: boolean | undefined;
}

/** A tensor of the Open Inference Protocol. */
export interface InferInput {
  readonly name: string;
  /** `FP32`, `INT64`, `BOOL`, `BYTES` … */
  readonly datatype: string;
  /** The first dimension is the batch. */
  readonly shape: readonly number[];
  /** Row by row: flat, or nested as the shape says. */
  readonly data: TensorValues;
}

export type TensorValues =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | readonly (number | bigint | string | boolean | null | readonly unknown[])[];

export interface InferRequest {
  readonly inputs: readonly InferInput[];
  /** Default: all outputs of the model. */
  readonly outputs?: readonly { readonly name: string }[] | undefined;
  readonly id?: string | undefined;
}

export interface InferOptions extends CallOptions {
  /** Of the model. Default: the newest. */
  readonly version?: string | undefined;
}

export interface InferAnswer {
  readonly model_name: string;
  readonly model_version: string;
  readonly id?: string;
  readonly outputs: readonly {
    readonly name: string;
    readonly datatype: string;
    readonly shape: readonly number[];
    /** Flat, row by row. NaN and infinities are null. */
    readonly data: readonly (number | string | boolean | null)[];
  }[];
}

/** What came of a prediction; at least one of `label`, `reward` and `click`. */
export interface Feedback {
  /** The row of the request, from 0. Default: the request as a whole. */
  readonly row?: number | undefined;
  readonly label?: number | string | boolean | undefined;
  readonly reward?: number | undefined;
  readonly click?: boolean | undefined;
  /** Default: now. */
  readonly time?: Timestamp | undefined;
  /** Two with one id are the same. Default: a random one. */
  readonly id?: string | undefined;
}

export interface FeedbackOutcome {
  /** `duplicate` = the server has feedback with this id already. */
  readonly status: 'accepted' | 'duplicate';
  readonly id: string;
}

/** Events on their way: kept until the server has them. */
export interface ClientEvents<P extends ProjectShape> {
  /** Events that the server has not taken yet. */
  readonly count: number;
  readonly isFull: boolean;
  /** Why events could not be sent the last time; undefined = there was no trouble since. */
  readonly lastError: MillraceClientError | undefined;
  /**
   * Puts events into the outbox; it sends them by itself, in this order. Resolves with their ids when they are in it, and
   * in its storage if it has one.
   * @throws MillraceClientError OUTBOX_FULL, EVENT_TOO_LARGE, INVALID_REQUEST, CLOSED: then none is in it;
   *   STORAGE_FAILED: they are in it, but not in its storage
   */
  send(events: EventOf<P> | readonly EventOf<P>[]): Promise<readonly string[]>;
  /**
   * Resolves when all events that are in the outbox now are durable at the server, or refused by it.
   * @throws MillraceClientError CLOSED if the client is closed before
   */
  flush(): Promise<void>;
}

export interface CloseResult {
  /** Events that were not sent; they are in the outbox's storage, if it has one. */
  readonly eventsLeft: number;
}

/** All calls reject with a MillraceClientError, or with the reason of their signal. */
export interface Client<P extends ProjectShape = AnyProject> {
  /** Asks for one prediction per row. */
  predict<E extends EndpointName<P>, const Context extends Partial<RequestFields<P, E>> = object>(
    endpoint: E,
    request: PredictRequest<RequestFields<P, E>, Context>,
    options?: CallOptions,
  ): Promise<PredictAnswer<P, E>>;

  /**
   * Asks for the prediction of one row. Those of one turn of JavaScript, with the same context and options, share a
   * request; each caller gets its own answer or error.
   *
   * All rows of a request get one variant. Where traffic is split between variants by a field of the request, `unit` names
   * it: then only rows that agree in it are joined.
   */
  predictOne<E extends WholeEndpoint<P>, const Context extends Partial<RequestFields<P, E>> = object>(
    endpoint: E,
    row: RestOf<RequestFields<P, E>, NoInfer<Context>>,
    options?: PredictOneOptions<RequestFields<P, E>, Context> & { readonly unit?: string | undefined },
  ): Promise<PredictOneAnswer<P, E>>;
  predictOne<E extends SplitEndpoint<P>, const Context extends Partial<RequestFields<P, E>> = object>(
    endpoint: E,
    row: RestOf<RequestFields<P, E>, NoInfer<Context>>,
    options: PredictOneOptions<RequestFields<P, E>, Context> & {
      readonly unit: P['endpoints'][E]['unit'];
    },
  ): Promise<PredictOneAnswer<P, E>>;

  /** Reads stored features without a model. */
  features(query: FeatureQuery<P>, options?: CallOptions): Promise<FeatureAnswer>;

  /** Writes rows of a view; they are durable when it resolves. */
  push<V extends PushedView<P>>(view: V, rows: readonly RowOf<P, V>[], options?: PushOptions): Promise<void>;

  /** Runs a model on tensors, as the Open Inference Protocol says it in JSON: whole numbers beyond 2^53 cannot be sent. */
  infer(model: string, request: InferRequest, options?: InferOptions): Promise<InferAnswer>;

  /** Tells what came of a prediction; it is durable when this resolves. */
  feedback(requestId: string, feedback: Feedback, options?: CallOptions): Promise<FeedbackOutcome>;

  readonly events: ClientEvents<P>;

  /**
   * Waits for the events that are in the outbox, then closes connections. Calls that come later reject with CLOSED.
   * @param options.timeoutMs the longest wait for events; default 5000
   */
  close(options?: { readonly timeoutMs?: number }): Promise<CloseResult>;
}
