/** What a server tells of itself and of its models, held to the published shapes. */
import { Ajv } from 'ajv';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import packageJson from '../../../package.json' with { type: 'json' };
import { schemas } from './schemas.ts';
import { answerOf, tensorServer } from './tensor-server.ts';
import type { Answer, TensorServer } from './tensor-server.ts';

let served: TensorServer;
beforeAll(async () => {
  served = await tensorServer();
});
afterAll(async () => served.close());

const ajv = new Ajv({ allowUnionTypes: true });

function expectShape(name: keyof typeof schemas, value: unknown): void {
  const validate = ajv.compile(schemas[name]);
  validate(value);
  expect(validate.errors).toBeNull();
}

async function post(path: string, body?: unknown): Promise<Answer> {
  const init = body === undefined ? {} : { body: JSON.stringify(body) };
  return answerOf(await fetch(served.server.url + path, { method: 'POST', ...init }));
}

describe('the answers', () => {
  const paths: [keyof typeof schemas, string, number][] = [
    ['live', '/v2/health/live', 200],
    ['ready', '/v2/health/ready', 200],
    ['server', '/v2', 200],
    ['server', '/v2/', 200],
    ['model', '/v2/models/every', 200],
    ['model', '/v2/models/float/versions/3', 200],
    ['modelReady', '/v2/models/float/ready', 200],
    ['modelReady', '/v2/models/float/versions/3/ready', 200],
    ['modelReady', '/v2/models/float/versions/1/ready', 503],
    ['modelReady', '/v2/models/broken/ready', 503],
    ['stats', '/v2/models/float/stats', 200],
    ['stats', '/v2/models/float/versions/3/stats', 200],
    ['stats', '/v2/models/stats', 200],
    ['error', '/v2/models/none', 404],
    ['error', '/v2/models/none/ready', 404],
    ['error', '/v2/models/float/versions/7', 404],
    ['error', '/v2/models/float/versions/v1/ready', 400],
    ['error', '/v2/models/broken', 503],
    ['error', '/v2/models/broken/config', 503],
    ['error', '/v2/nothing', 404],
  ];

  it.each(paths)('have the published shape: %s %s', async (name, path, status) => {
    const answer = await served.get(path);
    expect(answer.status).toBe(status);
    expect(answer.contentType).toBe('application/json');
    expectShape(name, answer.json);
  });

  it('of inferences have it, in JSON and with bytes behind it', async () => {
    const inputs = [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, null] }];
    for (const isBinary of [false, true]) {
      const parameters = { binary_data_output: isBinary, mark: 'a' };
      const { status, json } = await served.infer('float', { id: '7', parameters, inputs });
      expect(status).toBe(200);
      expectShape('infer', json);
    }
    const { status, json } = await served.infer('float', { inputs: [] });
    expect(status).toBe(400);
    expectShape('error', json);
  });
});

it('a server names itself, its version and what it can do beside the protocol', async () => {
  expect((await served.get('/v2')).json).toEqual({
    name: 'millrace',
    version: packageJson.version,
    extensions: ['binary_tensor_data', 'model_repository', 'model_configuration', 'statistics'],
  });
});

describe('a model', () => {
  it('is told with its tensors and the versions that answer', async () => {
    expect((await served.get('/v2/models/float')).json).toEqual({
      name: 'float',
      versions: ['3'],
      platform: 'onnx_onnxv1',
      inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 2] }],
    });
    const { json } = await served.get('/v2/models/every');
    const told = (json['inputs'] as { datatype: string }[]).map(({ datatype }) => datatype);
    const all = 'BOOL BYTES FP16 FP32 FP64 INT16 INT32 INT64 INT8 UINT16 UINT32 UINT64 UINT8';
    expect(told.toSorted()).toEqual(all.split(' '));
  });

  it('has a configuration in the words of Triton', async () => {
    expect((await served.get('/v2/models/text/config')).json).toMatchObject({
      name: 'text',
      platform: 'onnx_onnxv1',
      max_batch_size: 0,
      input: [{ name: 'x', data_type: 'TYPE_STRING', dims: [-1] }],
      output: [{ name: 'y', data_type: 'TYPE_STRING', dims: [-1] }],
      parameters: { rows_max: { string_value: '256' }, is_described: { string_value: 'false' } },
    });
  });

  it('counts its inferences and runs', async () => {
    interface Stats {
      inference_count: number;
      execution_count: number;
      last_inference: number;
      inference_stats: Record<string, { count: number; ns: number }>;
    }
    const stats = async (): Promise<Stats> => {
      const { json } = await served.get('/v2/models/big/stats');
      return (json['model_stats'] as Stats[])[0] as Stats;
    };
    const before = await stats();
    await served.infer('big', { inputs: [{ name: 'x', datatype: 'INT64', shape: [3], data: [1, 2, 3] }] });
    await served.infer('big', { inputs: [{ name: 'x', datatype: 'INT64', shape: [3, 1], data: [1, 2, 3] }] });
    const after = await stats();
    expect(after.inference_count - before.inference_count).toBe(3);
    expect(after.execution_count - before.execution_count).toBe(1);
    expect(after.inference_stats['success']?.count).toBe((before.inference_stats['success']?.count ?? 0) + 1);
    expect(after.inference_stats['success']?.ns).toBeGreaterThan(0);
    expect(after.inference_stats['fail']?.count).toBe((before.inference_stats['fail']?.count ?? 0) + 1);
    expect(after.last_inference).toBeGreaterThan(0);
    // What perf_analyzer divides by.
    for (const part of ['queue', 'compute_input', 'compute_infer', 'compute_output'])
      expect(after.inference_stats[part]?.count).toBe(after.execution_count);
    expect(after.inference_stats['queue']?.ns).toBeGreaterThan(0);
  });

  it('is told of with all others, where none is named', async () => {
    const { json } = await served.get('/v2/models/stats');
    const told = (json['model_stats'] as { name: string; version: string }[]).map(
      ({ name, version }) => `${name}@${version}`,
    );
    expect(told).toEqual(expect.arrayContaining(['every@1', 'float@3', 'slow@1']));
    expect(told).not.toContain('broken@1');
  });
});

describe('the index of the repository', () => {
  it('has every version with its state, and the reason where it does not answer', async () => {
    const { status, bytes } = await post('/v2/repository/index');
    expect(status).toBe(200);
    const entries = JSON.parse(bytes.toString()) as {
      name: string;
      version: string;
      state: string;
      reason: string;
    }[];
    expectShape('index', entries);
    expect(entries.filter(({ name }) => ['float', 'broken'].includes(name))).toEqual([
      { name: 'float', version: '1', state: 'UNAVAILABLE', reason: expect.stringContaining('is not loaded') },
      { name: 'float', version: '3', state: 'READY', reason: '' },
      {
        name: 'broken',
        version: '1',
        state: 'UNAVAILABLE',
        reason: expect.stringContaining('not a whole ONNX model'),
      },
    ]);
  });

  it('leaves out what does not answer, if asked to', async () => {
    const { bytes } = await post('/v2/repository/index', { ready: true });
    const entries = JSON.parse(bytes.toString()) as { name: string; state: string }[];
    expect(new Set(entries.map(({ state }) => state))).toEqual(new Set(['READY']));
    expect(entries.map(({ name }) => name)).not.toContain('broken');
  });

  it('tells of a model that was unloaded, which then is not there, and of its return', async () => {
    await post('/v2/repository/models/text/unload');
    const { bytes } = await post('/v2/repository/index');
    const entries = JSON.parse(bytes.toString()) as { name: string }[];
    expect(entries.filter(({ name }) => name === 'text')).toEqual([
      { name: 'text', version: '', state: 'UNAVAILABLE', reason: 'unloaded' },
    ]);
    expect((await served.get('/v2/models/text/ready')).status).toBe(404);
    await post('/v2/repository/models/text/load');
    expect((await served.get('/v2/models/text/ready')).json).toEqual({ name: 'text', ready: true });
  });
});

it('calls with another method are told which there is', async () => {
  const response = await fetch(`${served.server.url}/v2/models/float`, { method: 'DELETE' });
  expect(response.status).toBe(405);
  expect(response.headers.get('allow')).toBe('GET');
});
