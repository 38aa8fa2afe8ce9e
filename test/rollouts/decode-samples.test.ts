import { describe, expect, it } from 'vitest';
import { decodeSamples } from '../../src/rollouts/decode-samples.ts';
import { createSampleRecorder } from '../../src/rollouts/sample-recorder.ts';

describe('samples of another process', () => {
  const recorder = createSampleRecorder();
  recorder.arm('a').answered(12);
  recorder.arm('a').output('score', -0.5);
  recorder.arm('a').feedback('click', 1);
  const comparison = { primary: [1, 2], shadow: [2, 1], primaryMs: 1, shadowMs: 2, threshold: 1.5 };
  recorder.shadow('b').compared(comparison);
  const json = JSON.stringify(recorder.state());

  it('are what was written', () => {
    expect(decodeSamples(json)).toEqual(recorder.state());
    const empty = createSampleRecorder().state();
    expect(decodeSamples(JSON.stringify(empty))).toEqual(empty);
  });

  it.each([
    ['is no JSON', 'oops'],
    ['is no object', '[]'],
    ['has a field more', json.replace('"failed":0', '"failed":0,"late":0')],
    ['has a field less', json.replace('"failed":0,', '')],
    ['has a count that is none', json.replace('"failed":0', '"failed":-1')],
    ['has a text for a number', json.replace('"answered":1', '"answered":"1"')],
    ['has null for a number', json.replace('"answered":1', '"answered":null')],
    ['has a sketch of another accuracy', json.replace('"relativeAccuracy":0.01', '"relativeAccuracy":0.02')],
    ['has a bin far from all values', json.replace(/"firstKey":\d+/, '"firstKey":900000000')],
    ['has feedback of another kind', json.replace('"click"', '"stars"')],
  ])('are left alone where the text %s', (_, text) => {
    expect(text).not.toBe(json);
    expect(decodeSamples(text)).toBeUndefined();
  });
});
