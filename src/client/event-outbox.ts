/**
 * Events on their way to the server. Each has an id from the moment it is put in, so that sending it again makes no
 * second event of it. It is kept until the server has said that it is durable, or why it is refused. One batch is on the
 * way at a time: events arrive in the order of `send`, and what is put in meanwhile makes the next batch.
 */
import { MillraceClientError } from './client-error.ts';
import { fullJitterMs } from './full-jitter.ts';
import { createOutboxQueue, eventBytes } from './outbox-queue.ts';
import type { OutboxQueue, WireEvent } from './outbox-queue.ts';
import { createOutboxKeeper } from './outbox-storage.ts';
import type { OutboxKeeper, OutboxStorage } from './outbox-storage.ts';
import { pause } from './repeated-call.ts';

/** Why the server will not take an event, however often it is sent. */
export interface RejectedEvent {
  readonly event: WireEvent;
  /** One of docs/events.md, such as `INVALID_REQUEST`. */
  readonly code: string;
  /** Inside the event: `fields.delay`; empty for all of it. */
  readonly path: string;
  readonly message: string;
}

export interface OutboxOptions {
  /** Most events that it holds. Default 10,000. */
  readonly eventsMax?: number | undefined;
  /** Most bytes of them, as JSON. Default 4 MiB. */
  readonly bytesMax?: number | undefined;
  /** Most events of one call; the server's limit is `streaming.events_max`. Default 500. */
  readonly batchEventsMax?: number | undefined;
  /** Most bytes of one call; the server's limit is `limits.body_bytes_max`. Default 256 KiB. */
  readonly batchBytesMax?: number | undefined;
  /** Longest wait between two tries. Default 10 s. */
  readonly retryMsMax?: number | undefined;
  /** Keeps the outbox over a restart. Default: it is in memory only. */
  readonly storage?: OutboxStorage | undefined;
  /** Is told of each event that the server refuses. It is not sent again. */
  readonly onRejected?: ((rejected: RejectedEvent) => void) | undefined;
}

export interface EventOutbox {
  readonly count: number;
  readonly isFull: boolean;
  /** Why events could not be sent the last time; undefined = there was no trouble since. */
  readonly lastError: MillraceClientError | undefined;
  /** @throws MillraceClientError OUTBOX_FULL, EVENT_TOO_LARGE, STORAGE_FAILED, CLOSED */
  send(events: readonly WireEvent[]): Promise<void>;
  /**
   * Resolves when all that is in it now is durable or refused.
   * @throws MillraceClientError CLOSED if it is closed before
   */
  flush(): Promise<void>;
  /** Ends the retries. What is left stays in the storage. */
  close(): Promise<void>;
}

/** Sends a batch once. @returns an outcome for each event, in order */
export type SendBatch = (events: readonly WireEvent[], signal: AbortSignal) => Promise<readonly Outcome[]>;

export interface Outcome {
  readonly status: string;
  readonly code?: string;
  readonly path?: string;
  readonly message?: string;
}

/** What is wrong with an event, or with how many there are; all other errors are those of the way to the server. */
const eventCodes: ReadonlySet<string> = new Set([
  'BODY_TOO_LARGE',
  'DUPLICATE_FIELD',
  'EVENT_TOO_LARGE',
  'INVALID_ENCODING',
  'INVALID_REQUEST',
  'KEY_TOO_LONG',
  'MALFORMED_JSON',
  'MALFORMED_MESSAGE_PACK',
  'NESTED_TOO_DEEP',
  'TOO_MANY_EVENTS',
  'UNKNOWN_EVENT',
]);
const BATCH_EVENTS_MAX = 500;
const BATCH_BYTES_MAX = 256 * 1024;
const eventPath = /^events\[(\d+)\]\.?/;

export function createEventOutbox(sendBatch: SendBatch, options: OutboxOptions = {}): EventOutbox {
  const { eventsMax = 10_000, bytesMax = 4 * 2 ** 20, batchBytesMax = BATCH_BYTES_MAX } = options;
  const queue = createOutboxQueue();
  const keeper = createOutboxKeeper(options.storage, () => queue.all());
  const sender = new BatchSender(queue, keeper, sendBatch, options);
  const refuse = (events: readonly WireEvent[], sizes: readonly number[]): void => {
    if (sender.isClosed) throw new MillraceClientError('CLOSED', 'The client was closed.');
    const large = events[sizes.findIndex((size) => size > batchBytesMax)];
    if (large !== undefined) {
      const sentence = `The event "${large.id}" is larger than ${batchBytesMax} bytes (batchBytesMax).`;
      throw new MillraceClientError('EVENT_TOO_LARGE', sentence);
    }
    const bytes = sizes.reduce((sum, size) => sum + size, queue.bytes);
    if (queue.count + events.length <= eventsMax && bytes <= bytesMax) return;
    const sentence = `The outbox is full: it holds ${queue.count} events of ${queue.bytes} bytes. Wait for flush(), or drop the event.`;
    throw new MillraceClientError('OUTBOX_FULL', sentence);
  };
  return {
    get count() {
      return queue.count;
    },
    get isFull() {
      return queue.count >= eventsMax || queue.bytes >= bytesMax;
    },
    get lastError() {
      return sender.lastError;
    },
    async send(events) {
      refuse(events, events.map(eventBytes));
      queue.add(events);
      sender.start();
      await sender.whenLoaded;
      await keeper.save();
    },
    async flush() {
      await sender.whenLoaded.catch(() => undefined);
      sender.start();
      await Promise.race([queue.whenSettled(), sender.whenClosed]);
    },
    async close() {
      sender.close();
      await sender.whenLoaded.catch(() => undefined);
      await keeper.save().catch(() => undefined);
    },
  };
}

class BatchSender {
  lastError: MillraceClientError | undefined;
  /** Of what an earlier outbox has left. */
  readonly whenLoaded: Promise<void>;
  /** Rejects. */
  readonly whenClosed: Promise<never>;
  private readonly queue: OutboxQueue;
  private readonly keeper: OutboxKeeper;
  private readonly sendBatch: SendBatch;
  private readonly options: OutboxOptions;
  private readonly closing = new AbortController();
  private isSending = false;
  private failures = 0;
  /** Most events of the next batch. */
  private countMax: number;
  /** Of all: the server has said that more are too many. */
  private ceiling: number;

  constructor(queue: OutboxQueue, keeper: OutboxKeeper, sendBatch: SendBatch, options: OutboxOptions) {
    this.queue = queue;
    this.keeper = keeper;
    this.sendBatch = sendBatch;
    this.options = options;
    this.ceiling = options.batchEventsMax ?? BATCH_EVENTS_MAX;
    this.countMax = this.ceiling;
    this.whenLoaded = this.load();
    this.whenClosed = new Promise((_, reject) => {
      const { signal } = this.closing;
      signal.addEventListener('abort', () => reject(signal.reason as Error));
    });
    // Whoever sends or flushes is told of it.
    for (const promise of [this.whenLoaded, this.whenClosed]) promise.catch(() => undefined);
  }

  get isClosed(): boolean {
    return this.closing.signal.aborted;
  }

  start(): void {
    if (this.isSending) return;
    this.isSending = true;
    void this.sendAll();
  }

  private async load(): Promise<void> {
    this.queue.addFirst(await this.keeper.load());
    this.start();
  }

  close(): void {
    this.closing.abort(new MillraceClientError('CLOSED', 'The client was closed.'));
  }

  private async sendAll(): Promise<void> {
    const { batchBytesMax = BATCH_BYTES_MAX, retryMsMax = 10_000 } = this.options;
    // Nothing overtakes what an earlier outbox has left; if that cannot be read, what is new is sent all the same.
    await this.whenLoaded.catch(() => undefined);
    while (this.queue.count > 0 && !this.isClosed) {
      const batch = this.queue.oldest(this.countMax, batchBytesMax);
      const waitMs = await this.sendOne(batch);
      if (waitMs === undefined) continue;
      this.failures++;
      await pause(waitMs + fullJitterMs(this.failures, retryMsMax), this.closing.signal);
    }
    this.isSending = false;
  }

  /** @returns how long to wait at least before the next try; undefined = it went on */
  private async sendOne(batch: readonly WireEvent[]): Promise<number | undefined> {
    try {
      const outcomes = await this.sendBatch(batch, this.closing.signal);
      this.settle(batch, outcomes);
      this.countMax = Math.min(this.ceiling, 2 * this.countMax);
      return undefined;
    } catch (error) {
      if (this.isClosed) return undefined;
      const known =
        error instanceof MillraceClientError
          ? error
          : new MillraceClientError('BAD_ANSWER', `The answer cannot be read: ${String(error)}`);
      return this.take(batch, known);
    }
  }

  private take(batch: readonly WireEvent[], error: MillraceClientError): number | undefined {
    const half = Math.ceil(batch.length / 2);
    if (!eventCodes.has(error.code)) {
      this.lastError = error;
      // A message that is far too large is not answered: the server cuts the socket off.
      if (error.code === 'NETWORK') this.countMax = half;
      return error.retryAfterMs ?? 0;
    }
    const places = rejectedPlaces(error, batch.length);
    if (places !== undefined) this.settle(batch.slice(0, places.length), places);
    else if (batch.length === 1)
      this.settle(batch, [{ status: 'rejected', code: error.code, message: error.message }]);
    else {
      this.ceiling = half;
      this.countMax = half;
    }
    return undefined;
  }

  private settle(batch: readonly WireEvent[], outcomes: readonly Outcome[]): void {
    this.failures = 0;
    this.lastError = undefined;
    this.queue.settle(batch.length);
    // Too late, the events are only sent once more.
    this.keeper.save().catch(() => undefined);
    batch.forEach((event, i) => {
      const { status, code = 'INVALID_REQUEST', path = '', message = '' } = outcomes[i] ?? { status: '' };
      const { onRejected } = this.options;
      if (status !== 'rejected' || onRejected === undefined) return;
      // What it throws is no fault of the outbox.
      queueMicrotask(() => onRejected({ event, code, path, message }));
    });
  }
}

/**
 * Where every event of the call is refused, the error has the first thing that is wrong with each, of 20 at most. The
 * others are sent again, and get their own.
 */
function rejectedPlaces(
  { code, details = [] }: MillraceClientError,
  batchLength: number,
): readonly Outcome[] | undefined {
  const isEach =
    details.length > 0 && details.every(({ path }, i) => eventPath.exec(path)?.[1] === String(i));
  if (!isEach || details.length > batchLength) return undefined;
  return details.map(({ path, message }) => ({
    status: 'rejected',
    code,
    path: path.replace(eventPath, ''),
    message,
  }));
}
