/** Canaries and bandits while people come, over HTTP: what they do by themselves, and what the log knows of it. */
import { beforeAll, describe, expect, it } from 'vitest';
import { BEST, clickRates, FLOOR_PERCENT, runBandit, valueOfArm } from './bandit.ts';
import type { BanditFinding } from './bandit.ts';
import { brokenCandidates, goodCandidate, runCanary } from './canary.ts';

const HANG_MS = 300_000;

describe('a canary', () => {
  it.each(brokenCandidates)(
    'rolls back a candidate by its $label, and nobody gets it any more',
    { timeout: HANG_MS },
    async ({ label, ...plan }) => {
      const { phase, audit, afterwards, candidateRequests, afterVerdict } = await runCanary(plan);
      expect(phase).toBe('rolled_back');
      expect(audit.map(({ action }) => action)).toEqual(['rollback', 'start']);
      expect(audit[0]).toMatchObject({ by: 'judge', reason: expect.stringContaining(label) as string });
      expect(candidateRequests).toBeGreaterThan(0);
      expect(new Set(afterwards)).toEqual(new Set(['plain']));
      // It is looked at once a second; this is the limit for a machine that stands still meanwhile.
      expect(afterVerdict.seconds).toBeLessThan(20);
    },
  );

  it('takes a candidate that is as good through all steps', { timeout: HANG_MS }, async () => {
    const { phase, audit, afterwards } = await runCanary(goodCandidate);
    expect(phase).toBe('promoted');
    expect(audit.map(({ action, by }) => `${action} by ${by}`)).toEqual([
      ...goodCandidate.steps.map(() => 'step by judge'),
      'start by project file',
    ]);
    expect(new Set(afterwards)).toEqual(new Set([goodCandidate.candidate]));
  });
});

describe('a bandit', () => {
  const arms = Object.keys(clickRates);
  let found: BanditFinding;

  beforeAll(async () => {
    found = await runBandit({ seed: 'bandit', rounds: { least: 60, most: 600 } });
  }, HANG_MS);

  it('gives most of the traffic to the arm that is best', () => {
    expect(found.lastShares[BEST]).toBeGreaterThan(0.5);
    expect(found.sharesOf.size).toBeGreaterThan(2);
  });

  it('leaves each arm its floor, at any time', () => {
    for (const shares of found.sharesOf.values()) {
      expect(Object.keys(shares).toSorted()).toEqual(arms.toSorted());
      for (const share of Object.values(shares)) expect(share).toBeGreaterThanOrEqual(FLOOR_PERCENT / 100);
      expect(Object.values(shares).reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 9);
    }
  });

  it('logs with each exposure and prediction how likely it was', () => {
    expect(found.exposures).toHaveLength(found.requests);
    expect(found.predictions).toHaveLength(found.requests);
    for (const { policyVersion, variant, propensity } of found.exposures)
      expect(propensity).toBe(found.sharesOf.get(policyVersion)?.[variant]);
    for (const { assignment, variant, propensity } of found.predictions)
      expect(propensity).toBe(found.sharesOf.get(assignment?.policyVersion ?? 0)?.[variant]);
  });

  it('is no sample ratio mismatch', () => {
    expect(found.report.sampleRatio.isMismatch).toBe(false);
  });

  it.each(arms)('lets the true click rate of %s be told from the log', (arm) => {
    const { value, standardError } = valueOfArm(found.predictions, arm);
    expect(Math.abs(value - (clickRates[arm] as number))).toBeLessThan(4 * standardError);
    expect(standardError).toBeLessThan(0.02);
    expect(found.report.metrics[0]?.weighted[arms.indexOf(arm)]?.snips).toBeCloseTo(value, 9);
  });
});
