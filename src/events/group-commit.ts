/**
 * Group commit: calls that come while a commit runs wait and share the next one, so that many callers pay for one sync
 * of the disk. What waits is limited, and so is what one commit takes, for its work happens on the event loop.
 */
import { MillraceError } from '../errors.ts';

export interface GroupLimits {
  /** Most items of one commit, unless a single call has more. */
  readonly groupItemsMax: number;
  readonly groupBytesMax: number;
  /** Most items that wait; a call that finds nothing waiting is taken whatever its size. */
  readonly waitingItemsMax: number;
  readonly waitingBytesMax: number;
}

export interface Submission<T> {
  readonly items: T;
  readonly count: number;
  readonly bytes: number;
}

export interface GroupCommit<T, R> {
  /** @throws MillraceError OVERLOADED, and what `commit` throws */
  submit(submission: Submission<T>): Promise<R>;
  /** Resolves when nothing waits or is being committed. */
  whenIdle(): Promise<void>;
}

interface Waiting<T, R> {
  readonly submission: Submission<T>;
  resolve(result: R): void;
  reject(error: unknown): void;
}

/** When a caller that was refused may try again: the time of some commits. */
const RETRY_AFTER_MS = 100;

/** @param commit gets the items of some calls, and gives the result of each; all of them fail if it throws */
export function createGroupCommit<T, R>(
  commit: (group: readonly T[]) => Promise<readonly R[]>,
  limits: GroupLimits,
): GroupCommit<T, R> {
  const waiting: Waiting<T, R>[] = [];
  let waitingItems = 0;
  let waitingBytes = 0;
  let running: Promise<void> | undefined;

  function takeGroup(): Waiting<T, R>[] {
    let items = 0;
    let bytes = 0;
    let calls = 0;
    for (const { submission } of waiting) {
      items += submission.count;
      bytes += submission.bytes;
      if (calls > 0 && (items > limits.groupItemsMax || bytes > limits.groupBytesMax)) break;
      calls++;
    }
    const group = waiting.splice(0, calls);
    for (const { submission } of group) {
      waitingItems -= submission.count;
      waitingBytes -= submission.bytes;
    }
    return group;
  }

  async function run(): Promise<void> {
    // The other calls of this turn share the first commit.
    await new Promise(setImmediate);
    while (waiting.length > 0) {
      const group = takeGroup();
      try {
        const results = await commit(group.map(({ submission }) => submission.items));
        group.forEach((call, i) => call.resolve(results[i] as R));
      } catch (error) {
        for (const call of group) call.reject(error);
      }
    }
    running = undefined;
  }

  return {
    async submit(submission) {
      const isFull =
        waitingItems + submission.count > limits.waitingItemsMax ||
        waitingBytes + submission.bytes > limits.waitingBytesMax;
      if (isFull && waiting.length > 0) {
        const sentence = `${waitingItems} events wait to be written; send fewer at once.`;
        throw new MillraceError('OVERLOADED', sentence, { retryAfterMs: RETRY_AFTER_MS });
      }
      waitingItems += submission.count;
      waitingBytes += submission.bytes;
      const result = new Promise<R>((resolve, reject) => waiting.push({ submission, resolve, reject }));
      running ??= run();
      return result;
    },
    async whenIdle() {
      await running;
    },
  };
}
