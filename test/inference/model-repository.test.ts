import { expect, it } from 'vitest';
import { openModelRepository } from '../../src/inference/model-repository.ts';
import type { ModelVersion } from '../../src/project/project.ts';
import { modelPath } from './model-case.ts';
import { modelVersion, yaml } from './model-version.ts';

it('opens each version with all outputs that can be served, whichever it selects', async () => {
  const zipmap = modelVersion('zipmap', ['x'], { yes: ['probabilities', 1], no: ['probabilities', 0] });
  const mlp = modelVersion('mlp');
  const repository = await openModelRepository([zipmap, mlp]);
  expect([zipmap, mlp].flatMap((version) => repository.mistakesOf(version))).toEqual([]);
  expect(repository.get(zipmap)?.version).toBe(zipmap);
  expect(repository.get(zipmap)?.session.outputs.map(({ name }) => name)).toEqual(['label', 'probabilities']);
  expect(repository.get(mlp)?.session.inputs[0]?.shape).toEqual([undefined, 32]);
  expect(repository.get({ ...mlp, version: '2' })).toBeUndefined();
  await repository.release();
});

it('releases every model', async () => {
  const versions = [modelVersion('mlp'), modelVersion('slow')];
  const repository = await openModelRepository(versions);
  const sessions = versions.map((version) => repository.get(version)?.session);
  await repository.release();
  for (const session of sessions) await expect(session?.run([])).rejects.toMatchObject({ code: 'NOT_READY' });
});

it('collects the mistakes of all versions, each with its place, and loads the others', async () => {
  const [corrupt, mlp, fixedBatch] = ['corrupt', 'mlp', 'fixed_batch_4'].map((file) =>
    modelVersion(file),
  ) as [ModelVersion, ModelVersion, ModelVersion];
  const versions = [
    corrupt,
    mlp,
    modelVersion('input_float16', ['other', 'x'], { score: ['scores'] }),
    fixedBatch,
    modelVersion('two_symbolic_widths', ['y']),
    modelVersion('scalar_input', ['x', 'scale']),
    modelVersion('zipmap', ['x'], { classes: ['zipped'] }),
    modelVersion('none'),
  ];
  const repository = await openModelRepository(versions);
  expect(repository.get(mlp)).toBeDefined();
  expect(repository.get(corrupt)).toBeUndefined();
  const starting = (model: string, sentence: string): unknown =>
    expect.stringMatching(new RegExp(`/${model}\\.onnx:? ${sentence}`));
  expect(versions.flatMap((version) => repository.mistakesOf(version))).toEqual([
    { ...yaml(1, ''), message: starting('corrupt', 'is not a whole ONNX model') },
    { ...yaml(11, 'inputs.x'), message: starting('input_float16', 'The input "x" holds float16') },
    { ...yaml(20, 'outputs.score'), message: starting('input_float16', 'The model has no output "scores"') },
    {
      ...yaml(10, 'inputs.x'),
      message: starting('fixed_batch_4', 'The input "x" \\[4, 2\\] takes exactly 4 rows'),
    },
    {
      ...yaml(1, ''),
      message: starting('two_symbolic_widths', 'The input "x" \\[batch, \\?, \\?\\] leaves'),
    },
    {
      ...yaml(11, 'inputs.scale'),
      message: starting('scalar_input', 'The input "scale" \\[\\] has no dimension'),
    },
    {
      ...yaml(20, 'outputs.classes'),
      message: starting('zipmap', 'The output "zipped" is a sequence or a map'),
    },
    {
      ...yaml(1, ''),
      message: `There is no file ${modelPath('none.onnx')}. Put the exported model there, or remove the version that needs it.`,
    },
  ]);
  await repository.release();
});

it('opens a version for tensors whose rows could not be filled, and finds no mistake where nothing describes it', async () => {
  const described = modelVersion('fixed_batch_4');
  const raw = { ...modelVersion('zipmap', []), isDescribed: false };
  const repository = await openModelRepository([described, raw]);
  expect(repository.mistakesOf(described)).toHaveLength(1);
  expect(repository.get(described)?.session.inputs[0]?.shape).toEqual([4, 2]);
  expect(repository.mistakesOf(raw)).toEqual([]);
  expect(repository.get(raw)?.session.refusedOutputs.map(({ name }) => name)).toEqual(['zipped']);
  await repository.release();
});
