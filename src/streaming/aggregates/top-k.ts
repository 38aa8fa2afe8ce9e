/**
 * The most frequent values, by the counters of Misra and Gries, merged as P. Agarwal et al. show in Mergeable
 * summaries (2012). With c counters the answer is exact while there are at most c distinct values. Beyond that a value
 * that makes up more than 1 / (c + 1) of the events is always among them, and each counter is too low by at most that
 * share of them.
 */
import type { Scalar } from '../../project/value.ts';
import type { Aggregate } from './aggregate.ts';

const COUNTERS_MIN = 64;
const COUNTERS_PER_RANK = 8;
const ENTRY_BYTES = 48;

type Counters = Map<Scalar, number>;

export function topK(k: number): Aggregate<Counters> {
  const countersMax = Math.max(COUNTERS_PER_RANK * k, COUNTERS_MIN);
  return {
    form: `top_k ${countersMax}`,
    create: () => new Map(),
    add(state, value) {
      const known = state.get(value);
      if (known !== undefined) state.set(value, known + 1);
      else if (state.size < countersMax) state.set(value, 1);
      else lower(state, 1);
    },
    copy: (state) => new Map(state),
    merge(into, other) {
      for (const [value, eventCount] of other) into.set(value, (into.get(value) ?? 0) + eventCount);
      if (into.size <= countersMax) return;
      // What the first one beyond the limit counted is taken from all, so that it and those behind it go.
      const counts = [...into.values()].toSorted((a, b) => b - a);
      lower(into, counts[countersMax] as number);
    },
    result: (state, { rank }) => valueAtRank(state, rank),
    encode: (state) => [...state].toSorted(byRank).flat(),
    decode(encoded) {
      const state: Counters = new Map();
      const flat = encoded as Scalar[];
      for (let i = 0; i < flat.length; i += 2) state.set(flat[i] as Scalar, flat[i + 1] as number);
      return state;
    },
    bytes(state) {
      let bytes = 200;
      for (const value of state.keys())
        bytes += ENTRY_BYTES + (typeof value === 'string' ? 2 * value.length : 0);
      return bytes;
    },
  };
}

/** Takes the same from every counter; those that come to nothing go. */
function lower(state: Counters, by: number): void {
  for (const [value, eventCount] of state) {
    if (eventCount > by) state.set(value, eventCount - by);
    else state.delete(value);
  }
}

type Entry = readonly [value: Scalar, eventCount: number];

/** By count, the greatest first; equal counts by value, the least first. */
function byRank([a, countA]: Entry, [b, countB]: Entry): number {
  return countB - countA || (a < b ? -1 : 1);
}

/** Walks through the counters once a rank: ranks are few, and sorting them all would take more. */
function valueAtRank(state: Counters, rank: number): Scalar | null {
  let found: Entry | undefined;
  for (let at = 1; at <= rank; at++) {
    let next: Entry | undefined;
    for (const entry of state) {
      const isBehind = found === undefined || (entry[0] !== found[0] && byRank(found, entry) < 0);
      if (isBehind && (next === undefined || byRank(entry, next) < 0)) next = entry;
    }
    if (next === undefined) return null;
    found = next;
  }
  return found?.[0] ?? null;
}
