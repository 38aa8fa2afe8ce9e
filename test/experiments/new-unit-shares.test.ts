/** Who is new under other weights, simulated with the hash that servers use. */
import { describe, expect, it } from 'vitest';
import { newUnitShares } from '../../src/experiments/new-unit-shares.ts';
import type { Experiment } from '../../src/project/rollout.ts';
import { createSplit } from '../../src/rollouts/split.ts';
import { seededRandom } from '../../src/stats/seeded-random.ts';

function experimentWith(shareOfA: number, coverage: number, more: Partial<Experiment> = {}): Experiment {
  return {
    kind: 'experiment',
    name: 'exp',
    arms: [
      { variant: 'a', share: shareOfA },
      { variant: 'b', share: 1 - shareOfA },
    ],
    coverage,
    seed: 'exp',
    hashVersion: 2,
    when: undefined,
    layer: undefined,
    holdout: undefined,
    stickyMs: undefined,
    metrics: [],
    alpha: 0.05,
    ...more,
  };
}

const closeTo = (a: number): object => ({ a: expect.closeTo(a, 9), b: expect.closeTo(1 - a, 9) });

describe('the shares of new units', () => {
  it('are those of the version where everybody was covered before, or nobody', () => {
    expect(newUnitShares(experimentWith(0.8, 0.5), [])).toEqual([closeTo(0.8)]);
    expect(newUnitShares(experimentWith(0.5, 1), [experimentWith(0.95, 1)])).toEqual([closeTo(0.5)]);
    const growing = newUnitShares(experimentWith(0.5, 1), [experimentWith(0.5, 0.2)]);
    expect(growing).toEqual([closeTo(0.5), closeTo(0.5)]);
  });

  it('are those of the version where another hash decided before', () => {
    for (const other of [
      { seed: 'old' },
      { hashVersion: 1 },
      { layer: { name: 'l', from: 0, to: 0.5 } },
    ] as const)
      expect(newUnitShares(experimentWith(0.5, 0.5), [experimentWith(0.9, 0.5, other)])).toEqual([
        closeTo(0.5),
      ]);
  });

  it('are a mixture of those whom earlier versions covered, and of those whom they did not', () => {
    const [first, second] = [experimentWith(0.9, 0.5), experimentWith(0.6, 0.8)];
    const parts = newUnitShares(second, [first]);
    // a [0, 0.48), b [0.6, 0.92); covered before: a [0, 0.45), b [0.9, 0.95).
    expect(parts).toEqual([closeTo(0.45 / 0.47), closeTo(0.03 / 0.33)]);
    const record = { phase: 'running' } as never;
    const random = seededRandom(3);
    const splits = [first, second].map((policy) =>
      createSplit({ serve: 'a', policy, shadows: [] }, record, random),
    );
    const counts = { a: 0, b: 0 };
    let [covered, all] = [0, 0];
    for (let i = 0; i < 40_000; i++) {
      const [before, after] = splits.map((split) => split.choose(`u-${i}`, undefined));
      // Half of the units come early.
      const isSeen = random() < 0.5 && before?.assigned !== undefined;
      if (isSeen || after?.assigned === undefined) continue;
      counts[after.variant as 'a' | 'b']++;
      all++;
      if (before?.assigned !== undefined) covered++;
    }
    const mixed = (covered / all) * (parts[0]?.['a'] ?? 0) + (1 - covered / all) * (parts[1]?.['a'] ?? 0);
    expect(counts.a / all).toBeCloseTo(mixed, 1);
    expect(Math.abs(counts.a / all - 0.6)).toBeGreaterThan(0.05);
  });
});
