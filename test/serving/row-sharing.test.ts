/** Who shares a run with whom, and what is never split, where models are served as tensors. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { centred, identityModel, onnxModel } from '../inference/onnx-model.ts';
import { rawProject } from './raw-project.ts';
import type { RawProject } from './raw-project.ts';

/** Gives back what is a number: of some rows it has one each, of others none. */
const numbersOnly = onnxModel({
  nodes: [
    { op: 'IsNaN', inputs: ['x'], outputs: ['is_none'] },
    { op: 'Not', inputs: ['is_none'], outputs: ['is_number'] },
    { op: 'Compress', inputs: ['x', 'is_number'], outputs: ['y'] },
  ],
  inputs: [{ name: 'x', type: 'float32', shape: ['n'] }],
  outputs: [{ name: 'y', type: 'float32', shape: ['k'] }],
});

let raw: RawProject;
beforeAll(async () => {
  raw = await rawProject({
    models: {
      'centred.onnx': centred('seq'),
      'same.onnx': identityModel([{ name: 'x', type: 'float32', shape: ['n', 1] }]),
      'numbers.onnx': numbersOnly,
    },
    limits: { rows_max: 1000 },
  });
});
afterAll(async () => raw.close());

async function infer(name: string, values: readonly number[], isFlat = false): Promise<number[]> {
  const shape = isFlat ? [values.length] : [values.length, 1];
  const x = { name: 'x', elementType: 'float32', shape, data: Float32Array.from(values) } as const;
  const { outputs } = await raw.model(name).infer({ inputs: [x] });
  return Array.from(outputs[0]?.data as Float32Array);
}

it('callers of a model that mixes its rows get answers as if they were alone', async () => {
  const answers = await Promise.all([
    infer('centred', [1, 3]),
    infer('centred', [100]),
    infer('centred', [0, 4]),
  ]);
  expect(answers).toEqual([[-1, 1], [0], [-2, 2]]);
});

it('a long request of such a model is not split', async () => {
  const rows = Array.from({ length: 600 }, (_, i) => (i < 300 ? 0 : 2));
  expect(await infer('centred', rows)).toEqual(rows.map((value) => value - 1));
});

it('no request of a model without a description is split, though callers share runs', async () => {
  const { runs } = raw.model('same').stats;
  const before = { ...runs };
  const long = Array.from({ length: 600 }, (_, i) => i);
  expect(await infer('same', long)).toEqual(long);
  expect(runs.runs - before.runs).toBe(1);
  const answers = await Promise.all([200, 100, 100].map(async (rows) => infer('same', long.slice(0, rows))));
  expect(answers.map((answer) => answer.length)).toEqual([200, 100, 100]);
  expect(runs).toMatchObject({ runs: before.runs + 3, rows: before.rows + 1000 });
});

it('an output that has rows for others than were shown to it is run alone from then on', async () => {
  for (let round = 0; round < 2; round++) {
    const answers = await Promise.all([
      infer('numbers', [1, Number.NaN], true),
      infer('numbers', [Number.NaN], true),
      infer('numbers', [2, 3], true),
    ]);
    expect(answers).toEqual([[1], [], [2, 3]]);
  }
});
