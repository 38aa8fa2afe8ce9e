/** Which unit gets which variant. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Experiment, Rollout } from '../../src/project/rollout.ts';
import type { RolloutRecord } from '../../src/rollouts/rollout-record.ts';
import { createSplit } from '../../src/rollouts/split.ts';
import type { Choice, Split } from '../../src/rollouts/split.ts';
import { seededRandom } from '../../src/stats/seeded-random.ts';

const experiment: Experiment = {
  kind: 'experiment',
  name: 'e',
  arms: [
    { variant: 'a', share: 0.5 },
    { variant: 'b', share: 0.5 },
  ],
  coverage: 1,
  seed: 'e',
  hashVersion: 2,
  when: undefined,
  layer: undefined,
  holdout: undefined,
  stickyMs: undefined,
  metrics: [],
  alpha: 0.05,
};
const record: RolloutRecord = {
  endpoint: 'x',
  version: 3,
  samplesVersion: 3,
  changedMs: 0,
  origin: 'file',
  section: '{}',
  fileSection: '{}',
  phase: 'running',
};
const never = (): number => {
  throw new Error('nothing is drawn for a unit');
};

function splitOf(policy: Partial<Experiment>, random = never): Split {
  const rollout: Rollout = { serve: 'a', policy: { ...experiment, ...policy }, shadows: [] };
  return createSplit(rollout, record, random);
}

function canarySplit(steps: readonly number[], step: number, changes: Partial<RolloutRecord> = {}): Split {
  const policy = {
    kind: 'canary',
    name: 'c',
    candidate: 'new',
    steps,
    intervalMs: 1,
    samplesMin: 1,
    guardrails: [],
    alpha: 0.05,
  } as const;
  const canary = { step, sinceMs: 0 };
  return createSplit({ serve: 'old', policy, shadows: [] }, { ...record, canary, ...changes }, never);
}

const units = Array.from({ length: 5000 }, (_, i) => `user-${i}`);
const choose = (split: Split, unit: string): Choice => split.choose(unit, undefined);

function shareOf(split: Split, variant: string): number {
  return units.filter((unit) => choose(split, unit).variant === variant).length / units.length;
}

describe('an experiment', () => {
  it('gives each arm its share', () => {
    const arms = [
      { variant: 'a', share: 0.2 },
      { variant: 'b', share: 0.8 },
    ];
    expect(shareOf(splitOf({ arms }), 'b')).toBeGreaterThan(0.78);
    expect(shareOf(splitOf({ arms }), 'b')).toBeLessThan(0.82);
  });

  it('moves no unit between variants when its coverage grows', () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (unit, one, two) => {
          const before = choose(splitOf({ coverage: Math.min(one, two) }), unit);
          const after = choose(splitOf({ coverage: Math.max(one, two) }), unit);
          expect(before.assigned === undefined || after.variant === before.variant).toBe(true);
        },
      ),
    );
  });

  it('leaves who is not covered to the variant that is served, without an exposure', () => {
    const split = splitOf({ coverage: 0.3 });
    const outside = units.map((unit) => choose(split, unit)).filter(({ assigned }) => assigned === undefined);
    expect(outside.length / units.length).toBeGreaterThan(0.67);
    expect(outside.length / units.length).toBeLessThan(0.73);
    expect(outside.every(({ variant, propensity }) => variant === 'a' && propensity === 1)).toBe(true);
  });

  it('says with what propensity, and how', () => {
    expect(choose(splitOf({}), 'u')).toMatchObject({
      propensity: 0.5,
      assigned: { experiment: 'e', how: 'hash' },
    });
  });

  it('of one layer shares no unit with another of other ranges', () => {
    const first = splitOf({ layer: { name: 'l', from: 0, to: 0.5 } });
    const second = splitOf({ name: 'f', seed: 'f', layer: { name: 'l', from: 0.5, to: 1 } });
    for (const unit of units) {
      const isIn = [first, second].map((split) => choose(split, unit).assigned !== undefined);
      expect(isIn.filter(Boolean)).toHaveLength(1);
    }
  });

  it('is independent of another, without a layer', () => {
    const [first, second] = [splitOf({}), splitOf({ name: 'f', seed: 'f' })];
    const both = units.filter(
      (unit) => choose(first, unit).variant === 'b' && choose(second, unit).variant === 'b',
    );
    expect(both.length / units.length).toBeGreaterThan(0.22);
    expect(both.length / units.length).toBeLessThan(0.28);
  });

  it('keeps the units of a holdout out, the same ones in every experiment', () => {
    const holdout = { name: 'h', share: 0.1 };
    const [first, second] = [splitOf({ holdout }), splitOf({ name: 'f', seed: 'f', holdout })];
    const heldOut = (split: Split): string[] =>
      units.filter((unit) => choose(split, unit).assigned?.how === 'holdout');
    expect(heldOut(first)).toEqual(heldOut(second));
    expect(heldOut(first).length / units.length).toBeGreaterThan(0.08);
    expect(heldOut(first).length / units.length).toBeLessThan(0.12);
  });

  it('gives a unit what it was given first, unless that is no arm any more', () => {
    const split = splitOf({ coverage: 0 });
    expect(split.choose('u', 'b')).toMatchObject({ variant: 'b', assigned: { how: 'sticky' } });
    expect(split.choose('u', 'gone').assigned).toBeUndefined();
  });

  it('draws for requests without a unit, and says so', () => {
    const random = seededRandom(7);
    const split = splitOf({}, random);
    const drawn = units.map(() => split.choose(undefined, undefined));
    const share = drawn.filter(({ variant }) => variant === 'b').length / drawn.length;
    expect(share).toBeGreaterThan(0.47);
    expect(share).toBeLessThan(0.53);
    expect(drawn.every(({ assigned }) => assigned?.how === 'random')).toBe(true);
  });
});

describe('a canary', () => {
  it('takes no unit away from the candidate when its share grows', () => {
    const steps = [0.01, 0.05, 0.25, 0.5];
    const byStep = steps.map((_, step) => canarySplit(steps, step));
    for (const unit of units) {
      const isNew = byStep.map((split) => choose(split, unit).variant === 'new');
      const firstNew = isNew.indexOf(true);
      expect(firstNew === -1 || isNew.slice(firstNew).every(Boolean)).toBe(true);
    }
    expect(shareOf(byStep[2] as Split, 'new')).toBeGreaterThan(0.23);
    expect(shareOf(byStep[2] as Split, 'new')).toBeLessThan(0.27);
  });

  it('logs the propensity of both sides', () => {
    const split = canarySplit([0.25], 0);
    const propensities = new Map(
      units.map((unit) => choose(split, unit)).map((c) => [c.variant, c.propensity]),
    );
    expect(Object.fromEntries(propensities)).toEqual({ new: 0.25, old: 0.75 });
  });

  it('gives all to the candidate when it is promoted, and to the other when it is rolled back', () => {
    expect(shareOf(canarySplit([0.5], 0, { phase: 'promoted' }), 'new')).toBe(1);
    expect(shareOf(canarySplit([0.5], 0, { phase: 'rolled_back' }), 'old')).toBe(1);
    expect(choose(canarySplit([0.5], 0, { phase: 'rolled_back' }), 'u').assigned).toBeUndefined();
  });

  it('keeps its share while it is paused', () => {
    expect(shareOf(canarySplit([0.5], 0, { phase: 'paused' }), 'new')).toBeGreaterThan(0.47);
  });
});

describe('a bandit', () => {
  it('follows the shares of its record', () => {
    const policy = {
      kind: 'bandit',
      name: 'b',
      arms: ['x', 'y', 'z'],
      algorithm: 'thompson',
      reward: 'click',
      floor: 0.05,
      intervalMs: 1,
      metrics: [],
      alpha: 0.05,
    } as const;
    const bandit = { shares: { x: 0.05, y: 0.05, z: 0.9 }, sinceMs: 0 };
    const split = createSplit({ serve: 'x', policy, shadows: [] }, { ...record, bandit }, never);
    expect(shareOf(split, 'z')).toBeGreaterThan(0.88);
    expect(shareOf(split, 'z')).toBeLessThan(0.92);
    expect(split.shares.get('z')).toBe(0.9);
  });
});
