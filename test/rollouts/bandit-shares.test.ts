import { describe, expect, it } from 'vitest';
import type { Bandit } from '../../src/project/rollout.ts';
import { banditShares } from '../../src/rollouts/bandit-shares.ts';
import { createSampleRecorder } from '../../src/rollouts/sample-recorder.ts';
import type { EndpointSamples } from '../../src/rollouts/samples.ts';
import { seededRandom } from '../../src/stats/seeded-random.ts';

function banditOf(changes: Partial<Bandit>): Bandit {
  return {
    kind: 'bandit',
    name: 'c',
    arms: ['a', 'b', 'c'],
    algorithm: 'thompson',
    reward: 'click',
    floor: 0.01,
    intervalMs: 60_000,
    metrics: [],
    alpha: 0.05,
    ...changes,
  };
}

/** Clicks of so many of 1,000 predictions. */
function clicks(byArm: Readonly<Record<string, number>>): EndpointSamples {
  const recorder = createSampleRecorder();
  for (const [arm, ones] of Object.entries(byArm))
    for (let prediction = 0; prediction < 1000; prediction++)
      recorder.arm(arm).feedback('click', prediction < ones ? 1 : 0);
  return recorder.state();
}

function rewards(byArm: Readonly<Record<string, readonly number[]>>): EndpointSamples {
  const recorder = createSampleRecorder();
  for (const [arm, values] of Object.entries(byArm))
    for (const value of values) recorder.arm(arm).feedback('reward', value);
  return recorder.state();
}

function sum(shares: Readonly<Record<string, number>>): number {
  return Object.values(shares).reduce((total, share) => total + share, 0);
}

describe('Thompson shares', () => {
  it('are the chance to be the best, above a floor', () => {
    const shares = banditShares(banditOf({ floor: 0.05 }), clicks({ a: 100, b: 120, c: 110 }));
    expect(shares['a']).toBeCloseTo(0.05 + 0.85 * 0.0462083, 6);
    expect(shares['b']).toBeCloseTo(0.05 + 0.85 * 0.7268865, 6);
    expect(shares['c']).toBeCloseTo(0.05 + 0.85 * 0.2269052, 6);
    expect(sum(shares)).toBeCloseTo(1, 12);
  });

  it('are even where nothing is known', () => {
    for (const reward of ['click', 'reward'] as const) {
      const shares = banditShares(banditOf({ reward }), { arms: {}, shadows: {} });
      for (const share of Object.values(shares)) expect(share).toBeCloseTo(1 / 3, 6);
    }
    const same = banditShares(banditOf({ reward: 'reward' }), rewards({ a: [5, 5], b: [5], c: [5] }));
    for (const share of Object.values(same)) expect(share).toBeCloseTo(1 / 3, 12);
  });

  it('keep exploring an arm that was not played', () => {
    expect(banditShares(banditOf({}), clicks({ a: 100, b: 120 }))['c']).toBeGreaterThan(0.5);
    const random = seededRandom(1);
    const values = Array.from({ length: 500 }, () => 10 * random());
    const shares = banditShares(
      banditOf({ reward: 'reward' }),
      rewards({ a: values, b: values.map((v) => v + 1) }),
    );
    expect(shares['c']).toBeGreaterThan(0.2);
    expect(shares['b']).toBeGreaterThan(shares['a'] as number);
  });

  it('find the best of arms with any rewards', () => {
    const random = seededRandom(2);
    const draw = (mean: number): number[] => Array.from({ length: 2000 }, () => mean + 10 * random());
    const samples = rewards({ a: draw(0), b: draw(1), c: draw(3) });
    const shares = banditShares(banditOf({ reward: 'reward' }), samples);
    expect(shares['c']).toBeCloseTo(0.98, 3);
    expect(shares['a']).toBeCloseTo(0.01, 3);
    expect(sum(shares)).toBeCloseTo(1, 12);
    expect(banditShares(banditOf({ reward: 'reward' }), samples)).toEqual(shares);
  });

  it('do not take two rewards that are the same as certain', () => {
    const shares = banditShares(
      banditOf({ arms: ['a', 'b'], reward: 'reward' }),
      rewards({ a: [3, 3], b: [2, 4, 2, 4, 2, 4] }),
    );
    expect(shares['a']).toBeGreaterThan(0.2);
    expect(shares['a']).toBeLessThan(0.8);
  });
});

describe('UCB1 shares', () => {
  const ucb1 = banditOf({ algorithm: 'ucb1', floor: 0.1 });

  it('give all above the floor to the arm of the highest index', () => {
    expect(banditShares(ucb1, clicks({ a: 100, b: 120, c: 110 }))).toEqual({
      a: 0.1,
      b: expect.closeTo(0.8, 12) as number,
      c: 0.1,
    });
  });

  it('begin with the first arm that was not played', () => {
    const shares = banditShares(ucb1, clicks({ a: 900 }));
    expect(shares['b']).toBeCloseTo(0.8, 12);
  });

  it('do not depend on the unit of rewards', () => {
    const bandit = { ...ucb1, reward: 'reward' } as const;
    const values = { a: [1, 2, 3, 2], b: [3, 4, 3, 4, 3, 4, 3, 4], c: [1, 1, 2, 1] };
    const inCents = Object.fromEntries(
      Object.entries(values).map(([arm, all]) => [arm, all.map((v) => 100 * v)]),
    );
    expect(banditShares(bandit, rewards(inCents))).toEqual(banditShares(bandit, rewards(values)));
  });

  it('are even shares where the floors take all', () => {
    const shares = banditShares({ ...ucb1, floor: 0.5 }, clicks({ a: 100, b: 120, c: 110 }));
    for (const share of Object.values(shares)) expect(share).toBeCloseTo(1 / 3, 12);
  });
});
