import { describe, expect, it } from 'vitest';
import { createSampleRecorder } from '../../src/rollouts/sample-recorder.ts';
import { armSamples, outputSamples, shadowSamples } from '../../src/rollouts/samples.ts';

describe('a sample recorder', () => {
  it('counts its changes, and has one recorder for a variant', () => {
    const recorder = createSampleRecorder();
    expect(recorder.changes).toBe(0);
    const arm = recorder.arm('a');
    expect(recorder.arm('a')).toBe(arm);
    arm.answered(1);
    arm.failed();
    arm.output('score', 1);
    arm.feedback('label', 1);
    recorder.shadow('b').failed();
    recorder.shadow('b').shed();
    expect(recorder.changes).toBe(6);
  });

  it('keeps apart what is no number', () => {
    const recorder = createSampleRecorder();
    const arm = recorder.arm('a');
    for (const value of [1, 0, Number.NaN, Infinity, -Infinity, 1e200]) {
      arm.output('score', value);
      arm.feedback('reward', value);
    }
    const samples = armSamples(recorder.state(), 'a');
    expect(outputSamples(samples, 'score')).toMatchObject({
      nonFinite: 4,
      values: { min: 0, max: 1, zeroCount: 1 },
    });
    expect(samples.feedback.reward).toEqual({
      moments: { n: 2, mean: 0.5, m2: 0.5 },
      zeros: 1,
      ones: 1,
      min: 0,
      max: 1,
      nonFinite: 4,
    });
  });

  it('says that nothing was seen of a variant, whatever its name', () => {
    const samples = createSampleRecorder().state();
    expect(armSamples(samples, 'constructor')).toMatchObject({ answered: 0, failed: 0, outputs: {} });
    expect(shadowSamples(samples, 'constructor')).toMatchObject({ requests: 0, flips: 0 });
  });
});
