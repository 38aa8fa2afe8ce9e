/**
 * Exposures on their way into the prediction log, behind the answers. Each unit is there once for each experiment and
 * version of its rollout: the id of the event says so, and the log takes no id twice. Those that this process has given
 * lately are left out before, which saves the append.
 *
 * Invariants as of the prediction log: nothing here waits, throws or fails a prediction; what waits is bounded, and what
 * finds it full, or cannot be appended, is counted.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../clock.ts';
import type { EventLog, EventWrite } from '../events/event-log.ts';
import { partitionOf } from '../events/partition.ts';
import { exposureType } from '../events/prediction-events.ts';
import type { LoggedAssignment } from '../events/prediction-events.ts';
import type { Log } from '../telemetry/log.ts';
import type { Counter, Metrics } from '../telemetry/metrics.ts';

/** A unit, given a variant; what was given before under the same version of the rollout is left out. */
export interface GivenExposure {
  readonly assignment: LoggedAssignment;
  readonly variant: string;
  readonly propensity: number;
  readonly requestId: string;
}

interface ExposureParts {
  readonly log: EventLog;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly logger: Log;
}

export interface ExposureQueue {
  take(endpoint: string, exposure: GivenExposure): void;
  /** Appends what waits, and resolves when it is durable. */
  close(): Promise<void>;
}

const WAITING_MAX = 65_536;
const FLUSH_MS = 100;
const BATCH_MAX = 1000;
/** About 100 bytes each. */
const KNOWN_MAX = 200_000;

export function createExposureQueue(parts: ExposureParts): ExposureQueue {
  return new TimedQueue(parts);
}

class TimedQueue implements ExposureQueue {
  private readonly parts: ExposureParts;
  private waiting: EventWrite[] = [];
  private readonly known = new RecentKeys(KNOWN_MAX);
  private timer: NodeJS.Timeout | undefined;
  private appending: Promise<void> | undefined;
  private hasFailed = false;
  private readonly dropped: Counter;

  constructor(parts: ExposureParts) {
    this.parts = parts;
    const help = 'Exposures that could not be logged.';
    this.dropped = parts.metrics.counter('millrace_exposures_dropped_total', help, {});
  }

  take(endpoint: string, exposure: GivenExposure): void {
    const [experiment, policyVersion, unit] = exposure.assignment;
    const key = `${endpoint} ${experiment} ${policyVersion} ${unit}`;
    if (this.known.has(key)) return;
    if (this.waiting.length >= WAITING_MAX) return this.dropped.add(1);
    this.known.add(key);
    this.waiting.push(this.write(endpoint, exposure, key));
    this.timer ??= setTimeout(() => this.flush(), FLUSH_MS);
  }

  async close(): Promise<void> {
    while (this.waiting.length > 0 || this.appending !== undefined) {
      this.flush();
      await this.appending;
    }
    clearTimeout(this.timer);
  }

  private write(endpoint: string, exposure: GivenExposure, key: string): EventWrite {
    const { assignment, variant, propensity, requestId } = exposure;
    const [experiment, policyVersion, unit, how, isBot] = assignment;
    const nowMs = this.parts.clock.nowMs();
    const values = [experiment, endpoint, policyVersion, unit, variant, propensity, how, isBot, requestId];
    const event = { id: exposureId(key), type: exposureType, timeMs: nowMs, receivedMs: nowMs, values };
    return { event, partitions: [partitionOf([experiment, unit], this.parts.log.partitionCount)] };
  }

  /** What comes meanwhile goes with the next one. */
  private flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.appending !== undefined || this.waiting.length === 0) return;
    const batch = this.waiting.splice(0, BATCH_MAX);
    this.appending = this.append(batch).finally(() => {
      this.appending = undefined;
      if (this.waiting.length >= BATCH_MAX) this.flush();
      else if (this.waiting.length > 0) this.timer ??= setTimeout(() => this.flush(), FLUSH_MS);
    });
  }

  private async append(batch: readonly EventWrite[]): Promise<void> {
    try {
      await this.parts.log.append(batch);
      this.hasFailed = false;
    } catch (error) {
      this.dropped.add(batch.length);
      this.known.clear();
      if (!this.hasFailed) this.parts.logger.error({ err: error }, 'exposures could not be logged');
      this.hasFailed = true;
    }
  }
}

/** A unit may be any text; an id has a limit. */
function exposureId(key: string): string {
  return `exposure ${createHash('sha256').update(key).digest('base64url')}`;
}

/** The keys of two generations: when the younger is full it becomes the older one, whose keys are forgotten. */
class RecentKeys {
  private younger = new Set<string>();
  private older = new Set<string>();
  private readonly max: number;

  constructor(max: number) {
    this.max = max;
  }

  has(key: string): boolean {
    return this.younger.has(key) || this.older.has(key);
  }

  add(key: string): void {
    if (this.younger.size >= this.max / 2) {
      this.older = this.younger;
      this.younger = new Set();
    }
    this.younger.add(key);
  }

  clear(): void {
    this.younger.clear();
    this.older.clear();
  }
}
