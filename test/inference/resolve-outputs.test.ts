import { afterAll, beforeAll, expect, it } from 'vitest';
import { resolveOutputs } from '../../src/inference/resolve-outputs.ts';
import { openSession } from '../../src/inference/session.ts';
import type { ModelSession } from '../../src/inference/session.ts';
import { modelPath } from './model-case.ts';
import { modelVersion, yaml } from './model-version.ts';

let zipmap: ModelSession;
let symbolic: ModelSession;
beforeAll(async () => {
  zipmap = await openSession(modelPath('zipmap.onnx'));
  symbolic = await openSession(modelPath('symbolic_width.onnx'));
});
afterAll(() => Promise.all([zipmap.release(), symbolic.release()]));

it('finds the tensor and the column of each field', () => {
  const version = modelVersion('zipmap', ['x'], {
    label: ['label'],
    yes: ['probabilities', 1],
    both: ['probabilities'],
  });
  expect(resolveOutputs(version, zipmap)).toEqual({
    fields: [
      { field: 'label', output: 0, column: undefined },
      { field: 'yes', output: 1, column: 1 },
      { field: 'both', output: 1, column: undefined },
    ],
    fetch: [0, 1],
    widthsMin: [0, 2],
    mistakes: [],
  });
});

it('gives every output under its own name when none is selected', () => {
  expect(resolveOutputs(modelVersion('symbolic_width'), symbolic).fields).toEqual([
    { field: 'total', output: 0, column: undefined },
    { field: 'double', output: 1, column: undefined },
  ]);
});

it('names every column that does not exist, with its place', () => {
  const version = modelVersion('zipmap', ['x'], {
    label: ['label', 1],
    no: ['probabilities', 0],
    yes: ['probabilities', 2],
  });
  expect(resolveOutputs(version, zipmap).mistakes).toEqual([
    { ...yaml(20, 'outputs.label'), message: 'the output "label" has one column, [0]; there is no [1]' },
    {
      ...yaml(22, 'outputs.yes'),
      message: 'the output "probabilities" has 2 columns, [0] to [1]; there is no [2]',
    },
  ]);
});

it('leaves a column of an open width to the widths that the warm-up finds', () => {
  const version = modelVersion('symbolic_width', ['x'], { fifth: ['double', 4] });
  expect(resolveOutputs(version, symbolic)).toMatchObject({ mistakes: [], fetch: [1], widthsMin: [0, 5] });
  expect(resolveOutputs(version, symbolic, [1, 4]).mistakes).toEqual([
    {
      ...yaml(20, 'outputs.fifth'),
      message: 'the output "double" has 4 columns, [0] to [3]; there is no [4]',
    },
  ]);
});
