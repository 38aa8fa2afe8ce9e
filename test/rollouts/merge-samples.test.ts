import { describe, expect, it } from 'vitest';
import { decodeSamples } from '../../src/rollouts/decode-samples.ts';
import { mergeSamples } from '../../src/rollouts/merge-samples.ts';
import { createSampleRecorder } from '../../src/rollouts/sample-recorder.ts';
import type { SampleRecorder } from '../../src/rollouts/sample-recorder.ts';
import type { EndpointSamples } from '../../src/rollouts/samples.ts';
import { seededRandom } from '../../src/stats/seeded-random.ts';

/** Values that can be added up without rounding, so that sums do not depend on their order. */
function record(recorder: SampleRecorder, random: () => number): void {
  const eighths = (): number => Math.floor(random() * 800) / 8;
  const variant = random() < 0.3 ? 'b' : 'a';
  const arm = recorder.arm(variant);
  if (random() < 0.05) {
    arm.failed();
    recorder.shadow('c').failed();
    recorder.shadow('c').shed();
    return;
  }
  arm.answered(eighths());
  arm.output('score', random() < 0.01 ? Number.NaN : eighths() - 50);
  arm.feedback('click', random() < 0.2 ? 1 : 0);
  if (variant === 'a') arm.feedback('reward', eighths());
  const primary = [eighths(), eighths(), eighths()];
  const shadow = primary.map((value) => value + eighths() / 4);
  recorder
    .shadow('c')
    .compared({ primary, shadow, primaryMs: eighths(), shadowMs: eighths(), threshold: 50 });
}

/** Moments are the same but for the last digits. */
function rounded(samples: EndpointSamples): unknown {
  const round = (_: string, value: unknown): unknown =>
    typeof value === 'number' ? Number(value.toPrecision(10)) : value;
  return JSON.parse(JSON.stringify(samples, round));
}

describe('samples of several processes', () => {
  it('are merged to what one would have recorded, also when they travelled as JSON', () => {
    const random = seededRandom(3);
    const again = seededRandom(3);
    const one = createSampleRecorder();
    const several = [createSampleRecorder(), createSampleRecorder(), createSampleRecorder()];
    for (let request = 0; request < 600; request++) {
      record(one, random);
      record(several[request % 3] as SampleRecorder, again);
    }
    const states = several.map((recorder) => recorder.state());
    const merged = mergeSamples(states);
    expect(rounded(merged)).toEqual(rounded(one.state()));
    const travelled = states.map((state) => decodeSamples(JSON.stringify(state)) as EndpointSamples);
    expect(travelled).toEqual(states);
    expect(mergeSamples(travelled)).toEqual(merged);
  });

  it('are those of one where the others have seen nothing', () => {
    const recorder = createSampleRecorder();
    recorder.arm('a').answered(5);
    const nothing = createSampleRecorder().state();
    expect(mergeSamples([nothing, recorder.state(), nothing])).toEqual(recorder.state());
    expect(mergeSamples([])).toEqual(nothing);
  });

  it('keep apart what is named like a property of every object', () => {
    const recorder = createSampleRecorder();
    for (const variant of ['__proto__', 'constructor']) recorder.arm(variant).answered(5);
    const travelled = decodeSamples(JSON.stringify(recorder.state())) as EndpointSamples;
    const merged = mergeSamples([travelled, travelled]);
    expect(Object.entries(merged.arms).map(([name, { answered }]) => [name, answered])).toEqual([
      ['__proto__', 2],
      ['constructor', 2],
    ]);
  });
});
