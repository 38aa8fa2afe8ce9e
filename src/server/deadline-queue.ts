/**
 * Deadlines for many waiting entries that all have the same time limit. As everybody waits equally long, the oldest
 * entry is always the first to expire: a linked list in order of entry and one timer, instead of a timer each.
 *
 * Cost: entering and leaving relink two neighbours. An entry expires up to one tick late.
 */

export interface DeadlineEntry {
  /** Set by the queue. */
  enteredMs: number;
  previous: DeadlineEntry | undefined;
  next: DeadlineEntry | undefined;
  queue: DeadlineQueue | undefined;
  expire(): void;
}

export interface DeadlineQueue {
  readonly size: number;
  enter(entry: DeadlineEntry): void;
  /** Does nothing if the entry is not in this queue. */
  leave(entry: DeadlineEntry): void;
  /** Closes when the last entry has left; no more may enter. */
  retire(): void;
  close(): void;
}

const TICK_MS_MAX = 50;

/** @param nowMs a clock that never goes back. */
export function createDeadlineQueue(limitMs: number, nowMs: () => number): DeadlineQueue {
  let size = 0;
  let oldest: DeadlineEntry | undefined;
  let newest: DeadlineEntry | undefined;
  let isRetired = false;

  const queue: DeadlineQueue = {
    get size() {
      return size;
    },
    enter(entry) {
      entry.enteredMs = nowMs();
      entry.queue = queue;
      entry.previous = newest;
      entry.next = undefined;
      if (newest === undefined) oldest = entry;
      else newest.next = entry;
      newest = entry;
      size++;
    },
    leave(entry) {
      if (entry.queue !== queue) return;
      if (entry.previous === undefined) oldest = entry.next;
      else entry.previous.next = entry.next;
      if (entry.next === undefined) newest = entry.previous;
      else entry.next.previous = entry.previous;
      entry.queue = undefined;
      entry.previous = undefined;
      entry.next = undefined;
      size--;
      if (isRetired && size === 0) queue.close();
    },
    retire() {
      isRetired = true;
      if (size === 0) queue.close();
    },
    close: () => clearInterval(timer),
  };

  const expireOldest = (): void => {
    const expiredMs = nowMs() - limitMs;
    while (oldest !== undefined && oldest.enteredMs <= expiredMs) {
      const entry = oldest;
      queue.leave(entry);
      entry.expire();
    }
  };
  const timer = setInterval(expireOldest, Math.max(1, Math.min(TICK_MS_MAX, limitMs / 4)));
  timer.unref();
  return queue;
}
