import { describe, expect, it } from 'vitest';
import { createSampleRecorder } from '../../src/rollouts/sample-recorder.ts';
import { shadowSamples } from '../../src/rollouts/samples.ts';
import { summarizeShadow } from '../../src/rollouts/shadow-summary.ts';
import type { ShadowSummary } from '../../src/rollouts/shadow-summary.ts';
import type { ShadowComparison } from '../../src/rollouts/shadow-recorder.ts';
import { seededRandom } from '../../src/stats/seeded-random.ts';

function compare(primary: readonly number[], shadow: readonly number[]): ShadowComparison {
  return { primary, shadow, primaryMs: 10, shadowMs: 15, threshold: 0.5 };
}

function summaryOf(comparisons: readonly ShadowComparison[]): ShadowSummary {
  const recorder = createSampleRecorder();
  for (const comparison of comparisons) recorder.shadow('b').compared(comparison);
  return summarizeShadow(shadowSamples(recorder.state(), 'b'));
}

describe('the summary of a shadow', () => {
  it('tells how far its rows are from those that were answered', () => {
    const summary = summaryOf([
      compare([0.2, 0.4, 0.8], [0.2, 0.6, 0.4]),
      compare([0.1, 0.3], [0.1, 0.3]),
      compare([0.9], [0.9]),
    ]);
    expect(summary).toMatchObject({ requests: 3, rows: 6, errors: 0, shed: 0, nonFinite: 0 });
    expect(summary.flipShare).toBeCloseTo(2 / 6, 12);
    expect(summary.absoluteDifference.p50).toBe(0);
    expect(summary.absoluteDifference.max).toBeCloseTo(0.4, 12);
    expect(summary.relativeDifference.max).toBeCloseTo(0.5, 12);
    // The ranks 1, 2, 3 against 1, 3, 2; then the same order; a single row has none.
    expect(summary.rankCorrelation).toBeCloseTo((0.5 + 1) / 2, 12);
    expect(summary.primaryMs.p50).toBeCloseTo(10, 0);
    expect(summary.shadowMs.p99).toBeCloseTo(15, 0);
    expect(summary.differenceMs).toBe(5);
    // Of the primary's six values, five are at most 0.4, as are three of the shadow's and 0.4 itself.
    expect(summary.distance).toBeCloseTo(1 / 6, 12);
  });

  it('tells how far the distribution of its outputs has moved', () => {
    const random = seededRandom(5);
    const rows = (shift: number): ShadowComparison[] =>
      Array.from({ length: 2000 }, () => compare([random()], [random() + shift]));
    const same = summaryOf(rows(0));
    expect(same.populationStability).toBeLessThan(0.05);
    expect(same.distance).toBeLessThan(0.06);
    const moved = summaryOf(rows(0.3));
    expect(moved.populationStability).toBeGreaterThan(0.25);
    expect(moved.distance).toBeCloseTo(0.3, 1);
  });

  it('counts rows that are no numbers apart, though they flip', () => {
    const summary = summaryOf([compare([0.9, 0.9, 0.1], [Number.NaN, 0.9, 0.1])]);
    expect(summary).toMatchObject({ rows: 3, nonFinite: 1, rankCorrelation: 1 });
    expect(summary.flipShare).toBeCloseTo(1 / 3, 12);
    expect(summary.absoluteDifference.max).toBe(0);
  });

  it('is nothing but zeros without comparisons', () => {
    const recorder = createSampleRecorder();
    recorder.shadow('b').failed();
    recorder.shadow('b').shed();
    const summary = summarizeShadow(shadowSamples(recorder.state(), 'b'));
    expect(summary).toMatchObject({ requests: 0, errors: 1, shed: 1, flipShare: undefined });
    expect(summary.populationStability).toBeUndefined();
    expect(JSON.stringify(summary)).not.toContain('null');
  });

  it('is of pairs of rows', () => {
    const recorder = createSampleRecorder();
    expect(() => recorder.shadow('b').compared(compare([1, 2], [1]))).toThrow(RangeError);
    expect(recorder.changes).toBe(0);
  });
});
