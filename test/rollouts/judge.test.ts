import { describe, expect, it } from 'vitest';
import type { Guardrail } from '../../src/project/rollout.ts';
import { judgeCanary } from '../../src/rollouts/judge.ts';
import type { CanaryVerdict } from '../../src/rollouts/judge.ts';
import { createSampleRecorder } from '../../src/rollouts/sample-recorder.ts';
import type { SampleRecorder } from '../../src/rollouts/sample-recorder.ts';
import {
  canaryOf,
  clicks,
  defaultGuardrails,
  output,
  simulateTraffic,
  usualArm,
} from './simulated-traffic.ts';
import type { SimulatedArm } from './simulated-traffic.ts';

/** Judges after each batch until it is decided, or a limit is reached. */
function decide(
  guardrails: readonly Guardrail[],
  candidate: SimulatedArm,
  { seed, batch, requestsMax }: { seed: number; batch: number; requestsMax: number },
): { readonly verdict: CanaryVerdict; readonly requests: number } {
  const traffic = simulateTraffic(candidate, usualArm, seed);
  for (let requests = batch; ; requests += batch) {
    traffic.next(batch);
    const verdict = judgeCanary(canaryOf(guardrails), 'a', 3, traffic.samples());
    if (verdict.verdict !== 'inconclusive' || requests >= requestsMax) return { verdict, requests };
  }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] as number;
}

/** 100 answers and no failure of each arm. */
function fewAnswers(): SampleRecorder {
  const recorder = createSampleRecorder();
  for (const variant of ['a', 'b'])
    for (let request = 0; request < 100; request++) recorder.arm(variant).answered(5 + (request % 10));
  return recorder;
}

describe('a canary that is as good as its baseline', () => {
  it(
    'fails in at most alpha of 300 runs that are judged after every batch, though no harm at all is allowed',
    { timeout: 120_000 },
    () => {
      const guardrails: readonly Guardrail[] = [
        { metric: 'error_rate', increaseMax: 0 },
        { metric: 'latency', quantile: 0.9, ratioMax: 1 },
        { metric: 'output', output: 'score', distanceMax: 0 },
        { metric: 'feedback', field: 'click', direction: 'decrease', changeMax: 0 },
      ];
      const canary = canaryOf(guardrails, { steps: [0.5], alpha: 0.2 });
      let failed = 0;
      for (let seed = 0; seed < 300; seed++) {
        const traffic = simulateTraffic(usualArm, usualArm, seed);
        const verdicts = Array.from({ length: 5 }, () => {
          traffic.next(1000);
          return judgeCanary(canary, 'a', 0, traffic.samples()).verdict;
        });
        if (verdicts.includes('fail')) failed++;
        expect(verdicts).not.toContain('pass');
      }
      expect(failed / 300).toBeLessThanOrEqual(canary.alpha);
    },
  );

  it('passes in the end with the guardrails that are there by default', () => {
    const runs = [1, 2, 3, 4, 5].map((seed) =>
      decide(defaultGuardrails, usualArm, { seed, batch: 500, requestsMax: 30_000 }),
    );
    expect(runs.map(({ verdict }) => verdict.verdict)).toEqual(Array.from(runs, () => 'pass'));
    expect(median(runs.map(({ requests }) => requests))).toBeLessThan(16_000);
  });

  it('passes on output and clicks too', () => {
    const { verdict } = decide([output, clicks], usualArm, { seed: 1, batch: 4000, requestsMax: 120_000 });
    expect(verdict.guardrails.map(({ label, verdict: one }) => [label, one])).toEqual([
      ['output score', 'pass'],
      ['mean click', 'pass'],
    ]);
  });
});

describe('a canary that is worse', () => {
  const all = [...defaultGuardrails, output, clicks];
  it.each([
    ['has 5 times the errors', { errorShare: 0.05 }, 'error rate', 8000],
    ['is half as fast', { medianMs: 16 }, 'latency p99', 12_000],
    ['answers something else', { outputShift: 0.5 }, 'output score', 3000],
    ['is clicked half as often', { clickShare: 0.1 }, 'mean click', 6000],
  ])('%s: it fails soon, for that, and never passes', (_, change, label, requestsMax) => {
    const runs = [1, 2, 3, 4, 5].map((seed) =>
      decide(all, { ...usualArm, ...change }, { seed, batch: 500, requestsMax: 40_000 }),
    );
    for (const { verdict } of runs) {
      expect(verdict.verdict).toBe('fail');
      const failing = verdict.guardrails.filter((guardrail) => guardrail.verdict === 'fail');
      expect(failing.map((guardrail) => guardrail.label)).toEqual([label]);
    }
    expect(median(runs.map(({ requests }) => requests))).toBeLessThanOrEqual(requestsMax);
  });
});

describe('a verdict', () => {
  it('waits for the least number of requests where all guardrails pass already', () => {
    const recorder = fewAnswers();
    const canary = canaryOf([{ metric: 'error_rate', increaseMax: 0.5 }]);
    const early = judgeCanary(canary, 'a', 0, recorder.state());
    expect(early).toMatchObject({
      verdict: 'inconclusive',
      requests: { candidate: 100, baseline: 100 },
      requestsMissing: 400,
    });
    expect(early.guardrails[0]?.verdict).toBe('pass');
    for (let request = 0; request < 400; request++) recorder.arm('b').answered(5);
    expect(judgeCanary(canary, 'a', 0, recorder.state())).toMatchObject({
      verdict: 'pass',
      requestsMissing: 0,
    });
  });

  it('knows nothing of variants that were not seen', () => {
    const flips: Guardrail = { metric: 'shadow_flips', shareMax: 0.05 };
    const canary = canaryOf([...defaultGuardrails, output, clicks, flips]);
    const verdict = judgeCanary(canary, 'a', 0, { arms: {}, shadows: {} });
    expect(verdict.guardrails.map((guardrail) => guardrail.verdict)).toEqual(
      Array.from(canary.guardrails, () => 'inconclusive'),
    );
    expect(verdict.guardrails.every(({ moreSamples }) => moreSamples === undefined)).toBe(true);
    expect(JSON.parse(JSON.stringify(verdict))).toMatchObject({ verdict: 'inconclusive' });
  });

  it('says about how many more samples it takes', () => {
    const recorder = fewAnswers();
    const canary = canaryOf([{ metric: 'error_rate', increaseMax: 0.01 }]);
    const more = judgeCanary(canary, 'a', 0, recorder.state()).guardrails[0]?.moreSamples ?? 0;
    const answer = (requests: number): void => {
      for (const variant of ['a', 'b'])
        for (let request = 0; request < requests; request++) recorder.arm(variant).answered(5);
    };
    answer(Math.round(more * 0.8));
    expect(judgeCanary(canary, 'a', 0, recorder.state()).verdict).toBe('inconclusive');
    answer(Math.round(more * 0.4));
    expect(judgeCanary(canary, 'a', 0, recorder.state()).verdict).toBe('pass');
  });

  it('needs more where alpha is divided over more steps and guardrails', () => {
    const samples = fewAnswers().state();
    const guardrail: Guardrail = { metric: 'error_rate', increaseMax: 0.01 };
    const upper = (guardrails: readonly Guardrail[], steps: readonly number[]): number =>
      judgeCanary(canaryOf(guardrails, { steps }), 'a', 0, samples).guardrails[0]?.harm.upper ?? NaN;
    const one = upper([guardrail], [0.5]);
    // A step with all of the traffic has no baseline, so it takes no part of alpha.
    expect(upper([guardrail], [0.5, 1])).toBe(one);
    expect(upper([guardrail], [0.1, 0.5])).toBeGreaterThan(one);
    expect(upper([guardrail, guardrail], [0.5])).toBe(upper([guardrail], [0.1, 0.5]));
  });
});
