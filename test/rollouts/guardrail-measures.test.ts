import { describe, expect, it } from 'vitest';
import type { Guardrail } from '../../src/project/rollout.ts';
import { judgeCanary } from '../../src/rollouts/judge.ts';
import type { GuardrailVerdict } from '../../src/rollouts/judge.ts';
import { createSampleRecorder } from '../../src/rollouts/sample-recorder.ts';
import type { SampleRecorder } from '../../src/rollouts/sample-recorder.ts';
import { seededRandom } from '../../src/stats/seeded-random.ts';
import { canaryOf } from './simulated-traffic.ts';

function judgeOne(guardrail: Guardrail, recorder: SampleRecorder): GuardrailVerdict {
  const canary = canaryOf([guardrail], { steps: [0.5] });
  return judgeCanary(canary, 'a', 0, recorder.state()).guardrails[0] as GuardrailVerdict;
}

describe('error rate', () => {
  it('compares the shares of requests that fail', () => {
    const recorder = createSampleRecorder();
    for (let request = 0; request < 1000; request++) {
      if (request % 50 === 0) recorder.arm('a').failed();
      else recorder.arm('a').answered(1);
      if (request % 4 === 0) recorder.arm('b').failed();
      else recorder.arm('b').answered(1);
    }
    const verdict = judgeOne({ metric: 'error_rate', increaseMax: 0.01 }, recorder);
    expect(verdict).toMatchObject({ verdict: 'fail', candidate: 0.25, baseline: 0.02, unit: 'share' });
    expect(verdict.harm.estimate).toBeCloseTo(0.23, 12);
    expect(verdict.harm.lower).toBeGreaterThan(0.15);
    expect(verdict.harm.upper).toBeLessThan(0.31);
  });
});

describe('latency', () => {
  it('names its quantile, and compares it as a ratio', () => {
    const recorder = createSampleRecorder();
    for (let request = 0; request < 4000; request++) {
      recorder.arm('a').answered(10 + (request % 10));
      recorder.arm('b').answered(3 * (10 + (request % 10)));
    }
    const verdict = judgeOne({ metric: 'latency', quantile: 0.999, ratioMax: 1.5 }, recorder);
    expect(verdict).toMatchObject({ label: 'latency p99.9', unit: 'ratio', valueUnit: 'ms' });
    expect(verdict.harm.estimate).toBeCloseTo(3, 1);
    expect(judgeOne({ metric: 'latency', quantile: 0.5, ratioMax: 1.5 }, recorder).verdict).toBe('fail');
  });
});

describe('output', () => {
  it('takes answers that are no numbers as a difference', () => {
    const recorder = createSampleRecorder();
    const random = seededRandom(1);
    for (let request = 0; request < 4000; request++) {
      recorder.arm('a').output('score', random());
      recorder.arm('b').output('score', request % 2 === 0 ? Number.NaN : random());
    }
    const verdict = judgeOne({ metric: 'output', output: undefined, distanceMax: 0.2 }, recorder);
    expect(verdict).toMatchObject({ verdict: 'fail', samples: { candidate: 4000, baseline: 4000 } });
    expect(verdict.harm.estimate).toBeCloseTo(0.5, 1);
  });
});

describe('feedback', () => {
  const rewards: Guardrail = { metric: 'feedback', field: 'reward', direction: 'increase', changeMax: 1 };

  function tell(values: number, candidateMore: number): SampleRecorder {
    const recorder = createSampleRecorder();
    const random = seededRandom(7);
    for (let value = 0; value < values; value++) {
      recorder.arm('a').feedback('reward', 10 * random());
      recorder.arm('b').feedback('reward', 10 * random() + candidateMore);
    }
    return recorder;
  }

  it('compares means of any values, in the direction that is bad', () => {
    expect(judgeOne(rewards, tell(4000, 0)).verdict).toBe('pass');
    expect(judgeOne(rewards, tell(4000, 2)).verdict).toBe('fail');
    expect(judgeOne({ ...rewards, direction: 'decrease' }, tell(4000, 2)).verdict).toBe('pass');
    expect(judgeOne({ ...rewards, direction: 'decrease' }, tell(4000, -2)).verdict).toBe('fail');
  });

  it('waits for a hundred values of each, from which on its bounds are good', () => {
    const verdict = judgeOne(rewards, tell(99, 50));
    expect(verdict).toMatchObject({ verdict: 'inconclusive', samples: { of: 'rewards told' } });
    expect(verdict.harm).toMatchObject({ lower: undefined, upper: undefined });
    expect(judgeOne(rewards, tell(100, 50)).verdict).toBe('fail');
  });
});

describe('shadow flips', () => {
  const flips: Guardrail = { metric: 'shadow_flips', shareMax: 0.2 };

  /** All rows of one request in ten flip. */
  function shadow(requests: number): SampleRecorder {
    const recorder = createSampleRecorder();
    for (let request = 0; request < requests; request++) {
      const primary = [0.6, 0.7, 0.8, 0.9];
      const compared = request % 10 === 0 ? primary.map((value) => value - 0.5) : primary;
      recorder.shadow('b').compared({ primary, shadow: compared, primaryMs: 1, shadowMs: 1, threshold: 0.5 });
    }
    return recorder;
  }

  it('counts a request with all of its rows once: ten rows that flip together are not ten signs', () => {
    const verdict = judgeOne(flips, shadow(100));
    expect(verdict).toMatchObject({ candidate: 0.1, samples: { candidate: 100, of: 'shadowed requests' } });
    expect(verdict.verdict).toBe('inconclusive');
    expect(judgeOne(flips, shadow(400)).verdict).toBe('pass');
    expect(judgeOne({ ...flips, shareMax: 0.02 }, shadow(400)).verdict).toBe('fail');
  });
});
