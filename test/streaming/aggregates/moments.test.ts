import { describe, expect, it } from 'vitest';
import { mean, sum, variance } from '../../../src/streaming/aggregates/moments.ts';
import type { Aggregate } from '../../../src/streaming/aggregates/aggregate.ts';
import type { Scalar, Value } from '../../../src/project/value.ts';

const wanted = { rank: 1, quantile: 0 };

function resultOf<State>(aggregate: Aggregate<State>, values: readonly Scalar[]): Value {
  const state = aggregate.create();
  for (const value of values) aggregate.add(state, value, 0, 0);
  return aggregate.result(state, wanted);
}

describe('a sum', () => {
  it('keeps what rounding would take', () => {
    expect(resultOf(sum, [1, 1e100, 1, -1e100])).toBe(2);
    expect(resultOf(mean, [1, 1e100, 1, -1e100])).toBe(0.5);
  });

  it('does not drift over a million tenths', () => {
    expect(
      resultOf(
        sum,
        Array.from({ length: 1_000_000 }, () => 0.1),
      ),
    ).toBe(100_000);
  });

  it('counts true as 1 and false as 0', () => {
    expect(resultOf(mean, [true, false, true, true])).toBe(0.75);
  });
});

describe('a variance', () => {
  it('is that of the population', () => {
    expect(resultOf(variance, [2, 4, 4, 4, 5, 5, 7, 9])).toBe(4);
  });

  it('survives values that are large against their distances', () => {
    expect(resultOf(variance, [1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16])).toBe(22.5);
  });
});

describe('what is beyond a float64', () => {
  it.each([
    ['sum', sum],
    ['mean', mean],
  ] as const)('is a missing %s', (_name, aggregate) => {
    expect(resultOf(aggregate, [1.7e308, 1.7e308])).toBe(null);
  });

  it('is a missing variance', () => {
    expect(resultOf(variance, [1e200, -1e200])).toBe(null);
  });
});
