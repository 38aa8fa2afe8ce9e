/** Puts a client together: what its calls look like on the wire, how they go there, and how often. */
import { MillraceClientError } from './client-error.ts';
import type {
  CallOptions,
  Client,
  ClientOptions,
  CloseResult,
  FeatureAnswer,
  Feedback,
  FeedbackOutcome,
  InferAnswer,
  InferOptions,
  InferRequest,
  TensorValues,
  PushOptions,
} from './client.ts';
import { createEventOutbox } from './event-outbox.ts';
import type { EventOutbox, Outcome } from './event-outbox.ts';
import { createHttpTransport } from './http-transport.ts';
import type { Fetch } from './http-transport.ts';
import type { WireEvent } from './outbox-queue.ts';
import type { AnyProject, ProjectShape } from './project-shape.ts';
import { isRefusal, isTransient, repeatedCall } from './repeated-call.ts';
import type { CallTerms } from './repeated-call.ts';
import { createRowBatcher } from './row-batcher.ts';
import type { RowBatcher } from './row-batcher.ts';
import { createSocketTransport } from './socket-transport.ts';
import type { SocketConstructor } from './socket-transport.ts';
import type { Transport, WireCall } from './transport.ts';
import { uniqueId } from './unique-id.ts';
import { unlessAborted } from './unless-aborted.ts';
import { wireFields } from './wire-value.ts';

const TIMEOUT_MS = 5000;
const RETRIES = 2;
const BATCH_ROWS_MAX = 100;
const CLOSE_MS = 5000;

/** The calls as they are without the types of a project. */
interface PlainRequest {
  readonly rows: readonly object[];
}

interface PlainOneOptions extends CallOptions {
  readonly context?: object;
  readonly as_of?: unknown;
  readonly unit?: string;
}

type PlainAnswer = Readonly<Record<string, unknown>>;

/**
 * @throws TypeError if the url or the key is none, or the platform has no `fetch` or `WebSocket` and none is given
 */
export function createClient<P extends ProjectShape = AnyProject>(options: ClientOptions): Client<P> {
  // The types of a project are checked where the calls are written; here they are all alike.
  return new PlainClient(options) as unknown as Client<P>;
}

class PlainClient {
  readonly events: PlainEvents;
  private readonly options: ClientOptions;
  private readonly http: Transport;
  /** Of predictions, events and feedback. */
  private readonly main: Transport;
  private readonly outbox: EventOutbox;
  private readonly batcher: RowBatcher;

  constructor(options: ClientOptions) {
    this.options = options;
    const url = checkedUrl(options.url);
    const { headers = {}, traceparent } = options;
    const key = checkedKey(options.key);
    this.http = createHttpTransport({ url, key, headers, traceparent, fetch: fetchOf(options) });
    this.main =
      options.transport === 'ws'
        ? createSocketTransport({ url, key, WebSocket: webSocketOf(options) })
        : this.http;
    this.batcher = createRowBatcher(options.batchRowsMax ?? BATCH_ROWS_MAX);
    this.outbox = createEventOutbox(
      async (events, signal) => this.sendEvents(events, signal),
      options.events,
    );
    this.events = new PlainEvents(this.outbox);
  }

  async predict(endpoint: string, request: PlainRequest, options: CallOptions = {}): Promise<PlainAnswer> {
    // In the order in which the server reads it fastest.
    const { context, rows, ...others } = { context: undefined, ...request };
    const body = wireFields({ context, rows, ...others }, '');
    const path = `/v1/endpoints/${encodeURIComponent(endpoint)}/predict`;
    const call = { path, body, message: { endpoint, ...body } };
    return this.repeated<PlainAnswer>(this.main, call, this.terms(options, isTransient));
  }

  async predictOne(endpoint: string, row: object, options: PlainOneOptions = {}): Promise<unknown> {
    const { context, as_of, unit, timeoutMs = this.options.timeoutMs ?? TIMEOUT_MS, signal } = options;
    const wireRow = wireFields(row, 'rows[0]');
    const shared = wireFields({ context, as_of }, '');
    const unitValue = unit === undefined ? undefined : (wireRow[unit] ?? null);
    const group = JSON.stringify([endpoint, shared, unit, unitValue, timeoutMs]);
    const startMs = performance.now();
    const answered = this.batcher.predict({ group, row: wireRow }, async (rows) => {
      const leftMs = Math.max(1, timeoutMs - (performance.now() - startMs));
      return this.predict(endpoint, { ...shared, rows }, { timeoutMs: leftMs });
    });
    const { answer, index } = await unlessAborted(answered, signal);
    const { predictions, ...named } = answer;
    return { ...named, row: index, prediction: (predictions as readonly unknown[])[index] };
  }

  async features(query: object, options: CallOptions = {}): Promise<FeatureAnswer> {
    const call = { path: '/get-online-features', body: wireFields(query, '') };
    return this.repeated<FeatureAnswer>(this.http, call, this.terms(options, isTransient));
  }

  async push(view: string, rows: readonly object[], options: PushOptions = {}): Promise<void> {
    if (rows.length === 0) return;
    const body = wireFields({ push_source_name: view, df: columnsOf(rows), to: 'online' }, '');
    const mayRepeat = options.hasEventTimes === true ? isTransient : isRefusal;
    await this.repeated(this.http, { path: '/push', body }, this.terms(options, mayRepeat));
  }

  async infer(model: string, request: InferRequest, options: InferOptions = {}): Promise<InferAnswer> {
    const { version } = options;
    const inputs = request.inputs.map((input) => ({ ...input, data: tensorData(input.data) }));
    const ofVersion = version === undefined ? '' : `/versions/${encodeURIComponent(version)}`;
    const path = `/v2/models/${encodeURIComponent(model)}${ofVersion}/infer`;
    const call = { path, body: wireFields({ ...request, inputs }, '') };
    return this.repeated<InferAnswer>(this.http, call, this.terms(options, isTransient));
  }

  async feedback(requestId: string, feedback: Feedback, options: CallOptions = {}): Promise<FeedbackOutcome> {
    const entry = wireFields({ ...feedback, request_id: requestId, id: feedback.id ?? uniqueId() }, '');
    const call = { path: '/v1/feedback', body: entry, message: { feedback: entry } };
    const terms = this.terms(options, isTransient);
    const { feedback: outcomes } = await this.repeated<{ feedback: readonly [FeedbackOutcome] }>(
      this.main,
      call,
      terms,
    );
    return outcomes[0];
  }

  async close({ timeoutMs = CLOSE_MS }: { readonly timeoutMs?: number } = {}): Promise<CloseResult> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const limit = new Promise<void>((resolve) => (timer = setTimeout(resolve, timeoutMs)));
    await Promise.race([limit, this.outbox.flush().catch(() => undefined)]);
    clearTimeout(timer);
    await this.outbox.close();
    this.main.close();
    this.http.close();
    return { eventsLeft: this.outbox.count };
  }

  private async sendEvents(events: readonly WireEvent[], given: AbortSignal): Promise<readonly Outcome[]> {
    const call = { path: '/v1/events', body: events, message: { events } };
    // The outbox repeats by itself, for as long as it is open.
    const terms = { ...this.terms({ signal: given }, isTransient), retries: 0 };
    const { events: outcomes } = await this.repeated<{ events: readonly Outcome[] }>(this.main, call, terms);
    if (outcomes.length === events.length) return outcomes;
    throw new MillraceClientError('BAD_ANSWER', `${events.length} events have ${outcomes.length} outcomes.`);
  }

  private terms({ timeoutMs, signal }: CallOptions, mayRepeat: CallTerms['mayRepeat']): CallTerms {
    const { timeoutMs: usualMs = TIMEOUT_MS, retries = RETRIES } = this.options;
    return { timeoutMs: timeoutMs ?? usualMs, retries, signal, mayRepeat };
  }

  private async repeated<T>(transport: Transport, call: WireCall, terms: CallTerms): Promise<T> {
    return repeatedCall(async (signal) => transport.send(call, signal) as Promise<T>, terms);
  }
}

class PlainEvents {
  private readonly outbox: EventOutbox;

  constructor(outbox: EventOutbox) {
    this.outbox = outbox;
  }

  get count(): number {
    return this.outbox.count;
  }

  get isFull(): boolean {
    return this.outbox.isFull;
  }

  get lastError(): MillraceClientError | undefined {
    return this.outbox.lastError;
  }

  async send(events: object | readonly object[]): Promise<readonly string[]> {
    const list: readonly object[] = Array.isArray(events) ? (events as readonly object[]) : [events];
    const wire = list.map((event, i): WireEvent => {
      const fields = wireFields(event, `events[${i}]`);
      return { ...fields, id: typeof fields['id'] === 'string' ? fields['id'] : uniqueId() };
    });
    await this.outbox.send(wire);
    return wire.map(({ id }) => id);
  }

  async flush(): Promise<void> {
    await this.outbox.flush();
  }
}

/** The protocol has null for NaN. */
function tensorData(data: TensorValues): readonly unknown[] {
  if (Array.isArray(data)) return data as readonly unknown[];
  return Array.from(data as Float32Array, (value) => (Number.isNaN(value) ? null : value));
}

/** Rows as columns; what a row does not have is null. */
function columnsOf(rows: readonly object[]): Record<string, unknown[]> {
  const names = new Set(rows.flatMap((row) => Object.keys(row)));
  const columns: Record<string, unknown[]> = {};
  for (const name of names) columns[name] = rows.map((row) => (row as Record<string, unknown>)[name] ?? null);
  return columns;
}

function checkedUrl(url: string): string {
  try {
    if (/^https?:$/.test(new URL(url).protocol)) return url.replace(/\/+$/, '');
  } catch {
    // What is no url is told below.
  }
  throw new TypeError(
    `options.url must be the address of a server, such as http://127.0.0.1:8080, not ${url}`,
  );
}

/** Of what headers and subprotocols may hold; it is not repeated in the message, which may be logged. */
function checkedKey(key: string | undefined): string | undefined {
  if (key === undefined || /^[\w!#$%&'*+.^`|~-]+$/.test(key)) return key;
  throw new TypeError('options.key must be a key or a token, without spaces and line ends');
}

function fetchOf({ fetch = (globalThis as { fetch?: Fetch }).fetch }: ClientOptions): Fetch {
  if (fetch === undefined) throw new TypeError('This platform has no fetch: give one in options.fetch');
  // Browsers refuse to run it as a method of something else.
  return async (url, init) => fetch(url, init);
}

function webSocketOf(options: ClientOptions): SocketConstructor {
  const { WebSocket = (globalThis as { WebSocket?: SocketConstructor }).WebSocket } = options;
  if (WebSocket !== undefined) return WebSocket;
  throw new TypeError(
    'This platform has no WebSocket (Node has one from version 22 on): give that of the package ws in options.WebSocket',
  );
}
