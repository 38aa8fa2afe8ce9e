/**
 * Writes batches to the store, several at a time, so that reading the file and syncing the disk overlap. Bounded: a
 * batch waits when `WRITES_IN_FLIGHT_MAX` are on their way. Batches are given to the store in order.
 */
import type { OnlineStore, RowWrite } from '../online-store.ts';

export interface WriteQueue {
  /**
   * Resolves when the batch is on its way.
   * @throws MillraceError STORE_FAILED, of this batch or of an earlier one
   */
  write(rows: readonly RowWrite[]): Promise<void>;
  /**
   * Resolves when all batches are written.
   * @throws MillraceError STORE_FAILED
   */
  drain(): Promise<void>;
  /** What became of the rows so far. */
  counted(): { readonly written: number; readonly older: number };
}

const WRITES_IN_FLIGHT_MAX = 4;

export function createWriteQueue(store: Pick<OnlineStore, 'write'>): WriteQueue {
  const inFlight = new Set<Promise<void>>();
  let failure: { readonly error: unknown } | undefined;
  let written = 0;
  let older = 0;

  async function writeBatch(rows: readonly RowWrite[]): Promise<void> {
    try {
      for (const outcome of await store.write(rows)) {
        if (outcome === 'written') written++;
        else older++;
      }
    } catch (error) {
      failure ??= { error };
    }
  }

  function throwFailure(): void {
    if (failure !== undefined) throw failure.error;
  }

  return {
    async write(rows) {
      while (inFlight.size >= WRITES_IN_FLIGHT_MAX) await Promise.race(inFlight);
      throwFailure();
      if (rows.length === 0) return;
      const writing = writeBatch(rows).then(() => void inFlight.delete(writing));
      inFlight.add(writing);
    },

    async drain() {
      await Promise.all(inFlight);
      throwFailure();
    },

    counted: () => ({ written, older }),
  };
}
