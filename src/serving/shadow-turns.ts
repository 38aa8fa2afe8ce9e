/**
 * The time of the event loop that shadows get: a share of what it has had to spare lately, and little of it in one turn.
 * So the nearer the event loop comes to its limit, the fewer requests are compared; those that wait for an answer go
 * first. One for all shadows of a process. To ask whether there is time takes about 0.1 us.
 */
export interface ShadowTurns {
  /** Whether something more may be taken on. */
  hasTime(): boolean;
  /** Does it in a turn to come, in order. It may not throw. */
  later(work: () => void): void;
  /** Counts what is done at once. */
  spend(ms: number): void;
}

export interface ShadowTurnsOptions {
  /** Of the idle time of the event loop. */
  readonly share?: number;
  /** Most that is saved up. */
  readonly savedMsMax?: number;
}

/** What comes in meanwhile waits for a turn: as long as a run of a model on the event loop may take. */
const TURN_MS = 0.3;
const SHARE = 0.1;
const SAVED_MS_MAX = 20;
const SAMPLE_MS = 5;

export function createShadowTurns({
  share = SHARE,
  savedMsMax = SAVED_MS_MAX,
}: ShadowTurnsOptions = {}): ShadowTurns {
  const queue: (() => void)[] = [];
  let isDue = false;
  let savedMs = savedMsMax;
  let sampledMs = performance.now();
  let { idle: idleMs } = performance.eventLoopUtilization();

  function save(nowMs: number): void {
    const { idle } = performance.eventLoopUtilization();
    savedMs = Math.min(savedMsMax, savedMs + share * (idle - idleMs));
    idleMs = idle;
    sampledMs = nowMs;
  }

  function takeTurn(): void {
    const startMs = performance.now();
    let nowMs = startMs;
    for (let work = queue.shift(); work !== undefined; work = queue.shift()) {
      work();
      nowMs = performance.now();
      if (nowMs - startMs >= TURN_MS) break;
    }
    savedMs -= nowMs - startMs;
    isDue = queue.length > 0;
    if (isDue) setImmediate(takeTurn);
  }

  return {
    hasTime() {
      const nowMs = performance.now();
      if (nowMs - sampledMs >= SAMPLE_MS) save(nowMs);
      return savedMs > 0;
    },
    later(work) {
      queue.push(work);
      if (isDue) return;
      isDue = true;
      setImmediate(takeTurn);
    },
    spend(ms) {
      savedMs -= ms;
    },
  };
}
