/**
 * Requests to a baseline "a" and a candidate "b" with latencies, errors, outputs and clicks, the same for the same
 * seed.
 */
import type { Canary, Guardrail } from '../../src/project/rollout.ts';
import { createSampleRecorder } from '../../src/rollouts/sample-recorder.ts';
import type { EndpointSamples } from '../../src/rollouts/samples.ts';
import { seededRandom } from '../../src/stats/seeded-random.ts';

export interface SimulatedArm {
  readonly errorShare: number;
  readonly medianMs: number;
  /** Added to an output that is evenly spread over 0 to 1. */
  readonly outputShift: number;
  readonly clickShare: number;
}

export const usualArm: SimulatedArm = { errorShare: 0.01, medianMs: 8, outputShift: 0, clickShare: 0.2 };

export interface SimulatedTraffic {
  /** Requests of both arms, each with an even chance. */
  next(requests: number): void;
  samples(): EndpointSamples;
}

export function simulateTraffic(
  candidate: SimulatedArm,
  baseline: SimulatedArm,
  seed: number,
): SimulatedTraffic {
  const random = seededRandom(seed);
  const recorder = createSampleRecorder();
  const arms = [
    { recorder: recorder.arm('a'), arm: baseline },
    { recorder: recorder.arm('b'), arm: candidate },
  ] as const;
  const answer = ({ recorder: to, arm }: (typeof arms)[number]): void => {
    if (random() < arm.errorShare) {
      to.failed();
      return;
    }
    // Log-normal, with a p99 of 3.2 times the median.
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    to.answered(arm.medianMs * Math.exp(0.5 * normal));
    to.output('score', random() + arm.outputShift);
    to.feedback('click', random() < arm.clickShare ? 1 : 0);
  };
  return {
    next(requests) {
      for (let request = 0; request < requests; request++) answer(arms[random() < 0.5 ? 0 : 1]);
    },
    samples: () => recorder.state(),
  };
}

/** As the project file has it where it says nothing. */
export const defaultGuardrails: readonly Guardrail[] = [
  { metric: 'error_rate', increaseMax: 0.01 },
  { metric: 'latency', quantile: 0.99, ratioMax: 1.5 },
];

export const output: Guardrail = { metric: 'output', output: 'score', distanceMax: 0.2 };
export const clicks: Guardrail = {
  metric: 'feedback',
  field: 'click',
  direction: 'decrease',
  changeMax: 0.02,
};

export function canaryOf(guardrails: readonly Guardrail[], changes: Partial<Canary> = {}): Canary {
  return {
    kind: 'canary',
    name: 'c',
    candidate: 'b',
    steps: [0.01, 0.05, 0.25, 0.5, 1],
    intervalMs: 0,
    samplesMin: 500,
    guardrails,
    alpha: 0.05,
    ...changes,
  };
}
