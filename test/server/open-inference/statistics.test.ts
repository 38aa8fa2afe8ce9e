/** What models are told to have done, and how they run, when they are changed while the server runs. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { identityModel } from '../../inference/onnx-model.ts';
import { tensorServer } from './tensor-server.ts';
import type { TensorServer } from './tensor-server.ts';

let served: TensorServer;
beforeAll(async () => {
  served = await tensorServer();
});
afterAll(async () => served.close());

interface Stats {
  readonly execution_count: number;
  readonly last_inference: number;
  readonly inference_stats: Readonly<Record<string, { count: number }>>;
}

async function stats(): Promise<Stats> {
  const { json } = await served.get('/v2/models/float/versions/3/stats');
  return (json['model_stats'] as Stats[])[0] as Stats;
}

async function inferRows(rows: number): Promise<void> {
  const data = Array.from({ length: 2 * rows }, (_, i) => i);
  const { status } = await served.infer('float', {
    inputs: [{ name: 'x', datatype: 'FP32', shape: [rows, 2], data }],
  });
  expect(status).toBe(200);
}

it('counts go on when another model is loaded, whose metadata stand at its version if it is named stats', async () => {
  await inferRows(2);
  const before = await stats();
  expect(before.inference_stats['success']?.count).toBeGreaterThan(0);
  await writeFile(
    join(served.dir, 'stats.onnx'),
    identityModel([{ name: 'x', type: 'float32', shape: ['n', 1] }]),
  );
  await served.server.reload();
  expect((await served.get('/v2/models/stats/versions/1')).json).toMatchObject({ name: 'stats' });
  expect((await served.get('/v2/models/stats')).json).toHaveProperty('model_stats');
  expect(await stats()).toEqual(before);
});

it('a run has as many rows as the description allows at the time', async () => {
  await mkdir(join(served.dir, 'float'), { recursive: true });
  for (const rowsMax of [8, 2, 4]) {
    const description = { inputs: { x: ['1', '2'] }, batching: { rows_max: rowsMax } };
    await writeFile(join(served.dir, 'float', 'model.json'), JSON.stringify(description));
    await served.server.reload();
    const before = await stats();
    await inferRows(8);
    expect((await stats()).execution_count - before.execution_count).toBe(8 / rowsMax);
  }
});
