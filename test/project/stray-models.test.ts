import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readProject } from '../../src/project/read-project.ts';
import { strayModelOf, strayModels } from '../../src/project/stray-models.ts';
import { projectFolder } from './project-folder.ts';

async function folderWith(paths: readonly string[]): Promise<string> {
  return projectFolder({
    'millrace.yaml': 'project: shop\n',
    ...Object.fromEntries(paths.map((path) => [path, 'x'])),
  });
}

/** Each file -> where it would be served, of the files that are told of. */
async function placesIn(dir: string): Promise<Record<string, string>> {
  const { project } = await readProject(dir);
  const sentences = (await strayModels(project)).map((sentence) => sentence.replaceAll(`${dir}/`, ''));
  return Object.fromEntries(sentences.map((sentence) => sentence.split(' is not served: move it to ')));
}

describe('model files that lie where none is looked for', () => {
  const placed: [string, string][] = [
    ['churn/churn.onnx', 'churn/1/model.onnx'],
    ['churn/model.onnx', 'churn/1/model.onnx'],
    ['churn/my best.onnx', 'churn/1/model.onnx'],
    ['churn/2/best.onnx', 'churn/2/model.onnx'],
    ['churn/2/model.ONNX', 'churn/2/model.onnx'],
    ['churn/v1/model.onnx', 'churn/1/model.onnx'],
    ['churn/version-3/churn.onnx', 'churn/3/model.onnx'],
    ['churn/best/model.onnx', 'churn/1/model.onnx'],
    ['models/churn.onnx', 'churn.onnx'],
    ['models/eu/churn.onnx', 'churn.onnx'],
    ['models/churn/2/model.onnx', 'churn/2/model.onnx'],
    ['my models/model.onnx', 'my_models.onnx'],
    ['my model.onnx', 'my_model.onnx'],
    ['2024.onnx', 'model_2024.onnx'],
    ['Big.ONNX', 'Big.onnx'],
  ];
  it.each(placed)('has a place for %s', async (path, place) => {
    expect(await placesIn(await folderWith([path]))).toEqual({ [path]: place });
  });

  const silent: [string, string[]][] = [
    ['models that are served', ['churn.onnx', 'eu/1/model.onnx', 'eu/2/model.onnx']],
    ['another file of a version', ['churn/1/model.onnx', 'churn/1/calibrated.onnx', 'churn/v1/model.onnx']],
    ['another file of a model', ['churn/1/model.onnx', 'churn/best.onnx', 'churn/old/model.onnx']],
    ['a copy of a model', ['churn/1/model.onnx', 'backup/churn/2/model.onnx']],
    ['a description that is broken', ['churn/model.yaml', 'churn/1/model.onnx', 'churn/best.onnx']],
    ['a name that is taken', ['churn.onnx', 'models/churn.onnx', 'my_model.onnx', 'my model.onnx']],
    ['what is hidden, installed or too deep', ['.next.onnx', 'node_modules/a/b.onnx', 'a/b/c/d/e.onnx']],
    ['other files', ['notes.txt', 'data/rows.csv', 'churn/1/model.pt']],
  ];
  it.each(silent)('says nothing of %s', async (_, paths) => {
    expect(await placesIn(await folderWith(paths))).toEqual({});
  });

  it('says nothing of a model that is not loaded', async () => {
    const dir = await folderWith(['churn/1/model.onnx', 'churn/1/calibrated.onnx', 'churn/best.onnx']);
    const { project } = await readProject(dir);
    expect(await strayModels({ ...project, models: new Map() })).toEqual([]);
  });

  it('gives no place to two files', async () => {
    const dir = await folderWith(['churn/1/a.onnx', 'churn/1/b.onnx', 'churn/v1/model.onnx']);
    expect(await placesIn(dir)).toEqual({ 'churn/1/a.onnx': 'churn/1/model.onnx' });
  });

  it('looks at a limited number of files, and ends in a folder that holds itself', async () => {
    const many = Array.from({ length: 1000 }, (_, n) => `data/rows_${n}.csv`);
    const dir = await folderWith([...many, 'lost/lost.onnx']);
    await symlink(dir, join(dir, 'self'));
    expect(await placesIn(dir)).toMatchObject({ 'lost/lost.onnx': 'lost/1/model.onnx' });
  });

  it('finds the sentence that belongs to a model', async () => {
    const dir = await folderWith(['churn/churn.onnx', 'models/eu.onnx', 'Big.ONNX']);
    const sentences = await strayModels((await readProject(dir)).project);
    const found = ['churn', 'eu', 'Big', 'chur'].map((name) => strayModelOf(name, dir, sentences));
    expect(found.map((sentence) => sentence?.split(' ')[0]?.replace(`${dir}/`, ''))).toEqual([
      'churn/churn.onnx',
      'models/eu.onnx',
      'Big.ONNX',
      undefined,
    ]);
  });
});
