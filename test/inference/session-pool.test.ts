import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { LOOP_BYTES_MAX, createSessionPool } from '../../src/inference/session-pool.ts';
import type { SessionPool } from '../../src/inference/session-pool.ts';
import type { ModelVersion } from '../../src/project/project.ts';
import { numberedModel } from '../server/numbered-project.ts';
import { modelPath } from './model-case.ts';
import { modelVersion } from './model-version.ts';

const FLOAT_BYTES = 4;
let dir: string;
let large: string;
const small = modelPath('mlp.onnx');
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-pool-'));
  large = join(dir, 'model.onnx');
  await writeFile(large, numberedModel(1, LOOP_BYTES_MAX / FLOAT_BYTES));
});
afterAll(async () => rm(dir, { recursive: true }));

async function threadsOf(
  pool: SessionPool,
  onnxPath: string,
  execution: ModelVersion['execution'],
): Promise<number> {
  const lease = await pool.take({ ...modelVersion('mlp'), onnxPath, execution });
  const { threads } = lease.session;
  await lease.release();
  return threads;
}

it('opens a model in threads at once where model.yaml says so, or where its files would hold up the event loop', async () => {
  const pool = createSessionPool(() => ({ threads: 2 }));
  expect(await threadsOf(pool, small, 'auto')).toBe(0);
  expect(await threadsOf(pool, small, 'worker')).toBe(2);
  expect(await threadsOf(pool, large, 'inline')).toBe(0);
  // Each thread holds all of it.
  expect(await threadsOf(pool, large, 'auto')).toBe(1);
});

it('gives a large model all of its threads once it is asked to', async () => {
  const pool = createSessionPool(() => ({ threads: 2 }));
  const lease = await pool.take({ ...modelVersion('mlp'), onnxPath: large, execution: 'auto' });
  await lease.moveToThreads();
  expect(lease.session.threads).toBe(2);
  await lease.release();
});

it('counts and follows weights that lie in folders of a version, or are named like its file', async () => {
  const folder = join(dir, 'weighty/1');
  await mkdir(join(folder, 'weights'), { recursive: true });
  for (const name of ['model.onnx', 'alone.onnx']) await copyFile(small, join(folder, name));
  await writeFile(join(folder, 'weights/w.bin'), Buffer.alloc(LOOP_BYTES_MAX));
  await writeFile(join(folder, 'alone.onnx.data'), Buffer.alloc(LOOP_BYTES_MAX));
  await writeFile(join(folder, 'rows.parquet'), Buffer.alloc(LOOP_BYTES_MAX));
  const pool = createSessionPool(() => ({ threads: 1 }));
  expect(await threadsOf(pool, join(folder, 'model.onnx'), 'auto')).toBe(1);
  expect(await threadsOf(pool, join(folder, 'alone.onnx'), 'auto')).toBe(1);
  await rm(join(folder, 'weights'), { recursive: true });
  await rm(join(folder, 'alone.onnx.data'));
  expect(await threadsOf(pool, join(folder, 'model.onnx'), 'auto')).toBe(0);
});

it('without a plan of threads it opens all on the event loop', async () => {
  const pool = createSessionPool();
  expect(await threadsOf(pool, small, 'worker')).toBe(0);
  expect(await threadsOf(pool, large, 'auto')).toBe(0);
});

it('runs a model in its threads as on the event loop', async () => {
  const pool = createSessionPool(() => ({ threads: 1 }));
  const version = { ...modelVersion('mlp'), onnxPath: large };
  const inThreads = await pool.take({ ...version, execution: 'auto' });
  const onLoop = await pool.take({ ...version, execution: 'inline' });
  const inputs = [{ data: Float32Array.of(41, 1), dims: [2, 1] }];
  for (const { session } of [inThreads, onLoop])
    expect(await session.run(inputs)).toMatchObject([{ data: Float32Array.of(42, 2), dims: [2, 1] }]);
  await Promise.all([inThreads.release(), onLoop.release()]);
});
