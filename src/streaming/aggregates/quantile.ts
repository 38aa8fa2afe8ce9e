/**
 * Quantiles within 1 % of the value, by a sketch that counts values in buckets whose bounds grow by the same factor:
 * C. Masson et al., DDSketch (2019). Past 2048 buckets, which takes values that lie more than 17 decimal orders
 * apart, neighbours are joined in pairs, as in UDDSketch (I. Epicoco et al., 2020): then the bound is 2 %, 4 % and so
 * on. What a sketch holds depends on its values alone, not on their order nor on how it was merged.
 *
 * Written here because Datadog's package merges no negative values, and tdigest has no bound and depends on order.
 */
import type { Aggregate } from './aggregate.ts';
import { toNumber } from './aggregate.ts';

const BUCKETS_MAX = 2048;
const ACCURACY = 0.01;
const GROWTH_LOG = Math.log((1 + ACCURACY) / (1 - ACCURACY));
/**
 * Above the magnitude of any bucket's index, so that keys order as values do: bucket i of the positive values has key
 * KEY_ZERO + i, of the negative ones -(KEY_ZERO + i); zeros have key 0.
 */
const KEY_ZERO = 40_000;
/** Buckets are looked up one by one where they are that much fewer than those that they are merged into. */
const FEW = 8;

interface Sketch {
  /** How often buckets were joined. */
  level: number;
  count: number;
  min: number;
  max: number;
  /** Ascending. */
  keys: number[];
  /** By position in `keys`. */
  counts: number[];
}

export const quantile: Aggregate<Sketch> = {
  form: 'quantile',
  create: () => ({ level: 0, count: 0, min: Infinity, max: -Infinity, keys: [], counts: [] }),
  add(state, given) {
    const value = toNumber(given);
    state.count += 1;
    if (value < state.min) state.min = value;
    if (value > state.max) state.max = value;
    addToBucket(state, keyOf(value, state.level), 1);
    joinWhileTooMany(state);
  },
  copy({ level, count, min, max, keys, counts }) {
    return { level, count, min, max, keys: keys.slice(), counts: counts.slice() };
  },
  merge(into, other) {
    if (other.count === 0) return;
    into.count += other.count;
    into.min = Math.min(into.min, other.min);
    into.max = Math.max(into.max, other.max);
    while (into.level < other.level) joinPairs(into);
    const { keys, counts } = joinedTo(into.level, other);
    if (keys.length * FEW < into.keys.length) {
      for (let i = 0; i < keys.length; i++) addToBucket(into, keys[i] as number, counts[i] as number);
    } else {
      const merged = mergeSorted(into, { keys, counts });
      into.keys = merged.keys;
      into.counts = merged.counts;
    }
    joinWhileTooMany(into);
  },
  result({ level, count, min, max, keys, counts }, wanted) {
    if (count === 0) return null;
    const rank = Math.ceil(wanted.quantile * count);
    if (rank <= 1) return min;
    if (rank >= count) return max;
    let left = rank;
    let at = 0;
    while (left > (counts[at] as number)) left -= counts[at++] as number;
    return Math.min(Math.max(valueOf(keys[at] as number, level), min), max);
  },
  encode: ({ level, count, min, max, keys, counts }) =>
    count === 0 ? [] : [level, count, min, max, keys, counts],
  decode(encoded) {
    if ((encoded as unknown[]).length === 0) return quantile.create();
    const [level, count, min, max, keys, counts] = encoded as [
      number,
      number,
      number,
      number,
      number[],
      number[],
    ];
    return { level, count, min, max, keys, counts };
  },
  bytes: ({ keys }) => 250 + 16 * keys.length,
};

function keyOf(value: number, level: number): number {
  if (value === 0) return 0;
  const bucket = Math.ceil(Math.log(Math.abs(value)) / GROWTH_LOG);
  const key = KEY_ZERO + Math.ceil(bucket / 2 ** level);
  return value > 0 ? key : -key;
}

/** The value that is as far, relatively, from the lower bound of the bucket as from the upper one. */
function valueOf(key: number, level: number): number {
  if (key === 0) return 0;
  const growthLog = GROWTH_LOG * 2 ** level;
  const magnitude = Math.exp(
    (Math.abs(key) - KEY_ZERO) * growthLog - Math.log((1 + Math.exp(growthLog)) / 2),
  );
  return key > 0 ? magnitude : -magnitude;
}

function addToBucket({ keys, counts }: Buckets, key: number, count: number): void {
  const at = positionOf(keys, key);
  if (keys[at] === key) {
    counts[at] = (counts[at] as number) + count;
    return;
  }
  keys.splice(at, 0, key);
  counts.splice(at, 0, count);
}

/** Where a key stands, or would stand. */
function positionOf(keys: readonly number[], key: number): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] as number) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

type Buckets = Pick<Sketch, 'keys' | 'counts'>;

function joinWhileTooMany(state: Sketch): void {
  while (state.keys.length > BUCKETS_MAX) joinPairs(state);
}

function joinPairs(state: Sketch): void {
  const { keys, counts } = joinedTo(state.level + 1, state);
  state.keys = keys;
  state.counts = counts;
  state.level += 1;
}

/** The buckets as they are at a level that is not below the sketch's own. */
function joinedTo(level: number, { level: from, keys, counts }: Sketch): Buckets {
  if (level === from) return { keys, counts };
  const joined: Buckets = { keys: [], counts: [] };
  keys.forEach((key, i) => {
    const bucket = Math.ceil((Math.abs(key) - KEY_ZERO) / 2 ** (level - from));
    const wider = key === 0 ? 0 : Math.sign(key) * (KEY_ZERO + bucket);
    const last = joined.keys.length - 1;
    if (joined.keys[last] === wider)
      joined.counts[last] = (joined.counts[last] as number) + (counts[i] as number);
    else {
      joined.keys.push(wider);
      joined.counts.push(counts[i] as number);
    }
  });
  return joined;
}

function mergeSorted(one: Buckets, other: Buckets): Buckets {
  const merged: Buckets = { keys: [], counts: [] };
  let [a, b] = [0, 0];
  while (a < one.keys.length || b < other.keys.length) {
    const [keyA, keyB] = [one.keys[a] ?? Infinity, other.keys[b] ?? Infinity];
    let count = 0;
    if (keyA <= keyB) count += one.counts[a++] as number;
    if (keyB <= keyA) count += other.counts[b++] as number;
    merged.keys.push(Math.min(keyA, keyB));
    merged.counts.push(count);
  }
  return merged;
}
