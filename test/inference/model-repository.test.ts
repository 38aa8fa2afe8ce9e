import { expect, it } from 'vitest';
import { openModelRepository } from '../../src/inference/model-repository.ts';
import { modelPath } from './model-case.ts';
import { modelVersion, yaml } from './model-version.ts';

it('opens each version with the outputs that it selects', async () => {
  const zipmap = modelVersion('zipmap', ['x'], { yes: ['probabilities', 1], no: ['probabilities', 0] });
  const mlp = modelVersion('mlp');
  const repository = await openModelRepository([zipmap, mlp]);
  expect(repository.mistakes).toEqual([]);
  expect(repository.get('zipmap', '1')?.version).toBe(zipmap);
  expect(repository.get('zipmap', '1')?.session.outputs.map(({ name }) => name)).toEqual(['probabilities']);
  expect(repository.get('mlp', '1')?.session.inputs[0]?.shape).toEqual([undefined, 32]);
  expect(repository.get('mlp', '2')).toBeUndefined();
  await repository.release();
});

it('releases every model', async () => {
  const repository = await openModelRepository([modelVersion('mlp'), modelVersion('slow')]);
  const sessions = ['mlp', 'slow'].map((model) => repository.get(model, '1')?.session);
  await repository.release();
  for (const session of sessions) await expect(session?.run([])).rejects.toMatchObject({ code: 'NOT_READY' });
});

it('collects the mistakes of all versions, each with its place, and loads the others', async () => {
  const repository = await openModelRepository([
    modelVersion('corrupt'),
    modelVersion('mlp'),
    modelVersion('input_float16', ['other', 'x'], { score: ['scores'] }),
    modelVersion('fixed_batch_4'),
    modelVersion('two_symbolic_widths', ['y']),
    modelVersion('scalar_input', ['x', 'scale']),
    modelVersion('none'),
  ]);
  expect(repository.get('mlp', '1')).toBeDefined();
  expect(repository.get('fixed_batch_4', '1')).toBeUndefined();
  const starting = (model: string, sentence: string): unknown =>
    expect.stringMatching(new RegExp(`/${model}\\.onnx:? ${sentence}`));
  expect(repository.mistakes).toEqual([
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
      ...yaml(1, ''),
      message: `There is no file ${modelPath('none.onnx')}. Put the exported model there, or remove the version that needs it.`,
    },
  ]);
  await repository.release();
});
