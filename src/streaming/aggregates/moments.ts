/** Counts, sums and variances: a few numbers per tile, whatever the number of events. */
import type { Aggregate } from './aggregate.ts';
import { finiteOrNull, toNumber } from './aggregate.ts';

interface Count {
  count: number;
}

export const count: Aggregate<Count> = {
  form: 'count',
  create: () => ({ count: 0 }),
  add(state) {
    state.count += 1;
  },
  copy: (state) => ({ count: state.count }),
  merge(into, other) {
    into.count += other.count;
  },
  result: (state) => state.count,
  encode: (state) => state.count,
  decode: (encoded) => ({ count: encoded as number }),
  bytes: () => 16,
};

/** A sum with the part that rounding took from it (Neumaier), so that the order of merging hardly shows. */
interface Sum {
  count: number;
  sum: number;
  lost: number;
}

function addToSum(state: Sum, value: number): void {
  const { sum } = state;
  const next = sum + value;
  state.lost += Math.abs(sum) >= Math.abs(value) ? sum - next + value : value - next + sum;
  state.sum = next;
}

export const sum: Aggregate<Sum> = {
  form: 'sum',
  create: () => ({ count: 0, sum: 0, lost: 0 }),
  add(state, value) {
    state.count += 1;
    addToSum(state, toNumber(value));
  },
  copy: (state) => ({ count: state.count, sum: state.sum, lost: state.lost }),
  merge(into, other) {
    into.count += other.count;
    addToSum(into, other.sum);
    into.lost += other.lost;
  },
  result: (state) => finiteOrNull(state.sum + state.lost),
  encode: (state) => [state.count, state.sum, state.lost],
  decode(encoded) {
    const [eventCount, total, lost] = encoded as [number, number, number];
    return { count: eventCount, sum: total, lost };
  },
  bytes: () => 64,
};

/** Shares the state of `sum`. */
export const mean: Aggregate<Sum> = {
  ...sum,
  result: (state) => (state.count === 0 ? null : finiteOrNull((state.sum + state.lost) / state.count)),
};

/** The sum of the squared distances to the mean, by Welford; merged by the formula of Chan, Golub and LeVeque. */
interface Variance {
  count: number;
  mean: number;
  squares: number;
}

/** Of the population: divided by the count. */
export const variance: Aggregate<Variance> = {
  form: 'variance',
  create: () => ({ count: 0, mean: 0, squares: 0 }),
  add(state, value) {
    const number = toNumber(value);
    state.count += 1;
    const distance = number - state.mean;
    state.mean += distance / state.count;
    state.squares += distance * (number - state.mean);
  },
  copy: (state) => ({ count: state.count, mean: state.mean, squares: state.squares }),
  merge(into, other) {
    if (other.count === 0) return;
    const merged = into.count + other.count;
    const distance = other.mean - into.mean;
    into.mean += (distance * other.count) / merged;
    into.squares += other.squares + (distance * distance * into.count * other.count) / merged;
    into.count = merged;
  },
  result: (state) => (state.count === 0 ? null : finiteOrNull(state.squares / state.count)),
  encode: (state) => [state.count, state.mean, state.squares],
  decode(encoded) {
    const [eventCount, middle, squares] = encoded as [number, number, number];
    return { count: eventCount, mean: middle, squares };
  },
  bytes: () => 64,
};
