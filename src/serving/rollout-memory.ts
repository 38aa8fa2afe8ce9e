/**
 * What a process remembers of its rollouts while its project is served anew, again and again: who it is for other
 * processes, what its variants have answered, and which answers it waits to be told of. For a while two servings run
 * beside each other; both note into the same recorders, so whoever of them publishes last publishes all.
 */
import { randomUUID } from 'node:crypto';
import type { RolloutStore, SamplesKey } from '../rollouts/rollout-store.ts';
import type { SampleRecorder } from '../rollouts/sample-recorder.ts';
import { createAwaitedFeedback } from './feedback-follower.ts';
import type { AwaitedFeedback } from './feedback-follower.ts';

export interface RolloutMemory {
  readonly feedback: AwaitedFeedback;
  /** The same for the same version, however often the project is served anew. */
  samplesOf(endpoint: string, samplesVersion: number): KeptSamples;
  /** Those of the latest version that there are. */
  latest(endpoint: string): KeptSamples | undefined;
}

/** What this process has seen of an endpoint under one version. */
export interface KeptSamples {
  readonly samplesVersion: number;
  readonly recorder: SampleRecorder;
  /**
   * Tells the other processes, if there is something new.
   * @throws MillraceError STORE_FAILED
   */
  publish(store: RolloutStore): Promise<void>;
}

/** Requests that were routed just before a change still note what they saw under the version before. */
const VERSIONS_MAX = 2;

function createRolloutMemory(createRecorder: () => SampleRecorder): RolloutMemory {
  const process = randomUUID();
  const kept = new Map<string, readonly KeptSamples[]>();
  return {
    feedback: createAwaitedFeedback(),
    samplesOf(endpoint, samplesVersion) {
      const known = kept.get(endpoint) ?? [];
      const found = known.find((samples) => samples.samplesVersion === samplesVersion);
      if (found !== undefined) return found;
      const made = createKeptSamples({ endpoint, samplesVersion, process }, createRecorder());
      const latestFirst = [...known, made].toSorted((a, b) => b.samplesVersion - a.samplesVersion);
      kept.set(endpoint, latestFirst.slice(0, VERSIONS_MAX));
      return made;
    },
    latest: (endpoint) => kept.get(endpoint)?.[0],
  };
}

function createKeptSamples(key: SamplesKey, recorder: SampleRecorder): KeptSamples {
  let published = 0;
  let last: Promise<void> = Promise.resolve();
  const put = async (store: RolloutStore): Promise<void> => {
    const { changes } = recorder;
    if (changes === published) return;
    await store.putSamples(key, JSON.stringify(recorder.state()));
    published = changes;
  };
  return {
    samplesVersion: key.samplesVersion,
    recorder,
    async publish(store) {
      // One after the other: two connections to a store could else let the older state win.
      const made = last.then(async () => put(store));
      last = made.catch(() => undefined);
      return made;
    },
  };
}

/** Opened when there is first something to remember: recorders take a while to load. */
export interface RolloutMemoryHolder {
  open(): Promise<RolloutMemory>;
}

export function createRolloutMemoryHolder(): RolloutMemoryHolder {
  let memory: RolloutMemory | undefined;
  return {
    async open() {
      const { createSampleRecorder } = await import('../rollouts/sample-recorder.ts');
      return (memory ??= createRolloutMemory(createSampleRecorder));
    },
  };
}
