/** Golden cases: the exact lines that a user reads for many mistakes at once. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readProject } from '../../src/project/read-project.ts';
import { mistakesIn, projectFolder, soundFiles } from './project-folder.ts';

const soundProject = soundFiles['millrace.yaml'] ?? '';
const soundModel = soundFiles['churn/model.yaml'] ?? '';

async function projectMistakes(text: string): Promise<string[]> {
  return mistakesIn({ ...soundFiles, 'millrace.yaml': text });
}

async function modelMistakes(text: string): Promise<string[]> {
  return mistakesIn({ ...soundFiles, 'churn/model.yaml': text });
}

const projectWithManyMistakes = `project: my shop
entities:
  user: { keys: { id: strng } }
  shop: { keys: { id: string } }
  none: { keys: [] }
  2nd: { keys: { id: string } }
feature_views:
  a:
    entity: shp
    features: { x: int64 }
  b:
    entity: shop
    ttl: 5 days
    tll: 3d
    features:
      id: string
      x: { type: int64, default: 1.5 }
      y: 5
      z: { typ: string }
      x-y: string
      event_timestamp: int64
      day: { type: timestamp, default: 2001-02-30 }
      v: float32[0]
      w: int64
      w: string
  c:
  d: { features: {}, entity: shop }
  e: { features: [x], timestamp_field: id, entity: shop }
endpoints:
  e1:
    request: { shop: int64, v: 'float32[4]', bad: { type: strin } }
    unit: shp
    variants: { a: { model: churn@3 } }
  e2:
    request: { v: 'float32[4]' }
    unit: v
    variants: { a: { model: spare@1 }, b: { model: chrn@1, wait: 1 } }
  e3:
    request: { shp: string }
    unit: bad
    variants: { a: { model: churn }, b: 5 }
  e4: { request: [a], variants: {} }
limits:
  rows_max: 0
  timeout: 10
  body_bytes_max: 5tb
  in_flight_max: 1.5
  body_timeout: 2d
  drain: 5s
`;

test('a project file with many mistakes has each of them, in order', async () => {
  const files = {
    'millrace.yaml': projectWithManyMistakes,
    'churn/model.yaml': 'inputs: { x: "1" }\n',
    'churn/1/model.onnx': '',
    'churn/2/model.onnx': '',
    'spare/model.yaml': 'inputs: { x: "1" }\n',
    'spare/1/model.onnx': '',
  };
  const name = 'use letters, digits, "_", "-" and ".", and start with a letter';
  const identifier = 'is not a valid name: use letters, digits and "_", and start with a letter or "_"';
  const types = 'types are float32, float64, int64, string, bool, timestamp and vectors such as float32[64]';
  const limits =
    'body_bytes_max, body_timeout, rows_max, timeout, in_flight_max, drain_timeout, memory_bytes_max, ws_sockets_max, ws_in_flight_max, ws_buffer_bytes_max, ws_idle_timeout';
  expect(await mistakesIn(files)).toEqual([
    `millrace.yaml:1  project  is not a valid name: ${name}`,
    'millrace.yaml:3  entities.user.keys.id  must be string or int64: join keys have no other type',
    'millrace.yaml:5  entities.none.keys  must be a mapping, not a list',
    `millrace.yaml:6  entities.2nd  ${identifier}`,
    'millrace.yaml:9  feature_views.a.entity  there is no entity "shp" (did you mean "shop"?)',
    'millrace.yaml:13  feature_views.b.ttl  "5 days" is not a duration; write it like 500ms, 30s, 5m, 1h or 30d',
    'millrace.yaml:14  feature_views.b.tll  is not a known key (did you mean "ttl"?)',
    'millrace.yaml:16  feature_views.b.features.id  has the name of a join key of shop, and one column cannot be both',
    'millrace.yaml:17  feature_views.b.features.x.default  must be an integer, not 1.5',
    'millrace.yaml:18  feature_views.b.features.y  must be a string or a mapping, not 5',
    'millrace.yaml:19  feature_views.b.features.z.typ  is not a known key (did you mean "type"?)',
    `millrace.yaml:20  feature_views.b.features.x-y  ${identifier}`,
    'millrace.yaml:21  feature_views.b.features.event_timestamp  has the name of the timestamp field, and one column cannot be both',
    'millrace.yaml:22  feature_views.b.features.day.default  must be ISO 8601, such as 2001-03-09T14:05:00Z, or milliseconds since 1970',
    'millrace.yaml:23  feature_views.b.features.v  a vector has 1 to 65536 elements, not 0',
    'millrace.yaml:25  feature_views.b.features.w  is given twice',
    'millrace.yaml:26  feature_views.c  is empty: give it a value, or remove it',
    'millrace.yaml:27  feature_views.d.features  needs at least one feature',
    'millrace.yaml:28  feature_views.e.features  must be a mapping, not a list',
    `millrace.yaml:31  endpoints.e1.request.bad.type  "strin" is not a type; ${types}`,
    'millrace.yaml:32  endpoints.e1.unit  names "shp", which is not a request field (did you mean "shop"?)',
    'millrace.yaml:33  endpoints.e1.variants.a.model  the model churn has no version 3 (versions are 1, 2)',
    'millrace.yaml:36  endpoints.e2.unit  names v, a vector; a unit is one value',
    'millrace.yaml:37  endpoints.e2.variants.b.wait  is not a known key (keys here are model)',
    'millrace.yaml:37  endpoints.e2.variants.b.model  there is no model "chrn" in the project folder (did you mean "churn"?)',
    'millrace.yaml:40  endpoints.e3.unit  names "bad", which is not a request field (request fields are shp)',
    'millrace.yaml:41  endpoints.e3.variants.b  must be a mapping, not 5',
    'millrace.yaml:41  endpoints.e3.variants.a.model  "churn" does not name a model version; write it like flight-delay@1 or flight-delay@latest',
    'millrace.yaml:42  endpoints.e4.request  must be a mapping, not a list',
    'millrace.yaml:42  endpoints.e4.variants  needs at least one variant',
    'millrace.yaml:44  limits.rows_max  must be at least 1',
    'millrace.yaml:45  limits.timeout  must be a string, not 10 (write it like 30s)',
    'millrace.yaml:46  limits.body_bytes_max  "5tb" is not a size; write a number of bytes, or 512kb, 1mb',
    'millrace.yaml:47  limits.in_flight_max  must be an integer, not 1.5',
    'millrace.yaml:48  limits.body_timeout  must be at most 1d',
    `millrace.yaml:49  limits.drain  is not a known key (keys here are ${limits})`,
  ]);
});

test('a model file with many mistakes has each of them, in order', async () => {
  const text = `entities:
  user: { entity: user, keys: { id: request.user } }
  request: { entity: user, keys: { id: request.user } }
  as_of: { entity: user, keys: { id: request.user } }
  u1: { entity: usr, keys: { id: request.user } }
  u2: { entity: user, keys: { id: user } }
  u3: { entity: user, keys: { ix: request.user } }
  u4: { entity: user, keys: {} }
inputs:
  features:
    - a ? b : c
    - 5
    - !user.activity.clicks
    -
  empty: []
  text: ''
outputs: { p: '[3]', q: 'a[1]', 1st: a }
batching: { rows_max: 0, delay_ms: 4, delay_ms_max: -1 }
warmup: maybe
execution: gpu
workers: 0
streaming: {}
`;
  expect(await modelMistakes(text)).toEqual([
    'churn/model.yaml:3  entities.request  is taken: expressions use this name for something else',
    'churn/model.yaml:4  entities.as_of  is taken: expressions use this name for something else',
    'churn/model.yaml:5  entities.u1.entity  there is no entity "usr" (did you mean "user"?)',
    'churn/model.yaml:6  entities.u2.keys.id  "user" does not name a request field; write it like request.user_id',
    'churn/model.yaml:7  entities.u3.keys.ix  is not a join key of the entity user (did you mean "id"?)',
    'churn/model.yaml:8  entities.u4.keys  lacks the join key id of the entity user',
    'churn/model.yaml:11  inputs.features[0]  must be a string, not a mapping (text that holds ": " or starts with "{" needs quotes)',
    'churn/model.yaml:12  inputs.features[1]  must be a string, not 5',
    'churn/model.yaml:13  inputs.features[2]  the tag !user.activity.clicks is not supported (text that starts with "!" needs quotes)',
    'churn/model.yaml:14  inputs.features[3]  is empty: give it a value, or remove it',
    'churn/model.yaml:15  inputs.empty  needs at least one expression',
    'churn/model.yaml:16  inputs.text  must be an expression, not an empty string',
    'churn/model.yaml:17  outputs.p  must name an output of the model, like probabilities or probabilities[1]',
    'churn/model.yaml:17  outputs.1st  is not a valid name: use letters, digits, "_", "-" and ".", and start with a letter',
    'churn/model.yaml:18  batching.rows_max  must be at least 1',
    'churn/model.yaml:18  batching.delay_ms_max  must be at least 0',
    'churn/model.yaml:18  batching.delay_ms  is not a known key (keys here are rows_max, delay_ms_max)',
    'churn/model.yaml:19  warmup  must be true or false, not "maybe"',
    'churn/model.yaml:20  execution  must be auto, inline or worker',
    'churn/model.yaml:21  workers  must be at least 1',
    'churn/model.yaml:22  streaming  is not a known key (keys here are entities, inputs, outputs, batching, execution, workers, queue_rows_max, timeout_ms, warmup, $schema)',
  ]);
});

describe('a binding', () => {
  test('gives every join key of its entity', async () => {
    const project = soundProject.replace('{ id: int64 }', '{ id: int64, shop: string }');
    expect(await projectMistakes(project)).toEqual([
      'churn/model.yaml:2  entities.user.keys  lacks the join key shop of the entity user',
    ]);
  });

  test('takes fields that each endpoint of the model has, in the type of the join key', async () => {
    const others = `  other:
    request: { usr: int64 }
    variants: { only: { model: churn@1 } }
  third:
    request: { user: string }
    variants: { only: { model: churn@1 } }
  fourth:
    request: { user: 'int64[2]' }
    variants: { only: { model: churn@1 } }
`;
    const found = await mistakesIn({ ...soundFiles, 'millrace.yaml': soundProject + others });
    const place = 'churn/model.yaml:2  entities.user.keys.id  takes request.user';
    const type = 'the join key id is int64, and the field is';
    expect(found).toEqual([
      `${place}, which the endpoint other (millrace.yaml:20) of churn@1 does not have (did you mean "usr"?)`,
      `${place} of the endpoint third (millrace.yaml:23): ${type} string`,
      `${place} of the endpoint fourth (millrace.yaml:26): ${type} int64[2]`,
    ]);
  });

  test('has its mistake once, however many versions share it', async () => {
    const model = soundModel.replace('entity: user', 'entity: usr');
    const files = {
      ...soundFiles,
      'churn/2/model.onnx': '',
      'churn/3/model.onnx': '',
      'churn/model.yaml': model,
    };
    expect(await mistakesIn(files)).toEqual([
      'churn/model.yaml:2  entities.user.entity  there is no entity "usr" (did you mean "user"?)',
    ]);
  });
});

describe('one mistake', () => {
  test.each<[string, string, string]>([
    ['an entity', 'id: int64', 'id: int46'],
    ['a feature', 'clicks: int64', 'clicks: int46'],
    ['a request field that is the unit and a key', 'user: int64', 'user: int46'],
    ['a request', 'request:', 'requests:'],
    ['a section', 'feature_views:', 'feature_view:'],
    ['a variant', 'churn@1', 'churn'],
  ])('in %s has no others in its wake', async (_, right, wrong) => {
    const found = await projectMistakes(soundProject.replace(right, wrong));
    const causes = found.filter((line) => !line.endsWith('  is missing'));
    expect(causes).toHaveLength(1);
    expect(found.length - causes.length).toBeLessThanOrEqual(right === 'request:' ? 1 : 0);
  });

  test('is found in a model while the project file has another', async () => {
    const found = await mistakesIn({
      ...soundFiles,
      'millrace.yaml': soundProject.replace('project: shop\n', ''),
      'churn/model.yaml': soundModel.replace('outputs:', 'output:'),
    });
    expect(found).toEqual([
      'millrace.yaml:1  project  is missing',
      'churn/model.yaml:7  output  is not a known key (did you mean "outputs"?)',
    ]);
  });

  test('in a description that is overridden does not hide the version that overrides it', async () => {
    const found = await mistakesIn({
      ...soundFiles,
      'churn/model.yaml': 'inputs: 5\n',
      'churn/1/model.yaml': soundModel.replace('request.user', 'request.usr'),
    });
    expect(found).toEqual([
      'churn/model.yaml:1  inputs  must be a mapping, not 5',
      expect.stringMatching(
        /^churn\/1\/model\.yaml:2 {2}entities\.user\.keys\.id {2}takes request\.usr, which/,
      ),
    ]);
  });

  test('of many lines is reported where it stands, in JSON too', async () => {
    const json = '{\n  "project": "p",\n  "limits": {\n    "rows_max": 5,\n    "rows": 5\n  }\n}\n';
    expect(await mistakesIn({ 'millrace.json': json })).toEqual([
      expect.stringMatching(/^millrace\.json:5 {2}limits\.rows {2}is not a known key/),
    ]);
  });
});

test('names with dots are shown so that the path stays readable', async () => {
  const found = await projectMistakes(`${soundProject}  v1.5: { request: {}, variants: { a.b: 5 } }\n`);
  expect(found).toEqual(['millrace.yaml:20  endpoints["v1.5"].variants["a.b"]  must be a mapping, not 5']);
});

test('no message speaks the language of the schema library', async () => {
  const values = ['5', '[]', '{}', '~', 'text', 'true', '[1, {a: 2}]', '{ a: [1], b: { c: 2 } }'];
  const paths = ['project: V', 'entities: V', 'entities: { a: V }', 'entities: { a: { keys: V } }'].concat(
    ['feature_views: V', 'feature_views: { a: V }', 'feature_views: { a: { entity: u, features: V } }'],
    ['feature_views: { a: { entity: u, features: { x: V } } }', 'feature_views: { a: { ttl: V } }'],
    ['endpoints: V', 'endpoints: { a: { request: V, unit: V, variants: V } }', 'limits: V'],
    [
      'endpoints: { a: { request: { x: { type: V, optional: V } }, variants: { a: { model: V, weight: V } } } }',
    ],
    ['limits: { body_bytes_max: V, timeout: V, rows_max: V }', 'V: V'],
    [
      'feature_views: { a: { on_unavailable: V } }',
      'cache: V',
      'cache: { entries_max: V, ttl: V, stale_max: V }',
    ],
    [
      'feast: V',
      'feast: { project: V, entity_key_version: V, key_types: V }',
      'feast: { key_types: { x: V } }',
    ],
  );
  for (const path of paths) {
    for (const value of values) {
      const lines = await mistakesIn({ 'millrace.yaml': `${path.replaceAll('V', value)}\n` });
      for (const line of lines)
        expect(line).not.toMatch(/Invalid|expected|received|undefined|\[object|Unrecognized|zod/i);
    }
  }
});

test('a project that was edited at random is read without an exception, and no mistake lacks a place', async () => {
  const fragments = [
    '[',
    '{',
    '}',
    ']',
    ': ',
    '- ',
    '\n',
    '  ',
    '"',
    "'",
    '!',
    '*a ',
    '&a ',
    '#',
    '|\n',
    '~',
    '? ',
    '5',
    ',',
  ];
  const edit = fc.record({
    at: fc.nat({ max: 400 }),
    deleted: fc.nat({ max: 12 }),
    inserted: fc.oneof(fc.constantFrom(...fragments), fc.string({ maxLength: 4 })),
  });
  const dir = await projectFolder(soundFiles);
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('millrace.yaml', 'churn/model.yaml'),
      fc.array(edit),
      async (file, edits) => {
        let text = soundFiles[file] ?? '';
        for (const { at, deleted, inserted } of edits)
          text = text.slice(0, at) + inserted + text.slice(at + deleted);
        await writeFile(join(dir, 'millrace.yaml'), soundProject);
        await writeFile(join(dir, 'churn/model.yaml'), soundModel);
        await writeFile(join(dir, file), text);
        for (const mistake of (await readProject(dir)).mistakes) {
          expect(mistake.line).toBeGreaterThanOrEqual(1);
          expect(mistake.file.startsWith(dir)).toBe(true);
          expect(mistake.message).not.toMatch(/Invalid input|undefined|\[object/);
        }
      },
    ),
    { numRuns: 400 },
  );
});
