/**
 * What units were given, on its way to the store: behind the answers, and together for all of a turn of the event loop,
 * or of the time that the last batch takes. It is bounded. What finds it full, or could not be stored, is counted: such
 * a unit goes by its hash until it is kept at a later request.
 */
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';

export interface Assignment {
  readonly variant: string;
  readonly expiresMs: number;
}

/** By name (sticky-name.ts). */
export type Assignments = ReadonlyMap<string, Assignment>;

export interface StickyQueue {
  /** Does not wait and does not throw. Of two of one name, the first counts. */
  add(name: string, assignment: Assignment): void;
  /** Resolves when all are stored, or counted. */
  close(): Promise<void>;
}

export interface StickyQueueParts {
  /**
   * Stores what is not there yet.
   * @returns how many could not be stored; if it rejects, none
   */
  readonly store: (batch: Assignments) => Promise<number>;
  readonly metrics: Metrics;
  readonly log: Log;
}

const ENTRIES_MAX = 10_000;
/** A batch holds up the event loop, or Redis, for about a millisecond. */
const BATCH_MAX = 500;

export function createStickyQueue({ store, metrics, log }: StickyQueueParts): StickyQueue {
  const dropped = metrics.counter(
    'millrace_sticky_dropped_total',
    'Assignments of units to variants that could not be kept.',
    {},
  );
  const waiting = new Map<string, Assignment>();
  let flushing: Promise<void> | undefined;
  let isFailing = false;
  let isClosed = false;

  async function flush(): Promise<void> {
    await new Promise(setImmediate);
    while (waiting.size > 0) await storeBatch(takeBatch(waiting));
    flushing = undefined;
  }

  async function storeBatch(batch: Assignments): Promise<void> {
    try {
      const lost = await store(batch);
      if (lost > 0) dropped.add(lost);
      isFailing = false;
    } catch (error) {
      dropped.add(batch.size);
      if (!isFailing) log.warn({ err: error }, 'what units were given could not be kept');
      isFailing = true;
    }
  }

  return {
    add(name, assignment) {
      if (waiting.has(name)) return;
      if (isClosed || waiting.size >= ENTRIES_MAX) {
        dropped.add(1);
        return;
      }
      waiting.set(name, assignment);
      flushing ??= flush();
    },
    async close() {
      isClosed = true;
      await flushing;
    },
  };
}

function takeBatch(waiting: Map<string, Assignment>): Assignments {
  const batch = new Map<string, Assignment>();
  for (const [name, assignment] of waiting) {
    if (batch.size === BATCH_MAX) break;
    batch.set(name, assignment);
    waiting.delete(name);
  }
  return batch;
}
