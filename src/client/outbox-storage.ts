/** Where an outbox is kept over a restart of its page or process. What is saved is always the whole of it. */
import { MillraceClientError } from './client-error.ts';
import type { WireEvent } from './outbox-queue.ts';

/** A place for one text: an item of `sessionStorage`, a file. No two outboxes may share one. */
export interface OutboxStorage {
  /** What was saved last; null or undefined if nothing was. */
  load(): Promise<string | null | undefined> | string | null | undefined;
  /** Replaces what is there. */
  save(text: string): Promise<void> | void;
}

export interface OutboxKeeper {
  /** @throws MillraceClientError STORAGE_FAILED */
  load(): Promise<readonly WireEvent[]>;
  /**
   * Resolves when what the outbox holds now, or later, is saved. Calls that come while one saves share the next.
   * @throws MillraceClientError STORAGE_FAILED
   */
  save(): Promise<void>;
}

export function createOutboxKeeper(
  storage: OutboxStorage | undefined,
  eventsNow: () => readonly WireEvent[],
): OutboxKeeper {
  let saving: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;
  /** What it holds may be mended by hand, so nothing is written over it. */
  let unreadable: MillraceClientError | undefined;
  if (storage === undefined) return { load: async () => [], save: async () => undefined };

  async function saveNow(place: OutboxStorage): Promise<void> {
    if (unreadable !== undefined) throw unreadable;
    try {
      await place.save(JSON.stringify(eventsNow()));
    } catch (cause) {
      const sentence = `The outbox cannot be saved: ${messageOf(cause)}. Its events are sent all the same, but lost if this program ends before.`;
      throw new MillraceClientError('STORAGE_FAILED', sentence, { cause });
    }
  }

  return {
    async load() {
      try {
        const text = (await storage.load()) ?? '';
        return text === '' ? [] : (JSON.parse(text) as readonly WireEvent[]);
      } catch (cause) {
        const sentence = `The outbox cannot be loaded: ${messageOf(cause)}. Look at what its storage holds, or clear it.`;
        unreadable = new MillraceClientError('STORAGE_FAILED', sentence, { cause });
        throw unreadable;
      }
    },
    save: async () => {
      next ??= saving
        .catch(() => undefined)
        .then(async () => {
          next = undefined;
          saving = saveNow(storage);
          return saving;
        });
      return next;
    },
  };
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
