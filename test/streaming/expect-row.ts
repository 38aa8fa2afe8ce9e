/** Compares a row with the reference, each aggregate by the bound that docs/streaming.md states. */
import { expect } from 'vitest';
import type { Row } from '../../src/features/online-store.ts';
import type { Aggregation, FeatureView } from '../../src/project/project.ts';
import type { Scalar, Value } from '../../src/project/value.ts';
import type { ReferenceRow } from './reference.ts';

const EXACT_DISTINCT_MAX = 256;
/** Four times the standard error of 1.6 %. */
const DISTINCT_ERROR = 0.065;
const QUANTILE_ERROR = 0.01;

export function expectRow(view: FeatureView, actual: Row | null, expected: ReferenceRow | null): void {
  if (actual === null || expected === null) {
    expect(actual).toEqual(expected);
    return;
  }
  expect(actual).toHaveLength(view.features.length + 1);
  expect(actual[0]).toBe(expected.eventTimeMs);
  view.features.forEach(({ aggregation }, i) => {
    expectValue(
      aggregation as Aggregation,
      actual[i + 1] ?? null,
      expected.values[i] ?? null,
      expected.inputs[i] ?? [],
    );
  });
}

function expectValue(
  aggregation: Aggregation,
  actual: Value,
  expected: Value,
  inputs: readonly Scalar[],
): void {
  const tolerance = toleranceOf(aggregation, expected, inputs);
  const context = `${JSON.stringify(aggregation)} of ${inputs.length} values`;
  if (expected === null || tolerance === 0) {
    expect(actual, context).toStrictEqual(expected);
    return;
  }
  expect(typeof actual, context).toBe('number');
  const distance = Math.abs((actual as number) - (expected as number));
  expect(distance <= tolerance, `${context}: ${String(actual)} instead of ${String(expected)}`).toBe(true);
}

function toleranceOf({ name }: Aggregation, expected: Value, inputs: readonly Scalar[]): number {
  const size = Math.abs(Number(expected));
  const numbers = inputs.map((value) => Math.abs(Number(value)));
  switch (name) {
    case 'sum':
    case 'mean':
      return 1e-9 * size + 1e-25 * numbers.reduce((sum, value) => sum + value, 0);
    case 'variance':
      return 1e-9 * size + 1e-14 * numbers.length * Math.max(...numbers) ** 2;
    case 'count_distinct':
      return size <= EXACT_DISTINCT_MAX ? 0 : DISTINCT_ERROR * size;
    case 'quantile':
      // The bound itself is rounded.
      return (QUANTILE_ERROR + 1e-9) * size;
    case 'count':
    case 'min':
    case 'max':
    case 'first':
    case 'last':
    case 'top_k':
      return 0;
  }
}
