/**
 * What processes have seen, in the LMDB environment: database `rollout_samples`.
 *
 *   `<endpoint>/`            JSON: the version that the samples are of, and the processes, the one that put last at the end
 *   `<endpoint>/<process>`   the samples of one of them
 *
 * The first says which of the second there are, so that a put reads no samples.
 */
import type { LmdbDatabase, LmdbEnvironment } from '../lmdb/lmdb-environment.ts';
import type { RolloutStore, SamplesKey } from './rollout-store.ts';
import { SAMPLES_PROCESSES_MAX } from './samples-limits.ts';

interface Index {
  readonly samplesVersion: number;
  readonly processes: readonly string[];
}

export function openLmdbSamples(
  environment: LmdbEnvironment,
  database: LmdbDatabase<string>,
): Pick<RolloutStore, 'putSamples' | 'samples'> {
  function readIndex(endpoint: string): Index {
    const bytes = database.get(`${endpoint}/`);
    if (bytes === undefined) return { samplesVersion: 0, processes: [] };
    return JSON.parse(bytes.toString()) as Index;
  }

  function put({ endpoint, samplesVersion, process }: SamplesKey, bytes: Buffer): void {
    const before = readIndex(endpoint);
    if (before.samplesVersion > samplesVersion) return;
    const kept =
      before.samplesVersion === samplesVersion ? before.processes.filter((each) => each !== process) : [];
    const processes = [...kept, process].slice(-SAMPLES_PROCESSES_MAX);
    const stay = new Set(processes);
    for (const each of before.processes) if (!stay.has(each)) database.remove(`${endpoint}/${each}`);
    database.put(`${endpoint}/${process}`, bytes);
    database.put(`${endpoint}/`, Buffer.from(JSON.stringify({ samplesVersion, processes })));
  }

  return {
    async putSamples(key, samples) {
      const bytes = Buffer.from(samples);
      await environment.transaction(() => put(key, bytes));
    },

    async samples(endpoint, samplesVersion) {
      try {
        environment.refresh();
        const index = readIndex(endpoint);
        if (index.samplesVersion !== samplesVersion) return [];
        return index.processes.map((process) => String(database.get(`${endpoint}/${process}`)));
      } catch (error) {
        throw environment.failure(error);
      }
    },
  };
}
