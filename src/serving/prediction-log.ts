/**
 * The prediction log: what was answered, written behind the answers. Taking a prediction costs a push into a queue. In
 * a later turn of the event loop it becomes a line of JSON, in a block of its partition and plan
 * (events/prediction-events.ts), and a few times a second all blocks are appended in one commit.
 *
 * Invariants: nothing here waits, throws or fails a prediction. What waits is bounded, in requests, in values and in
 * bytes, so a log that stalls costs memory up to these and then predictions of the log, which are counted. One
 * append is under way at a time. Whether a request is logged depends on its id alone.
 *
 * Cost: a push and a few clock readings before the next request, then about 1 us for a row (docs/performance.md).
 */
import type { Clock } from '../clock.ts';
import { createEventIds } from '../events/event-ids.ts';
import type { EventLog, EventWrite } from '../events/event-log.ts';
import { predictionType, requestPartition } from '../events/prediction-events.ts';
import type { Endpoint, Variant } from '../project/project.ts';
import type { Log } from '../telemetry/log.ts';
import type { Counter, Metrics } from '../telemetry/metrics.ts';
import { createExposureQueue } from './exposure-queue.ts';
import type { GivenExposure } from './exposure-queue.ts';
import { createUnitProtection } from './field-protection.ts';
import { createLogEntryWriter } from './log-entry.ts';
import type { LogEntryWriter, LoggedPlan, ServedPrediction } from './log-entry.ts';
import { fractionOf } from '../events/partition.ts';

/** What is kept of a request. */
export type LogChoice = 'nothing' | 'plain' | 'with_features';

/** The predictions of one endpoint and variant. */
export interface PlanLog {
  choose(requestId: string): LogChoice;
  /** To be called once it is answered. */
  take(served: ServedPrediction): void;
}

export interface UnitLog {
  /** The unit as it may stand in the log: hashed, if it is the session's, or a field that is protected. */
  protect(unit: string): string;
  /** To be called when the variant is chosen, before it has answered: one that fails is seen as well. */
  expose(exposure: GivenExposure): void;
}

export interface PredictionLog {
  /** Undefined = nothing of this endpoint is logged. */
  forPlan(endpoint: Endpoint, variant: Variant, plan: LoggedPlan): PlanLog | undefined;
  /** Of one endpoint. */
  forUnits(endpoint: Endpoint): UnitLog;
  /** Appends what waits, and resolves when it is durable. */
  close(): Promise<void>;
}

export interface PredictionLogParts {
  readonly log: EventLog;
  readonly hashKey: Buffer;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly logger: Log;
  readonly limits?: Partial<QueueLimits>;
}

export interface QueueLimits {
  /** Most requests that wait to be written as text. */
  readonly requestsMax: number;
  /** Most values in them. */
  readonly valuesMax: number;
  /** Most bytes of text that wait to be durable. */
  readonly bytesMax: number;
}

const defaultLimits: QueueLimits = { requestsMax: 8192, valuesMax: 1_000_000, bytesMax: 16 * 1024 ** 2 };
const BLOCK_BYTES_MAX = 65_536;
const BLOCK_BYTES_MIN = 4096;
const UTF8_BYTES_MAX = 3;
const NEWLINE = 0x0a;
const RECORD_CHARS_MAX = 1024 ** 2;
/**
 * What one turn of the event loop writes as text: about 0.6 ms, and as many requests as a busy turn answers. Were it
 * less, they would wait, be moved by each garbage collection, and in the end be dropped.
 */
const TURN_VALUES_MAX = 8192;
/** Not in the next turn: that one would begin at once, with fewer requests to share a run of the model. */
const WRITE_MS = 5;
const FLUSH_MS = 100;
const FLUSH_BYTES = 512 * 1024;

interface Dropped {
  readonly full: Counter;
  readonly failed: Counter;
  readonly tooLarge: Counter;
}

/** What the queue knows of a plan. */
interface Source {
  readonly writer: LogEntryWriter;
  readonly dropped: Dropped;
  readonly written: Counter;
  /** By partition: the block that lines are added to. */
  readonly blocks: Map<number, Block>;
}

interface Waiting {
  readonly source: Source;
  readonly served: ServedPrediction;
}

interface Block {
  readonly source: Source;
  readonly partition: number;
  count: number;
  /** Its lines: a text for each would be moved by the garbage collections of a tenth of a second. */
  bytes: Buffer;
  end: number;
}

export function createPredictionLog(parts: PredictionLogParts): PredictionLog {
  const queue = new PredictionQueue(parts);
  const exposures = createExposureQueue(parts);
  return {
    forPlan(endpoint, variant, plan) {
      const { name, log } = endpoint;
      if (log.sample === 0) return undefined;
      const source: Source = {
        writer: createLogEntryWriter(endpoint, variant, plan, parts.hashKey),
        ...countersOf(name, parts.metrics),
        blocks: new Map(),
      };
      return {
        choose: (requestId) => chooseBy(log, requestId),
        take: (served) => queue.take(source, served),
      };
    },
    forUnits: (endpoint) => ({
      protect: createUnitProtection(endpoint, parts.hashKey),
      expose: (exposure) => exposures.take(endpoint.name, exposure),
    }),
    close: async () => {
      await exposures.close();
      await queue.close();
    },
  };
}

function chooseBy({ sample, featuresSample }: Endpoint['log'], requestId: string): LogChoice {
  if (sample === 0) return 'nothing';
  if (sample < 1 && fractionOf(['sample', requestId]) >= sample) return 'nothing';
  const hasFeatures = featuresSample > 0 && fractionOf(['features', requestId]) < featuresSample;
  return hasFeatures ? 'with_features' : 'plain';
}

function countersOf(endpoint: string, metrics: Metrics): Pick<Source, 'dropped' | 'written'> {
  const dropped = (reason: string): Counter =>
    metrics.counter(
      'millrace_prediction_log_dropped_total',
      'Predictions that were answered and could not be logged, by reason.',
      { endpoint, reason },
    );
  return {
    dropped: { full: dropped('full'), failed: dropped('failed'), tooLarge: dropped('too_large') },
    written: metrics.counter('millrace_prediction_log_written_total', 'Predictions that are in the log.', {
      endpoint,
    }),
  };
}

class PredictionQueue {
  private readonly parts: PredictionLogParts;
  private readonly limits: QueueLimits;
  private readonly newId: () => string;
  private waiting: Waiting[] = [];
  /** Of `waiting`, those before it are written as text. */
  private next = 0;
  private values = 0;
  private blocks: Block[] = [];
  private bytes = 0;
  private isDraining = false;
  private timer: NodeJS.Timeout | undefined;
  private appending: Promise<void> | undefined;
  private hasFailed = false;

  constructor(parts: PredictionLogParts) {
    this.parts = parts;
    this.limits = { ...defaultLimits, ...parts.limits };
    this.newId = createEventIds(parts.clock);
    parts.metrics.gauge('millrace_prediction_log_waiting', 'Predictions that wait to be written.', () => [
      { labels: {}, value: this.waiting.length - this.next },
    ]);
  }

  take(source: Source, served: ServedPrediction): void {
    const { requestsMax, valuesMax, bytesMax } = this.limits;
    const isFull =
      this.waiting.length - this.next >= requestsMax || this.values >= valuesMax || this.bytes >= bytesMax;
    if (isFull) return source.dropped.full.add(1);
    this.waiting.push({ source, served });
    this.values += source.writer.valueCount(served);
    if (this.isDraining) return;
    this.isDraining = true;
    setTimeout(() => this.drain(), WRITE_MS);
  }

  async close(): Promise<void> {
    this.writeLines(Infinity);
    while (this.blocks.length > 0 || this.appending !== undefined) {
      this.flush();
      await this.appending;
    }
    clearTimeout(this.timer);
  }

  private drain(): void {
    this.writeLines(TURN_VALUES_MAX);
    this.isDraining = this.waiting.length > 0;
    if (this.isDraining) setImmediate(() => this.drain());
    if (this.bytes >= FLUSH_BYTES) this.flush();
    else if (this.blocks.length > 0) this.timer ??= setTimeout(() => this.flush(), FLUSH_MS);
  }

  private writeLines(valuesMax: number): void {
    for (let left = valuesMax; this.next < this.waiting.length && left > 0; this.next++) {
      const { source, served } = this.waiting[this.next] as Waiting;
      const count = source.writer.valueCount(served);
      left -= count;
      this.values -= count;
      this.addLine(source, served.requestId, source.writer.line(served));
    }
    if (this.next === this.waiting.length) {
      this.waiting = [];
      this.next = 0;
    }
  }

  private addLine(source: Source, requestId: string, line: string): void {
    if (line.length > RECORD_CHARS_MAX) return source.dropped.tooLarge.add(1);
    const partition = requestPartition(requestId, this.parts.log.partitionCount);
    const known = source.blocks.get(partition);
    const bytesMax = line.length * UTF8_BYTES_MAX + 1;
    const isFull = known === undefined || (known.count > 0 && known.end + bytesMax > BLOCK_BYTES_MAX);
    const block = isFull ? this.addBlock(source, partition) : known;
    if (block.end + bytesMax > block.bytes.length) block.bytes = grown(block, block.end + bytesMax);
    const from = block.end;
    if (from > 0) block.end = block.bytes.writeUInt8(NEWLINE, from);
    block.end += block.bytes.write(line, block.end);
    block.count++;
    this.bytes += block.end - from;
  }

  private addBlock(source: Source, partition: number): Block {
    const block = { source, partition, count: 0, bytes: Buffer.alloc(0), end: 0 };
    source.blocks.set(partition, block);
    this.blocks.push(block);
    return block;
  }

  /** What is written meanwhile goes with the next one. */
  private flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.appending !== undefined || this.blocks.length === 0) return;
    const blocks = this.blocks;
    this.blocks = [];
    for (const { source } of blocks) source.blocks.clear();
    this.appending = this.append(blocks).finally(() => {
      this.appending = undefined;
      if (this.blocks.length > 0) this.timer ??= setTimeout(() => this.flush(), FLUSH_MS);
    });
  }

  private async append(blocks: readonly Block[]): Promise<void> {
    try {
      await this.parts.log.append(blocks.map((block) => this.eventOf(block)));
      for (const { source, count } of blocks) source.written.add(count);
      this.hasFailed = false;
    } catch (error) {
      for (const { source, count } of blocks) source.dropped.failed.add(count);
      // Once, not ten times a second while the disk is full.
      if (!this.hasFailed) this.parts.logger.error({ err: error }, 'predictions could not be logged');
      this.hasFailed = true;
    }
    this.bytes -= blocks.reduce((sum, { end }) => sum + end, 0);
  }

  private eventOf({ source, partition, count, bytes, end }: Block): EventWrite {
    const nowMs = this.parts.clock.nowMs();
    const values = [...source.writer.head, count, bytes.toString('utf8', 0, end)];
    const event = { id: this.newId(), type: predictionType, timeMs: nowMs, receivedMs: nowMs, values };
    return { event, partitions: [partition] };
  }
}

function grown({ bytes, end }: Block, bytesMin: number): Buffer {
  const larger = Buffer.allocUnsafeSlow(Math.max(BLOCK_BYTES_MIN, 2 * bytes.length, bytesMin));
  bytes.copy(larger, 0, 0, end);
  return larger;
}
