/** The events of an outbox in their order, with how large they are, and whoever waits until one is settled. */
import type { WireValue } from './wire-value.ts';

export type WireEvent = Readonly<Record<string, WireValue>> & { readonly id: string };

interface Entry {
  readonly event: WireEvent;
  readonly bytes: number;
}

interface Watcher {
  /** How many events were put in before it is told. */
  readonly until: number;
  readonly tell: () => void;
}

export interface OutboxQueue {
  readonly count: number;
  readonly bytes: number;
  add(events: readonly WireEvent[]): void;
  /** Before all others: they were put in by an earlier outbox. */
  addFirst(events: readonly WireEvent[]): void;
  /** The oldest, at least one if there is any. */
  oldest(countMax: number, bytesMax: number): readonly WireEvent[];
  /** Takes out the oldest. */
  settle(count: number): void;
  all(): readonly WireEvent[];
  /** Resolves when all that is in it now is settled. */
  whenSettled(): Promise<void>;
}

const encoder = new TextEncoder();

/** In UTF-8 as JSON. */
export function eventBytes(event: WireEvent): number {
  return encoder.encode(JSON.stringify(event)).length;
}

export function createOutboxQueue(): OutboxQueue {
  let entries: Entry[] = [];
  let bytes = 0;
  let settledCount = 0;
  let watchers: Watcher[] = [];
  const entriesOf = (events: readonly WireEvent[]): Entry[] => {
    const added = events.map((event) => ({ event, bytes: eventBytes(event) }));
    bytes += added.reduce((sum, entry) => sum + entry.bytes, 0);
    return added;
  };
  return {
    get count() {
      return entries.length;
    },
    get bytes() {
      return bytes;
    },
    add(events) {
      entries.push(...entriesOf(events));
    },
    addFirst(events) {
      entries = [...entriesOf(events), ...entries];
      // Who waits already, waits for as many more.
      watchers = watchers.map(({ until, tell }) => ({ until: until + events.length, tell }));
    },
    oldest(countMax, bytesMax) {
      let end = 0;
      let sum = 0;
      while (end < Math.min(countMax, entries.length)) {
        sum += (entries[end] as Entry).bytes + 1;
        if (end > 0 && sum > bytesMax) break;
        end++;
      }
      return entries.slice(0, end).map(({ event }) => event);
    },
    settle(count) {
      const gone = entries.splice(0, count);
      bytes -= gone.reduce((sum, entry) => sum + entry.bytes, 0);
      settledCount += gone.length;
      for (const { until, tell } of watchers) if (until <= settledCount) tell();
      watchers = watchers.filter(({ until }) => until > settledCount);
    },
    all: () => entries.map(({ event }) => event),
    whenSettled: async () =>
      new Promise((tell) => {
        if (entries.length === 0) tell();
        else watchers.push({ until: settledCount + entries.length, tell });
      }),
  };
}
