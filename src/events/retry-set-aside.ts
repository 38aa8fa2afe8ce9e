/**
 * Events that were set aside go into the event log again, each into the partition that it came from: in the others it
 * was applied. It gets an id of its own, made of the entry's number, so that a retry that broke off between appending
 * and removing can be repeated, and nothing is counted twice.
 */
import type { EventLog } from './event-log.ts';
import type { SetAside, SetAsideLog } from './set-aside-log.ts';

export interface Retried {
  /** Entries that are in the event log again. */
  readonly retried: number;
  /** Numbers of entries that cannot be read; they stay. */
  readonly unreadable: readonly number[];
  /** Numbers that are not there. */
  readonly missing: readonly number[];
}

const retryId = /^retry \w+ \d+ /;

/** The id that an event had before it was first tried again. */
export function originalId(id: string): string {
  return id.replace(retryId, '');
}

/** @throws MillraceError STORE_FAILED, OVERLOADED: what was not appended stays set aside */
export async function retrySetAside(
  log: EventLog,
  setAside: SetAsideLog,
  numbers: readonly number[],
): Promise<Retried> {
  const found = await setAside.get(numbers);
  const there = new Set(found.map(({ number }) => number));
  const readable = found.filter((entry) => entry.event !== undefined);
  await log.append(readable.flatMap((entry) => writesOf(setAside, entry)));
  await setAside.remove(readable.map(({ number }) => number));
  return {
    retried: readable.length,
    unreadable: found.filter(({ event }) => event === undefined).map(({ number }) => number),
    missing: numbers.filter((number) => !there.has(number)),
  };
}

function writesOf(
  { name }: SetAsideLog,
  { number, partition, event }: SetAside,
): Parameters<EventLog['append']>[0] {
  if (event === undefined) return [];
  const id = `retry ${name} ${number} ${originalId(event.id)}`;
  return [{ event: { ...event, id }, partitions: [partition] }];
}

/** Entries of one step: so many are in memory at once. */
const STEP_ENTRIES = 200;

/**
 * The numbers of all entries that are there now, some at a time. Those that are added meanwhile, as when what was retried
 * is set aside again, are not among them.
 */
export async function* numbersOfAll(setAside: SetAsideLog): AsyncGenerator<number[]> {
  let left = await setAside.count();
  for (let from = 0; left > 0;) {
    const entries = await setAside.list(from, Math.min(left, STEP_ENTRIES));
    const last = entries.at(-1);
    if (last === undefined) return;
    left -= entries.length;
    from = last.number + 1;
    yield entries.map(({ number }) => number);
  }
}

/** Numbers, each once, some at a time. */
export async function* numbersOf(numbers: readonly number[]): AsyncGenerator<number[]> {
  const distinct = [...new Set(numbers)];
  for (let from = 0; from < distinct.length; from += STEP_ENTRIES)
    yield distinct.slice(from, from + STEP_ENTRIES);
}
