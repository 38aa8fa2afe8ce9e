/** Arms of a bandit count by how likely they were, and canaries are compared like experiments. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { definitionOf } from '../../src/experiments/definition.ts';
import type { Metric, Rollout } from '../../src/project/rollout.ts';
import { seededRandom } from '../../src/stats/seeded-random.ts';
import { definitionWith, labelMetric, readWritten } from './read-written.ts';
import { createLogWriter, FIRST_MS } from './written-logs.ts';
import type { LogWriter } from './written-logs.ts';

let writer: LogWriter;
beforeEach(() => {
  writer = createLogWriter();
});
afterEach(() => writer.remove());

const reward: Metric = { ...labelMetric, name: 'reward', source: { kind: 'feedback', field: 'reward' } };

interface Choice {
  readonly reward: number;
  readonly propensity: number;
  readonly unit: string;
  readonly variant: string;
}

/**
 * What people like grows with time, and so does the share of b: its plain mean is higher, and yet both are worth the same.
 * A person is in both arms over time.
 */
async function writeBandit(): Promise<Choice[]> {
  const random = seededRandom(31);
  const choices: Choice[] = [];
  for (let i = 0; i < 900; i++) {
    const version = 1 + Math.floor(i / 300);
    const shareOfB = [0.1, 0.5, 0.9][version - 1] ?? 0.5;
    const variant = random() < shareOfB ? 'b' : 'a';
    const propensity = variant === 'b' ? shareOfB : 1 - shareOfB;
    const unit = `u-${i % 400}`;
    const person = { unit, variant, timeMs: FIRST_MS + i * 1000, version, propensity };
    const value = version + random();
    writer.expose(person);
    writer.predict({ ...person, requestId: `r-${i}`, feedback: [{ reward: value }] });
    choices.push({ reward: value, propensity, unit, variant });
  }
  await writer.write();
  return choices;
}

describe('a bandit', () => {
  it('is judged by outcomes that count with 1 by their propensity', async () => {
    const choices = await writeBandit();
    const definition = definitionWith({ kind: 'bandit', metrics: [reward] });
    const report = await readWritten(writer.path, definition);
    const [metric] = report.metrics;
    for (const [arm, variant] of ['a', 'b'].entries()) {
      const own = choices.filter((choice) => choice.variant === variant);
      const earned = own.reduce((sum, choice) => sum + choice.reward / choice.propensity, 0);
      const weights = own.reduce((sum, choice) => sum + 1 / choice.propensity, 0);
      const [ips, snips] = [earned / choices.length, earned / weights];
      expect(metric?.weighted[arm]).toMatchObject({
        ips: expect.closeTo(ips, 9),
        snips: expect.closeTo(snips, 9),
      });
      expect(metric?.arms[arm]?.mean).toBeCloseTo(snips, 9);
    }
    const plain = (variant: string): number => {
      const own = choices.filter((choice) => choice.variant === variant);
      return own.reduce((sum, choice) => sum + choice.reward, 0) / own.length;
    };
    const { difference = 0, fixed } = metric?.contrasts[0] ?? {};
    expect(plain('b') - plain('a')).toBeGreaterThan(0.5);
    expect(Math.abs(difference)).toBeLessThan(0.2);
    expect([fixed?.lower, fixed?.upper].map((bound) => Math.sign(bound ?? 0))).toEqual([-1, 1]);
  });

  it('has no crossovers, for its units are meant to move, and is worth fewer units than it has', async () => {
    await writeBandit();
    const { units, metrics, arms, sampleRatio } = await readWritten(
      writer.path,
      definitionWith({ kind: 'bandit', metrics: [reward] }),
    );
    expect(units).toMatchObject({ exposed: 400, counted: 400, crossed: 0 });
    expect(arms.reduce((sum, arm) => sum + arm.units, 0)).toBeGreaterThan(400);
    for (const [i, { effectiveUnits }] of (metrics[0]?.weighted ?? []).entries())
      expect(effectiveUnits).toBeLessThan(arms[i]?.units ?? 0);
    expect(sampleRatio.isMismatch).toBe(false);
  });
});

describe('what is reported on', () => {
  const endpoint = { name: 'shop', unit: undefined };
  const of = (policy: Rollout['policy']): ReturnType<typeof definitionOf> =>
    definitionOf(endpoint, { serve: 'a', policy, shadows: [] });

  it('of a canary are the baseline, the candidate and the feedback that is guarded', () => {
    const definition = of({
      kind: 'canary',
      name: 'next',
      candidate: 'b',
      steps: [0.01, 1],
      intervalMs: 1,
      samplesMin: 1,
      guardrails: [
        { metric: 'error_rate', increaseMax: 0.01 },
        { metric: 'feedback', field: 'label', direction: 'decrease', changeMax: 0.1 },
      ],
      alpha: 0.01,
    });
    expect(definition).toMatchObject({
      kind: 'canary',
      endpoint: 'shop',
      arms: [
        { variant: 'a', share: 0.99 },
        { variant: 'b', share: 0.01 },
      ],
      metrics: [{ name: 'label', source: { kind: 'feedback', field: 'label' }, goal: 'increase' }],
      alpha: 0.01,
    });
  });

  it('of a bandit is its reward, also where no metric names it', () => {
    const bandit = {
      kind: 'bandit',
      name: 'best',
      arms: ['a', 'b'],
      algorithm: 'ucb1',
      floor: 0.01,
    } as const;
    const rest = { intervalMs: 1, alpha: 0.05 };
    expect(of({ ...bandit, ...rest, reward: 'click', metrics: [] })?.metrics.map(({ name }) => name)).toEqual(
      ['click'],
    );
    const named = of({ ...bandit, ...rest, reward: 'label', metrics: [labelMetric] });
    expect(named?.metrics).toEqual([labelMetric]);
  });

  it('is nothing where the traffic is not split', () => {
    expect(of({ kind: 'fixed' })).toBeUndefined();
  });
});
