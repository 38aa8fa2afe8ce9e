/** Which outputs are found to be made row by row, by runs of real models. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { rowOutputs } from '../../src/inference/row-outputs.ts';
import { elementTypes, openSession } from '../../src/inference/session.ts';
import { modelPath } from './model-case.ts';
import { centred, identityModel, onnxModel } from './onnx-model.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-rows-'));
});
afterAll(async () => rm(dir, { recursive: true }));

/** @param model the file itself, or the name of one of test/cases/models */
async function found(model: Buffer | string, widths: readonly number[]): Promise<readonly boolean[]> {
  const path = typeof model === 'string' ? modelPath(`${model}.onnx`) : join(dir, 'model.onnx');
  if (typeof model !== 'string') await writeFile(path, model);
  const session = await openSession(path);
  try {
    return await rowOutputs(session, widths);
  } finally {
    await session.release();
  }
}

it('are those of a model that looks at one row at a time, whatever its types', async () => {
  const every = identityModel(elementTypes.map((type) => ({ name: type, type, shape: ['n', 2] })));
  const widths = elementTypes.map(() => 2);
  expect(await found(every, widths)).toEqual(elementTypes.map(() => true));
  expect(await found('mlp', [32])).toEqual([true]);
});

it('are not those that a row beside it changes, though they have a row for each row', async () => {
  expect(await found(centred('n'), [1])).toEqual([false]);
});

it('are told apart within one model', async () => {
  const both = onnxModel({
    nodes: [
      { op: 'Neg', inputs: ['x'], outputs: ['own'] },
      { op: 'ReduceMax', inputs: ['x'], outputs: ['largest'] },
      { op: 'Div', inputs: ['x', 'largest'], outputs: ['shares'] },
    ],
    inputs: [{ name: 'x', type: 'float32', shape: ['n', 1] }],
    outputs: [
      { name: 'shares', type: 'float32', shape: ['n', 1] },
      { name: 'own', type: 'float32', shape: ['n', 1] },
    ],
  });
  expect(await found(both, [1])).toEqual([false, true]);
});

it('are found with small numbers where a model takes them for indexes', async () => {
  expect(await found('gather', [1, 2])).toContain(true);
});

it('are none where the batch is fixed or ignored', async () => {
  expect(await found('fixed_batch_1', [2])).not.toContain(true);
  expect(await found('ignores_batch', [2])).not.toContain(true);
});
