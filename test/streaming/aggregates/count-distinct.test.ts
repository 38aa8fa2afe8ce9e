/** Errors here are those of fixed values, so the tests cannot fail by chance. */
import { describe, expect, it } from 'vitest';
import type { Scalar } from '../../../src/project/value.ts';
import { countDistinct } from '../../../src/streaming/aggregates/count-distinct.ts';

const wanted = { rank: 1, quantile: 0 };
const STANDARD_ERROR = 0.01625;

const kinds: readonly (readonly [string, (index: number) => Scalar])[] = [
  ['small integers', (index) => index],
  ['multiples of 2^32', (index) => index * 2 ** 32],
  ['negative fractions', (index) => -index / 7],
  ['bigints', (index) => 2n ** 53n + BigInt(index)],
  ['names', (index) => `user-${index}`],
  ['names of one length', (index) => String(index).padStart(24, 'x')],
];

function countOf(values: Iterable<Scalar>): number {
  const aggregate = countDistinct();
  const state = aggregate.create();
  for (const value of values) aggregate.add(state, value, 0, 0);
  return aggregate.result(state, wanted) as number;
}

function* first(count: number, valueAt: (index: number) => Scalar): Generator<Scalar> {
  for (let i = 0; i < count; i++) yield valueAt(i);
}

describe.each(kinds)('the count of distinct %s', (_kind, valueAt) => {
  it('is exact up to 256', () => {
    expect(countOf([...first(256, valueAt), ...first(256, valueAt)])).toBe(256);
  });

  it('is within four standard errors beyond', () => {
    for (const count of [257, 1000, 5000, 20_000, 100_000, 300_000]) {
      const error = countOf(first(count, valueAt)) / count - 1;
      expect(Math.abs(error), `${count} values`).toBeLessThan(4 * STANDARD_ERROR);
    }
  });
});

describe('the error of many counts', () => {
  it('is as wide as the theory says, and leans to no side', () => {
    const errors = Array.from(
      { length: 200 },
      (_, run) => countOf(first(3000, (i) => `${run}/${i}`)) / 3000 - 1,
    );
    const average = errors.reduce((total, error) => total + error, 0) / errors.length;
    const spread = Math.sqrt(errors.reduce((total, error) => total + error ** 2, 0) / errors.length);
    expect(Math.abs(average)).toBeLessThan(0.004);
    expect(spread).toBeGreaterThan(0.005);
    expect(spread).toBeLessThan(0.02);
  });
});

describe('merged counts', () => {
  it('take in an exact one as well as an estimate', () => {
    const aggregate = countDistinct();
    const few = aggregate.create();
    const many = aggregate.create();
    for (let i = 0; i < 10; i++) aggregate.add(few, i, 0, 0);
    for (let i = 5; i < 1000; i++) aggregate.add(many, i, 0, 0);
    const [one, other] = [aggregate.copy(few), aggregate.copy(many)];
    aggregate.merge(one, many);
    aggregate.merge(other, few);
    expect(aggregate.encode(one)).toEqual(aggregate.encode(other));
    expect(aggregate.result(one, wanted)).toBeGreaterThan(930);
    expect(aggregate.result(few, wanted)).toBe(10);
  });
});
