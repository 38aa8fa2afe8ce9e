/** A project of models without descriptions, and one endpoint `m`, served in this process. */
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { systemClock } from '../../src/clock.ts';
import { openLmdbStoreAlone } from '../../src/features/lmdb-store.ts';
import { loadProject } from '../../src/project/read-project.ts';
import { openServing } from '../../src/serving/serving.ts';
import type { RawModel } from '../../src/serving/raw-model.ts';
import type { Serving } from '../../src/serving/serving.ts';
import type { Log } from '../../src/telemetry/log.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { modelPath } from '../inference/model-case.ts';

export interface RawProject {
  readonly serving: Serving;
  /** What was logged as a warning. */
  readonly warnings: readonly string[];
  /** A model that answers. */
  model(name: string, version?: string): RawModel;
  close(): Promise<void>;
}

export interface RawProjectOptions {
  /** Path in the project -> the file itself, or the name of one of test/cases/models. */
  readonly models: Readonly<Record<string, Buffer | string>>;
  /** Of the model of the endpoint, which is identity_float32; undefined = there is no endpoint. */
  readonly described?: Readonly<Record<string, unknown>>;
  readonly limits?: Readonly<Record<string, string | number>>;
}

export async function rawProject({ models, described, limits = {} }: RawProjectOptions): Promise<RawProject> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-raw-'));
  const write = async (name: string, content: Buffer | string): Promise<void> => {
    await mkdir(dirname(join(dir, name)), { recursive: true });
    if (typeof content === 'string') await copyFile(modelPath(`${content}.onnx`), join(dir, name));
    else await writeFile(join(dir, name), content);
  };
  for (const [name, content] of Object.entries(models)) await write(name, content);
  const request = { a: 'float32', b: 'float32' };
  const endpoints = described && { m: { request, variants: { only: { model: 'm@1' } } } };
  if (described !== undefined) {
    await write('m/1/model.onnx', 'identity_float32');
    const description = { inputs: { x: ['request.a', 'request.b'] }, ...described };
    await writeFile(join(dir, 'm/model.json'), JSON.stringify(description));
  }
  await writeFile(
    join(dir, 'millrace.json'),
    JSON.stringify({ project: 'raw', limits, ...(endpoints && { endpoints }) }),
  );
  const project = await loadProject(dir);
  const store = await openLmdbStoreAlone({ path: join(dir, 'data'), views: [] });
  const metrics = createMetrics();
  const warnings: string[] = [];
  const warn = (_: object, message: string): void => void warnings.push(message);
  const log = { ...createLog('silent'), warn, info: () => undefined } as unknown as Log;
  const serving = await openServing({ project, store, metrics, clock: systemClock, log });
  return {
    serving,
    warnings,
    model(name, version) {
      const found = serving.models.get(name, version);
      if (found?.state !== 'ready') throw new Error(`${name} does not answer: ${found?.reason}`);
      return found;
    },
    async close() {
      await serving.close();
      await store.close();
      metrics.close();
      await rm(dir, { recursive: true });
    },
  };
}
