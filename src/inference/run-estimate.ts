/** How long a model's runs take, and so how long rows that come now would wait for theirs. */
export interface RunEstimate {
  /** Time of a run, with that of its answers if the event loop makes both; 0 before the first. */
  readonly runMs: number;
  learn(durationMs: number): void;
  /** A batch is being run; it is only told apart from the others. */
  start(batch: object): void;
  end(batch: object): void;
  /**
   * @param oldestDueMs when the batch that waits longest was due; undefined = none waits
   * @param running batches that are being run
   * @param waiting batches that wait
   */
  waitMs(nowMs: number, oldestDueMs: number | undefined, running: number, waiting: number): number;
}

/** Of the latest run in the time of a run. */
const RUN_WEIGHT = 0.2;

/**
 * @param threads that run the model; 0 = the event loop does
 * @param runMs what is known from the warm-up. Without it, the first run counts, which may come in a busy turn.
 */
export function createRunEstimate(threads: number, runMs: number | undefined): RunEstimate {
  return threads === 0 ? new LoopEstimate(runMs) : new ThreadsEstimate(threads, runMs);
}

class LoopEstimate implements RunEstimate {
  private knownMs: number | undefined;

  constructor(runMs: number | undefined) {
    this.knownMs = runMs;
  }

  get runMs(): number {
    return this.knownMs ?? 0;
  }

  learn(durationMs: number): void {
    this.knownMs = smoothed(this.knownMs, durationMs);
  }

  start(): void {}

  end(): void {}

  waitMs(nowMs: number, oldestDueMs: number | undefined, running: number, waiting: number): number {
    if (oldestDueMs === undefined) return 0;
    return Math.max(nowMs - oldestDueMs, (running + waiting) * this.runMs);
  }
}

class ThreadsEstimate implements RunEstimate {
  private readonly threads: number;
  private knownMs: number | undefined;
  private readonly startsMs = new Map<object, number>();

  constructor(threads: number, runMs: number | undefined) {
    this.threads = threads;
    this.knownMs = runMs;
  }

  get runMs(): number {
    return this.knownMs ?? 0;
  }

  learn(durationMs: number): void {
    this.knownMs = smoothed(this.knownMs, durationMs);
  }

  start(batch: object): void {
    this.startsMs.set(batch, performance.now());
  }

  end(batch: object): void {
    this.startsMs.delete(batch);
  }

  waitMs(nowMs: number, oldestDueMs: number | undefined, running: number, waiting: number): number {
    if (running < this.threads) return 0;
    let workMs = waiting * this.runMs;
    for (const startMs of this.startsMs.values()) workMs += Math.max(0, this.runMs - (nowMs - startMs));
    return Math.max(nowMs - (oldestDueMs ?? nowMs), workMs / this.threads);
  }
}

function smoothed(knownMs: number | undefined, durationMs: number): number {
  const lastMs = knownMs ?? durationMs;
  return lastMs + (durationMs - lastMs) * RUN_WEIGHT;
}
