/**
 * Records what one process sees of the variants of an endpoint. One recorder lives as long as a samplesVersion.
 *
 * Cost of processor time, over a million each: an answer 0.07 us, an output 0.1 us, feedback 0.07 us.
 */
import type { FeedbackField } from '../project/rollout.ts';
import { createMoments } from '../stats/moments.ts';
import { createQuantileSketch } from '../stats/quantile-sketch.ts';
import { isAddable } from './is-addable.ts';
import { noFeedback, sketchAccuracy } from './samples.ts';
import type { ArmSamples, EndpointSamples, FeedbackSamples, OutputSamples } from './samples.ts';
import { createShadowRecorder } from './shadow-recorder.ts';
import type { ShadowRecorder, ShadowRecording } from './shadow-recorder.ts';

export interface ArmRecorder {
  answered(latencyMs: number): void;
  failed(): void;
  /**
   * One value of a request, such as that of its first row: the rows of one request are alike, and the bounds that are
   * made of these values take them as independent.
   */
  output(field: string, value: number): void;
  /** What was told of one prediction. */
  feedback(field: FeedbackField, value: number): void;
}

export interface SampleRecorder {
  /** The same recorder for the same variant, to be kept by whoever records. */
  arm(variant: string): ArmRecorder;
  shadow(variant: string): ShadowRecorder;
  state(): EndpointSamples;
  /** How many additions there were. */
  readonly changes: number;
}

interface ArmRecording {
  readonly recorder: ArmRecorder;
  state(): ArmSamples;
}

interface ValueRecording<T> {
  add(value: number): void;
  state(): T;
}

export function createSampleRecorder(): SampleRecorder {
  const arms = new Map<string, ArmRecording>();
  const shadows = new Map<string, ShadowRecording>();
  let changes = 0;
  const changed = (): void => {
    changes++;
  };
  return {
    arm: (variant) => entryOf(arms, variant, () => createArmRecorder(changed)).recorder,
    shadow: (variant) => entryOf(shadows, variant, () => createShadowRecorder(changed)).recorder,
    state: () => ({ arms: statesOf(arms), shadows: statesOf(shadows) }),
    get changes() {
      return changes;
    },
  };
}

function createArmRecorder(changed: () => void): ArmRecording {
  let answered = 0;
  let failed = 0;
  const latency = createQuantileSketch(sketchAccuracy);
  const outputs = new Map<string, ValueRecording<OutputSamples>>();
  const feedback = new Map<string, ValueRecording<FeedbackSamples>>();
  const recorder: ArmRecorder = {
    answered(latencyMs) {
      changed();
      answered++;
      if (isAddable(latencyMs)) latency.add(latencyMs);
    },
    failed() {
      changed();
      failed++;
    },
    output(field, value) {
      changed();
      entryOf(outputs, field, recordOutput).add(value);
    },
    feedback(field, value) {
      changed();
      entryOf(feedback, field, recordFeedback).add(value);
    },
  };
  return {
    recorder,
    state: () => ({
      answered,
      failed,
      latency: latency.state(),
      outputs: statesOf(outputs),
      feedback: statesOf(feedback),
    }),
  };
}

function recordOutput(): ValueRecording<OutputSamples> {
  const values = createQuantileSketch(sketchAccuracy);
  let nonFinite = 0;
  return {
    add(value) {
      if (isAddable(value)) values.add(value);
      else nonFinite++;
    },
    state: () => ({ values: values.state(), nonFinite }),
  };
}

function recordFeedback(): ValueRecording<FeedbackSamples> {
  const moments = createMoments();
  let { zeros, ones, min, max, nonFinite } = noFeedback;
  return {
    add(value) {
      if (!isAddable(value)) {
        nonFinite++;
        return;
      }
      moments.add(value);
      if (value === 0) zeros++;
      else if (value === 1) ones++;
      min = Math.min(min ?? value, value);
      max = Math.max(max ?? value, value);
    },
    state: () => ({ moments: moments.moments(), zeros, ones, min, max, nonFinite }),
  };
}

function entryOf<T>(entries: Map<string, T>, name: string, create: () => T): T {
  const known = entries.get(name);
  if (known !== undefined) return known;
  const created = create();
  entries.set(name, created);
  return created;
}

function statesOf<T>(entries: ReadonlyMap<string, { state(): T }>): Record<string, T> {
  return Object.fromEntries([...entries].map(([name, entry]) => [name, entry.state()]));
}
