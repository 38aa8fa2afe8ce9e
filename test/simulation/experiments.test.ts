/** Experiments of which the truth is known, over HTTP, and what their reports say of it. */
import { beforeAll, describe, expect, it } from 'vitest';
import { MISMATCH_P } from '../../src/experiments/sample-ratio.ts';
import { uniformityTest } from '../../src/stats/kolmogorov-smirnov.ts';
import { binomialRange } from './binomial-range.ts';
import { runExperiments } from './experiments.ts';
import type { Finished } from './experiments.ts';
import { runPair } from './interference.ts';
import { endP, lift, liftPlan, metricOf, sameModelPlan, wasEverClaimed } from './known-truths.ts';
import { runWithLosses } from './lost-exposures.ts';

const HANG_MS = 600_000;
const metrics = ['clicked', 'spent'];

describe('two variants of the same model', () => {
  const plan = sameModelPlan({ experiments: 45 });
  let finished: Finished[];

  beforeAll(async () => {
    finished = await runExperiments(plan);
  }, HANG_MS);

  it('are reported with all that was sent and told', () => {
    for (const { report, requests } of finished) {
      expect(report.units).toMatchObject({ exposed: plan.people, counted: plan.people, crossed: 0 });
      expect(report.outcomes).toMatchObject({ predictions: requests, withOutcome: requests, unmatched: 0 });
    }
  });

  it.each(metrics)('have p values that are evenly spread: %s', (metric) => {
    const { p } = uniformityTest(finished.map(({ report }) => endP(report, metric)));
    expect(p).toBeGreaterThan(0.01);
  });

  it.each(metrics)('are seldom called different, however often one looks: %s', (metric) => {
    const claimed = finished.filter(({ report }) => wasEverClaimed(report, metric)).length;
    expect(claimed).toBeLessThanOrEqual(binomialRange(finished.length, 0.05).most);
  });

  it('raise the alarm of a sample ratio mismatch no more often than one in a thousand times', () => {
    const alarms = finished.filter(({ report }) => report.sampleRatio.isMismatch).length;
    expect(alarms).toBeLessThanOrEqual(binomialRange(finished.length, MISMATCH_P).most);
    const { p } = uniformityTest(finished.map(({ report }) => report.sampleRatio.p));
    expect(p).toBeGreaterThan(0.01);
  });
});

describe('a variant that is better', () => {
  it('is found as often as the plan of the experiment promises', { timeout: HANG_MS }, async () => {
    const finished = await runExperiments(liftPlan({ experiments: 30 }));
    const found = finished.filter(({ report }) => endP(report, 'clicked') <= lift.alpha);
    const { least, most } = binomialRange(finished.length, lift.power);
    expect(found.length).toBeGreaterThanOrEqual(least);
    expect(found.length).toBeLessThanOrEqual(most);
    expect(found.every(({ report }) => (metricOf(report, 'clicked').contrasts[0]?.difference ?? 0) > 0)).toBe(
      true,
    );
  });
});

describe('exposures of one variant that are lost', () => {
  it('raise the alarm, and nothing is concluded', { timeout: HANG_MS }, async () => {
    const { whole, lossy } = await runWithLosses('losses', 5000, 0.2);
    expect(whole.sampleRatio.isMismatch).toBe(false);
    expect(metricOf(whole, 'clicked').contrasts[0]?.conclusion).toBe('no_difference_yet');
    expect(lossy.sampleRatio.isMismatch).toBe(true);
    expect(metricOf(lossy, 'clicked').contrasts[0]?.conclusion).toBe('blocked');
    const lost = whole.units.exposed - lossy.units.exposed;
    expect(lost).toBeGreaterThan(200);
    expect(lossy.outcomes.withoutExposure).toBe(lost);
  });
});

describe('two experiments on the same people', () => {
  const people = 1600;
  const warning = expect.stringContaining('shares units with layout of the endpoint m') as string;

  it('that interfere are warned of, and the interaction is found', { timeout: HANG_MS }, async () => {
    const { warnings, report } = await runPair({ seed: 'mixed', people, interaction: 0.25 });
    expect(warnings).toEqual([warning]);
    const [collision, ...others] = report.collisions;
    expect(others).toEqual([]);
    expect(collision).toMatchObject({ other: 'layout', units: people, isDependent: false });
    expect(collision?.interactions).toHaveLength(1);
    expect(collision?.interactions[0]?.correctedP).toBeLessThan(0.01);
    expect(collision?.interactions[0]?.lower).toBeGreaterThan(0);
  });

  it('that do not interfere show no interaction', { timeout: HANG_MS }, async () => {
    const { warnings, report } = await runPair({ seed: 'apart', people, interaction: 0 });
    expect(warnings).toEqual([warning]);
    const [collision] = report.collisions;
    expect(collision).toMatchObject({ other: 'layout', units: people, isDependent: false });
    expect(collision?.interactions[0]?.correctedP).toBeGreaterThan(report.alpha);
  });

  it('that a layer keeps apart share nobody', { timeout: HANG_MS }, async () => {
    const { warnings, report } = await runPair({ seed: 'layer', people, interaction: 0.25, isLayered: true });
    expect(warnings).toEqual([]);
    expect(report.collisions).toEqual([]);
    expect(report.units.exposed).toBeGreaterThan(people / 3);
    expect(report.units.exposed).toBeLessThan((2 * people) / 3);
  });
});
