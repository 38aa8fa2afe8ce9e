import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { MillraceError } from '../../src/errors.ts';
import type { Project } from '../../src/project/project.ts';
import { formatMistake, loadProject, readProject } from '../../src/project/read-project.ts';
import { isIncomplete } from '../../src/project/report.ts';
import { mistakesIn, projectFolder, readFiles, soundFiles } from './project-folder.ts';

/** What a model.yaml means that does not say how the model runs. */
const unsaid = {
  isDescribed: true,
  batching: { rowsMax: 256, delayMsMax: 0 },
  execution: 'auto',
  workers: undefined,
  queueRowsMax: 65_536,
  timeoutMs: undefined,
  warmup: true,
};

describe('a sound project', () => {
  test('is read with everything in it', async () => {
    const dir = await projectFolder(soundFiles);
    const project = await loadProject(dir);
    const user = { name: 'user', keys: [{ name: 'id', type: 'int64' }] };
    expect(project).toMatchObject({ name: 'shop', dir });
    expect(project.entities.get('user')).toEqual(user);
    expect(project.featureViews.get('activity')).toEqual({
      name: 'activity',
      entity: user,
      ttlMs: 30 * 86_400_000,
      timestampField: 'event_timestamp',
      onUnavailable: 'default',
      features: [
        { name: 'clicks', type: { scalar: 'int64', length: undefined }, index: 0, default: undefined },
        { name: 'spend', type: { scalar: 'float64', length: undefined }, index: 1, default: 0 },
        { name: 'taste', type: { scalar: 'float32', length: 3 }, index: 2, default: undefined },
      ],
    });
    const modelFile = join(dir, 'churn/model.yaml');
    const version = project.models.get('churn')?.versions.get('1');
    expect(version).toEqual({
      model: 'churn',
      version: '1',
      onnxPath: join(dir, 'churn/1/model.onnx'),
      bindings: [
        {
          name: 'user',
          entity: user,
          keyFields: ['user'],
          location: { file: modelFile, line: 2, path: 'entities.user' },
        },
      ],
      inputs: [
        {
          name: 'features',
          location: { file: modelFile, line: 4, path: 'inputs.features' },
          expressions: [
            {
              text: 'user.activity.clicks',
              location: { file: modelFile, line: 5, path: 'inputs.features[0]' },
            },
            {
              text: 'user.activity.spend',
              location: { file: modelFile, line: 6, path: 'inputs.features[1]' },
            },
          ],
        },
      ],
      outputs: [
        {
          field: 'risk',
          tensor: 'probabilities',
          column: 1,
          location: { file: modelFile, line: 7, path: 'outputs.risk' },
        },
      ],
      ...unsaid,
      location: { file: modelFile, line: 1, path: '' },
    });
    expect(project.endpoints.get('churn')?.variants[0]?.model).toBe(version);
  });

  test('has its endpoints', async () => {
    const { endpoints } = await loadProject(await projectFolder(soundFiles));
    expect(endpoints.get('churn')).toMatchObject({
      request: [
        { name: 'user', type: { scalar: 'int64', length: undefined }, index: 0, optional: false },
        { name: 'page', type: { scalar: 'string', length: undefined }, index: 1, optional: true },
      ],
      unit: { kind: 'field', name: 'user', index: 0 },
      variants: [{ name: 'only', location: { line: 19, path: 'endpoints.churn.variants.only' } }],
      location: { line: 13, path: 'endpoints.churn' },
    });
  });

  test('is frozen all the way down, its maps too', async () => {
    const project = await loadProject(await projectFolder(soundFiles));
    const visit = (value: unknown): void => {
      if (typeof value !== 'object' || value === null) return;
      expect(Object.isFrozen(value)).toBe(true);
      for (const inner of value instanceof Map ? value.values() : Object.values(value)) visit(inner);
    };
    visit(project);
    const views = project.featureViews as Map<string, unknown>;
    expect(() => views.set('x', 1)).toThrow('a project is frozen');
    expect(() => views.delete('activity')).toThrow('a project is frozen');
    expect(() => views.clear()).toThrow('a project is frozen');
  });

  test('has limits, each with a default', async () => {
    const defaults = (await readFiles(soundFiles)).project.limits;
    expect(defaults).toEqual({
      bodyBytesMax: 1_048_576,
      bodyTimeoutMs: 10_000,
      rowsMax: 1000,
      timeoutMs: 1000,
      inFlightMax: 10_000,
      drainTimeoutMs: 10_000,
      memoryBytesMax: 268_435_456,
      wsSocketsMax: 1000,
      wsInFlightMax: 1000,
      wsBufferBytesMax: 4_194_304,
      wsIdleTimeoutMs: 60_000,
    });
    const limits = 'limits: { body_bytes_max: 512kb, timeout: 50ms, rows_max: 7 }';
    const { project, mistakes } = await readFiles({ 'millrace.yaml': `project: p\n${limits}\n` });
    expect(mistakes).toEqual([]);
    expect(project.limits).toEqual({ ...defaults, bodyBytesMax: 524_288, timeoutMs: 50, rowsMax: 7 });
  });

  test('says how rows are cached, and how Feast wrote them, each with a default', async () => {
    const defaults = (await readFiles(soundFiles)).project;
    expect(defaults.cache).toEqual({
      entriesMax: 500_000,
      ttlMs: 60_000,
      staleMsMax: 600_000,
      readTimeoutMs: 250,
    });
    const keyTypes = new Map<string, string>();
    const undeclared = { isDeclared: false, project: 'shop', entityKeyVersion: 3, keyTypes };
    expect(defaults.feast).toEqual(undeclared);
    const text = [
      'project: p',
      'entities: { driver: { keys: { driver_id: int64 } } }',
      'feature_views: { v: { entity: driver, on_unavailable: error, features: { x: float64 } } }',
      'cache: { entries_max: 0, ttl: 5s, stale_max: 1h, read_timeout: 20ms }',
      'feast: { project: rides, entity_key_version: 2, key_types: { driver_id: int32 } }',
    ].join('\n');
    const { project, mistakes } = await readFiles({ 'millrace.yaml': text });
    expect(mistakes).toEqual([]);
    expect(project.featureViews.get('v')?.onUnavailable).toBe('error');
    expect(project.cache).toEqual({ entriesMax: 0, ttlMs: 5000, staleMsMax: 3_600_000, readTimeoutMs: 20 });
    keyTypes.set('driver_id', 'int32');
    expect(project.feast).toEqual({ isDeclared: true, project: 'rides', entityKeyVersion: 2, keyTypes });
  });

  test('may consist of a name alone', async () => {
    const { project, mistakes } = await readFiles({ 'millrace.yml': 'project: p\n' });
    expect(mistakes).toEqual([]);
    expect(project.endpoints.size + project.models.size + project.entities.size).toBe(0);
  });

  test('is the same in YAML and in JSON', async () => {
    const json = {
      $schema: 'node_modules/millrace/schema/millrace.schema.json',
      project: 'shop',
      entities: { user: { keys: { id: 'int64' } } },
      feature_views: {
        activity: {
          entity: 'user',
          ttl: '30d',
          features: { clicks: 'int64', spend: { type: 'float64', default: 0 }, taste: 'float32[3]' },
        },
      },
      endpoints: {
        churn: {
          request: { user: 'int64', page: { type: 'string', optional: true } },
          unit: 'user',
          variants: { only: { model: 'churn@1' } },
        },
      },
    };
    const model = {
      entities: { user: { entity: 'user', keys: { id: 'request.user' } } },
      inputs: { features: ['user.activity.clicks', 'user.activity.spend'] },
      outputs: { risk: 'probabilities[1]' },
    };
    const fromJson = await readFiles({
      'millrace.json': JSON.stringify(json, null, '\t'),
      'churn/model.json': JSON.stringify(model),
      'churn/1/model.onnx': '',
    });
    const fromYaml = await readFiles(soundFiles);
    expect(fromJson.mistakes).toEqual([]);
    expect(withoutPlaces(fromJson.project)).toEqual(withoutPlaces(fromYaml.project));
  });
});

/** A project as JSON, without what depends on where and how it was written. */
function withoutPlaces(project: Project): unknown {
  const text = JSON.stringify(project, (key, value: unknown) => {
    if (['location', 'dir', 'onnxPath', 'file'].includes(key)) return undefined;
    return value instanceof Map ? [...value] : value;
  });
  return JSON.parse(text);
}

describe('a project folder without a project file', () => {
  test('has one mistake that says which file is expected where', async () => {
    expect(await mistakesIn({ 'readme.txt': '' })).toEqual([
      'millrace.yaml:1  the project file is missing: a project folder holds it, or millrace.yml or millrace.json',
    ]);
  });

  test('has one mistake when the folder does not exist, or is a file', async () => {
    const dir = await projectFolder({ file: '' });
    const missing = await readProject(join(dir, 'nowhere'));
    expect(missing.mistakes.map(({ message }) => message)).toEqual([
      `the project folder ${join(dir, 'nowhere')} does not exist`,
    ]);
    expect(missing.project.endpoints.size).toBe(0);
    const file = await readProject(join(dir, 'file'));
    expect(file.mistakes.map(({ message }) => message)).toEqual([
      expect.stringMatching(/cannot be read \(ENOTDIR\)/),
    ]);
    expect((await stat(join(dir, 'file'))).isFile()).toBe(true);
  });

  test('with two project files is refused', async () => {
    const found = await mistakesIn({
      ...soundFiles,
      'millrace.json': '{"project": "other"}',
      'churn/model.json': '{}',
    });
    expect(found).toEqual([
      'millrace.json:1  millrace.yaml is in the same folder: keep one of them',
      'churn/model.json:1  model.yaml is in the same folder: keep one of them',
    ]);
  });
});

describe('loadProject', () => {
  test('throws every mistake at once, one a line and one a detail', async () => {
    const dir = await projectFolder({ 'millrace.yaml': 'project: 5\nlimits: { rows_max: many }\n' });
    const error: unknown = await loadProject(dir).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(MillraceError);
    const { code, message, details } = error as MillraceError;
    const file = join(dir, 'millrace.yaml');
    expect(code).toBe('INVALID_PROJECT');
    expect(message.split('\n')).toEqual([
      'The project has 2 mistakes:',
      `  ${file}:1  project  must be a string, not 5`,
      `  ${file}:2  limits.rows_max  must be a number, not "many"`,
    ]);
    expect(details).toEqual([
      { path: `${file}:1 project`, message: 'must be a string, not 5' },
      { path: `${file}:2 limits.rows_max`, message: 'must be a number, not "many"' },
    ]);
  });
});

test('formatMistake shows place, path, sentence and suggestion, as far as there are any', () => {
  const place = { file: 'models/millrace.yaml', line: 12, message: 'is wrong' };
  expect(formatMistake({ ...place, path: '' })).toBe('models/millrace.yaml:12  is wrong');
  expect(formatMistake({ ...place, path: 'endpoints.a', suggestion: 'did you mean "b"?' })).toBe(
    'models/millrace.yaml:12  endpoints.a  is wrong (did you mean "b"?)',
  );
});

describe('incomplete', () => {
  const files = {
    ...soundFiles,
    'millrace.yaml': (soundFiles['millrace.yaml'] ?? '').replace('clicks: int64', 'clicks: int46'),
  };

  test('names the part with the mistake, which keeps what is sound', async () => {
    const { project, incomplete } = await readFiles(files);
    expect([...incomplete]).toEqual(['feature_views.activity']);
    expect(project.featureViews.get('activity')?.features.map(({ name }) => name)).toEqual([
      'spend',
      'taste',
    ]);
    expect(project.endpoints.has('churn')).toBe(true);
  });

  test('names what was left out because of another part', async () => {
    const text = (soundFiles['millrace.yaml'] ?? '').replace('id: int64', 'id: int46');
    const { project, mistakes, incomplete } = await readFiles({ ...soundFiles, 'millrace.yaml': text });
    expect(mistakes.map(({ path }) => path)).toEqual(['entities.user.keys.id']);
    expect([...incomplete].sort()).toEqual([
      'endpoints.churn',
      'entities.user',
      'feature_views.activity',
      'models.churn',
    ]);
    expect(project).toMatchObject({ entities: new Map(), featureViews: new Map(), models: new Map() });
    expect(project.endpoints.size).toBe(0);
  });

  test('covers every part of a section that is misspelt, and all of a file that cannot be parsed', async () => {
    const text = (soundFiles['millrace.yaml'] ?? '').replace('entities:', 'entites:');
    const misspelt = await readFiles({ ...soundFiles, 'millrace.yaml': text });
    expect(misspelt.mistakes.map(({ path }) => path)).toEqual(['entites']);
    expect(isIncomplete(misspelt.incomplete, 'entities.user')).toBe(true);
    expect(isIncomplete(misspelt.incomplete, 'limits')).toBe(false);
    const broken = await readFiles({ 'millrace.yaml': 'project: [' });
    expect(isIncomplete(broken.incomplete, 'feature_views.activity')).toBe(true);
  });
});
