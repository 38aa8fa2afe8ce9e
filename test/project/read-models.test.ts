import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadProject } from '../../src/project/read-project.ts';
import { mistakesIn, projectFolder, readFiles, soundFiles } from './project-folder.ts';

describe('a model', () => {
  const own = `inputs: { features: request.user }
batching: { rows_max: 8 }
execution: worker
workers: 3
queue_rows_max: 100
timeout_ms: 250
warmup: false
`;

  test('takes from the description of a version the keys that it has, and the rest from its own', async () => {
    const dir = await projectFolder({ ...soundFiles, 'churn/2/model.onnx': '', 'churn/2/model.yml': own });
    const versions = (await loadProject(dir)).models.get('churn')?.versions;
    const [first, second] = [versions?.get('1'), versions?.get('2')];
    expect(first?.batching).toEqual({ rowsMax: 256, delayMsMax: 0 });
    expect(second?.batching).toEqual({ rowsMax: 8, delayMsMax: 0 });
    expect(second).toMatchObject({ execution: 'worker', workers: 3, queueRowsMax: 100, timeoutMs: 250 });
    expect(second?.warmup).toBe(false);
    expect(second?.bindings).toEqual(first?.bindings);
    expect(second?.outputs).toEqual(first?.outputs);
    const file = join(dir, 'churn/2/model.yml');
    expect(second?.inputs).toEqual([
      {
        name: 'features',
        expressions: [{ text: 'request.user', location: { file, line: 1, path: 'inputs.features' } }],
        location: { file, line: 1, path: 'inputs.features' },
      },
    ]);
    expect(second?.location).toEqual({ file, line: 1, path: '' });
  });

  test('is followed to its newest version by an endpoint with one variant only', async () => {
    const project = soundFiles['millrace.yaml'] ?? '';
    const newest = { ...soundFiles, 'millrace.yaml': project.replace('churn@1', 'churn@latest') };
    expect(await mistakesIn(newest)).toEqual([]);
    const several = newest['millrace.yaml'].replace('only:', 'other: { model: churn@1 }\n      only:');
    expect(await mistakesIn({ ...newest, 'millrace.yaml': several })).toEqual([
      'millrace.yaml:20  endpoints.churn.variants.only.model  follows the newest version, which would change what the variants are compared by; name a version',
    ]);
  });

  test('needs no description of its own when an endpoint names it and its version has one', async () => {
    const { 'churn/model.yaml': description = '', ...rest } = soundFiles;
    expect(await mistakesIn({ ...rest, 'churn/1/model.yaml': description })).toEqual([]);
    expect(await mistakesIn(rest)).toEqual([
      'churn/model.yaml:1  the file is missing: it says what the inputs of the model churn are',
    ]);
  });

  test('has its versions in numeric order', async () => {
    const { project } = await readFiles({
      ...soundFiles,
      'churn/10/model.onnx': '',
      'churn/2/model.onnx': '',
    });
    expect([...(project.models.get('churn')?.versions.keys() ?? [])]).toEqual(['1', '2', '10']);
  });

  test('is any folder with a description, whether an endpoint names it or not; other folders are not', async () => {
    const { project, mistakes } = await readFiles({
      ...soundFiles,
      'spare/model.yaml': 'inputs: { x: "1" }\n',
      'spare/3/model.onnx': '',
      'data/1/users.csv': '',
      '.hidden/model.yaml': '',
      'README.md': '',
    });
    expect(mistakes).toEqual([]);
    expect([...project.models.keys()]).toEqual(['churn', 'spare']);
  });

  test('needs no description where no endpoint uses it: it serves tensors', async () => {
    const dir = await projectFolder({
      ...soundFiles,
      'plain/1/model.onnx': '',
      'plain/12/model.onnx': '',
      'plain/13/notes.txt': '',
      'churn/2/model.onnx': '',
      'mixed/1/model.onnx': '',
      'mixed/1/model.yaml': 'inputs: { x: "1" }\n',
      'mixed/2/model.onnx': '',
      'single.onnx': '',
      '1-not-a-name.onnx': '',
      'not a name/1/model.onnx': '',
    });
    const { models } = await loadProject(dir);
    const described = [...models.values()].flatMap(({ name, versions }) =>
      [...versions.values()].map(({ version, isDescribed }) => `${name}@${version} ${isDescribed}`),
    );
    expect(described).toEqual([
      'churn@1 true',
      'churn@2 true',
      'mixed@1 true',
      'mixed@2 false',
      'plain@1 false',
      'plain@12 false',
      'single@1 false',
    ]);
    expect(models.get('plain')?.versions.get('12')).toMatchObject({
      onnxPath: join(dir, 'plain/12/model.onnx'),
      inputs: [],
      bindings: [],
      outputs: undefined,
    });
    expect(models.get('single')?.versions.get('1')?.onnxPath).toBe(join(dir, 'single.onnx'));
  });

  test('that an endpoint uses has a mistake without a description, also as a file of its own', async () => {
    const { 'churn/model.yaml': description = '', 'churn/1/model.onnx': _, ...rest } = soundFiles;
    const missing = 'churn/model.yaml:1  the file is missing: it says what the inputs of the model churn are';
    expect(await mistakesIn({ ...rest, 'churn/1/model.onnx': '', 'churn/2/model.onnx': '' })).toEqual([
      missing,
    ]);
    expect(await mistakesIn({ ...rest, 'churn.onnx': '' })).toEqual([missing]);
    const { 'millrace.yaml': main = '' } = rest;
    const newest = { ...rest, 'millrace.yaml': main.replace('churn@1', 'churn@latest') };
    expect(await mistakesIn({ ...newest, 'churn/1/model.onnx': '' })).toEqual([missing]);
    expect(await mistakesIn({ ...newest, 'churn.onnx': '' })).toEqual([missing]);
    const other = { 'churn/1/model.yaml': description, 'churn/1/model.onnx': '', 'churn/2/model.onnx': '' };
    expect(await mistakesIn({ ...rest, ...other })).toEqual([]);
  });

  test('is a folder or a file, and not both', async () => {
    expect(await mistakesIn({ ...soundFiles, 'churn.onnx': '' })).toEqual([
      'churn.onnx:1  the model churn is a folder as well (move the file into it, to churn/2/model.onnx for one)',
    ]);
  });

  test('answers with every output when it names none', async () => {
    const { project } = await readFiles({
      'millrace.yaml': 'project: p\n',
      'm/model.yaml': 'inputs: { x: "1" }\n',
      'm/1/model.onnx': '',
    });
    expect(project.models.get('m')?.versions.get('1')?.outputs).toBeUndefined();
  });

  test('with versions that lack something has one mistake for each', async () => {
    const files = {
      'millrace.yaml': 'project: p\n',
      'a/model.yaml': 'inputs: { x: "1" }\n',
      'b/model.yaml': 'inputs: { x: "1" }\n',
      'b/1/notes.txt': '',
      'c/model.yaml': 'warmup: true\n',
      'c/1/model.onnx': '',
      'c/2/model.onnx': '',
      'my model/model.yaml': '',
    };
    const found = await mistakesIn(files);
    expect(found).toEqual([
      expect.stringMatching(/^a:1 {2}the model has no versions \(put its file at a\/1\/model\.onnx\)$/),
      'b/1/model.onnx:1  the file is missing: it is version 1 of the model b',
      'c/model.yaml:1  inputs  is missing: it says which expressions fill the inputs of the model',
      expect.stringMatching(/^my model:1 {2}the folder is not named like a model/),
    ]);
  });
});
