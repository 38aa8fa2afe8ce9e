/** Inferences in JSON, over a real connection. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readableLog } from '../../access/scratch.ts';
import { tensorServer } from './tensor-server.ts';
import type { Answer, TensorServer } from './tensor-server.ts';

let served: TensorServer;
beforeAll(async () => {
  served = await tensorServer();
});
afterAll(async () => served.close());

const float = (data: unknown, shape: unknown = [1, 2]): object => ({
  inputs: [{ name: 'x', datatype: 'FP32', shape, data }],
});

/** Per datatype: values that go in, and how they come out where that differs. */
const values: Readonly<Record<string, { in: readonly unknown[]; out?: readonly unknown[] }>> = {
  float32: { in: [0.5, -3.4028234663852886e38] },
  float64: { in: [5e-324, 1.7976931348623157e308] },
  float16: { in: [65504, 0.1], out: [65504, 0.0999755859375] },
  int8: { in: [-128, 127] },
  int16: { in: [-32768, 32767] },
  int32: { in: [-2147483648, 2147483647] },
  int64: { in: [-1, 9007199254740991] },
  uint8: { in: [0, 255] },
  uint16: { in: [0, 65535] },
  uint32: { in: [0, 4294967295] },
  uint64: { in: [0, 9007199254740991] },
  bool: { in: [true, false] },
  string: { in: ['', 'ä😀"\\\n'] },
};
const datatypes: Readonly<Record<string, string>> = {
  float32: 'FP32',
  float64: 'FP64',
  float16: 'FP16',
  int8: 'INT8',
  int16: 'INT16',
  int32: 'INT32',
  int64: 'INT64',
  uint8: 'UINT8',
  uint16: 'UINT16',
  uint32: 'UINT32',
  uint64: 'UINT64',
  bool: 'BOOL',
  string: 'BYTES',
};

describe('an inference in JSON', () => {
  it('takes and gives every datatype, flat or nested', async () => {
    for (const nest of [(data: unknown): unknown => data, (data: unknown): unknown => [data]]) {
      const inputs = Object.entries(values).map(([name, { in: data }]) => ({
        name,
        datatype: datatypes[name],
        shape: [1, 2],
        data: nest(data),
      }));
      const { status, json } = await served.infer('every', { inputs });
      expect(json['error']).toBeUndefined();
      expect(status).toBe(200);
      const expected = Object.entries(values).map(([name, { in: data, out = data }]) => ({
        name: `y_${name}`,
        datatype: datatypes[name],
        shape: [1, 2],
        data: out,
      }));
      expect(json).toEqual({ model_name: 'every', model_version: '1', outputs: expected });
    }
  });

  it('keeps all digits of 64-bit integers', async () => {
    const data = '[9223372036854775807,-9223372036854775808, 9007199254740993]';
    const body = `{"inputs":[{"name":"x","datatype":"INT64","shape":[3],"data":${data}}]}`;
    const { bytes } = await served.infer('big', body);
    expect(bytes.toString()).toContain(`"data":${data.replace(' ', '')}`);
  });

  it('answers null for what JSON has no number for, and takes null as NaN', async () => {
    const { bytes, json } = await served.infer('float', float([null, 1]));
    expect(json['outputs']).toMatchObject([{ data: [null, 1] }]);
    expect(bytes.toString()).not.toContain('NaN');
  });

  it('gives the id and the parameters back, and names the version', async () => {
    const { json } = await served.infer('float/versions/3', {
      id: 'a/1',
      parameters: { mark: 'mine', count: 3, timeout: 5_000_000, priority: 1, binary_data_output: false },
      ...float([1, 2]),
      outputs: [{ name: 'y', parameters: { note: 'kept' } }],
    });
    expect(json).toEqual({
      model_name: 'float',
      model_version: '3',
      id: 'a/1',
      parameters: { mark: 'mine', count: 3 },
      outputs: [{ name: 'y', datatype: 'FP32', shape: [1, 2], parameters: { note: 'kept' }, data: [1, 2] }],
    });
  });

  it('gives only the outputs that are asked for', async () => {
    const inputs = Object.entries(values).map(([name, { in: data }]) => ({
      name,
      datatype: datatypes[name],
      shape: [1, 2],
      data,
    }));
    const outputs = [{ name: 'y_string' }, { name: 'y_int8' }];
    const { json } = await served.infer('every', { inputs, outputs });
    expect((json['outputs'] as { name: string }[]).map(({ name }) => name)).toEqual(['y_string', 'y_int8']);
    const all = await served.infer('every', { inputs, outputs: [] });
    expect(all.json['outputs']).toHaveLength(inputs.length);
  });

  it('takes null for what is not said, and no classes for the tensor itself', async () => {
    const input = { name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] };
    const output = { name: 'y', datatype: 'FP32', shape: [1, 2], data: [1, 2] };
    const nothing = { id: null, parameters: null, outputs: null };
    const { json } = await served.infer('float', { ...nothing, inputs: [{ ...input, parameters: null }] });
    expect(json).toEqual({ model_name: 'float', model_version: '3', outputs: [output] });
    const outputs = [{ name: 'y', parameters: { classification: 0 } }];
    expect((await served.infer('float', { inputs: [input], outputs })).json['outputs']).toEqual([output]);
  });

  it('asks the newest version that answers, or the one in the path', async () => {
    expect((await served.infer('float', float([1, 2]))).json['model_version']).toBe('3');
    const { status, json } = await served.infer('float/versions/1', float([1, 2]));
    expect(status).toBe(503);
    expect(json).toMatchObject({
      code: 'MODEL_UNAVAILABLE',
      error: expect.stringContaining('is not loaded'),
    });
    expect(json).not.toHaveProperty('retry_after_ms');
    const answer = await fetch(`${served.server.url}/v2/models/float/versions/1`);
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, null]);
  });

  it('does not fill the log when a model that is not there is asked for', async () => {
    const { log, lines } = readableLog();
    const own = await tensorServer({ log });
    const before = lines.length;
    expect((await own.infer('broken', float([1, 2]))).status).toBe(503);
    expect((await own.get('/v2/models/float/versions/1')).status).toBe(503);
    const logged = lines.slice(before);
    await own.close();
    expect(logged).toEqual([]);
  });

  it('answers each of many callers with its own rows', async () => {
    const answers = await Promise.all(
      Array.from({ length: 200 }, async (_, n) => {
        const rows = 1 + (n % 5);
        const data = Array.from({ length: 2 * rows }, (__, i) => n * 100 + i);
        const { json } = await served.infer('float', { id: String(n), ...float(data, [rows, 2]) });
        return { n, data, json };
      }),
    );
    for (const { n, data, json } of answers)
      expect(json).toMatchObject({ id: String(n), outputs: [{ data }] });
  });
});

describe('what is wrong with an inference', () => {
  const input = { name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] };
  const wrong: [string, unknown, string, string][] = [
    ['no object', [1], 'body', 'must be an object'],
    ['no inputs', {}, 'inputs', 'is missing'],
    ['an unknown field', { inputs: [input], ouputs: [] }, 'body', 'did you mean "outputs"?'],
    ['an id that is no string', { id: 5, inputs: [input] }, 'id', 'must be a string'],
    [
      'an unknown datatype',
      { inputs: [{ ...input, datatype: 'BF16' }] },
      'inputs[0].datatype',
      'is "BF16"; BOOL',
    ],
    ['a shape that is none', { inputs: [{ ...input, shape: [1.5, 2] }] }, 'inputs[0].shape', 'whole numbers'],
    ['no data', { inputs: [{ ...input, data: undefined }] }, 'inputs[0].data', 'is missing'],
    [
      'too few elements',
      { inputs: [{ ...input, data: [1] }] },
      'inputs[0].data',
      'has 1 elements, and the shape [1, 2] has 2',
    ],
    [
      'ragged rows',
      { inputs: [{ ...input, shape: [2, 2], data: [[1, 2], [3]] }] },
      'inputs[0].data[1]',
      'has 1 elements',
    ],
    [
      'a row that is none',
      { inputs: [{ ...input, shape: [2, 2], data: [[1, 2], 3] }] },
      'inputs[0].data[1]',
      'must be an array',
    ],
    ['deeper data', { inputs: [{ ...input, data: [[[1], 2]] }] }, 'inputs[0].data[0][0]', 'is nested deeper'],
    [
      'text for a number',
      { inputs: [{ ...input, data: ['1', 2] }] },
      'inputs[0].data[0]',
      'is "1", which is no FP32',
    ],
    [
      'a float too large',
      { inputs: [{ ...input, data: [1, 3.5e38] }] },
      'inputs[0].data[1]',
      'which is no FP32',
    ],
    [
      'another datatype',
      { inputs: [{ ...input, datatype: 'INT8' }] },
      'inputs[0].datatype',
      'is INT8, and the model takes FP32',
    ],
    ['another rank', { inputs: [{ ...input, shape: [2] }] }, 'inputs[0].shape', 'is [2]'],
    ['an unknown output', { inputs: [input], outputs: [{ name: 'z' }] }, 'outputs[0].name', 'names "z"'],
    [
      'a classification',
      { inputs: [input], outputs: [{ name: 'y', parameters: { classification: 1 } }] },
      'outputs[0].parameters.classification',
      'ask for the tensor',
    ],
    [
      'a timeout that is none',
      { parameters: { timeout: -1 }, inputs: [input] },
      'parameters.timeout',
      'microseconds',
    ],
  ];

  it.each(wrong)('is named with its place: %s', async (_, body, path, message) => {
    const { status, json } = await served.infer('float', body);
    expect(status).toBe(400);
    expect(json).toMatchObject({ code: 'INVALID_REQUEST', error: expect.stringContaining(path) });
    expect((json['details'] as object[])[0]).toEqual({ path, message: expect.stringContaining(message) });
  });

  it.each([
    ['int8', 128],
    ['int8', -129],
    ['int16', 1.5],
    ['int32', 2147483648],
    ['uint8', -1],
    ['uint16', 65536],
    ['uint32', 4294967296],
    ['uint64', -1],
    ['bool', 2],
    ['bool', 'true'],
    ['float16', 65520],
    ['string', 1],
  ])('is a value outside of its datatype: %s %s', async (name, value) => {
    const inputs = [{ name, datatype: datatypes[name], shape: [1, 2], data: [value, value] }];
    const { json } = await served.infer('every', { inputs });
    expect((json['details'] as { path: string }[])[0]).toMatchObject({ path: 'inputs[0].data[0]' });
  });

  it.each([
    ['9223372036854775808', 'INT64'],
    ['-9223372036854775809', 'INT64'],
  ])('is an integer of more than 64 bits: %s', async (digits, datatype) => {
    const body = `{"inputs":[{"name":"x","datatype":"${datatype}","shape":[1],"data":[${digits}]}]}`;
    const { status, json } = await served.infer('big', body);
    expect(status).toBe(400);
    expect(json['error']).toContain(`is ${digits}, which is no INT64`);
  });

  const failing: [string, () => Promise<Answer>, number, string][] = [
    ['no JSON', async () => served.infer('float', '{'), 400, 'MALFORMED_JSON'],
    ['no body', async () => served.infer('float', ''), 400, 'EMPTY_BODY'],
    ['an unknown model', async () => served.infer('flot', float([1, 2])), 404, 'UNKNOWN_MODEL'],
    ['an unknown version', async () => served.infer('float/versions/2', float([1, 2])), 404, 'UNKNOWN_MODEL'],
    [
      'a version that is no number',
      async () => served.infer('float/versions/new', float([1, 2])),
      400,
      'INVALID_REQUEST',
    ],
    [
      'a model that could not be loaded',
      async () => served.infer('broken', float([1, 2])),
      503,
      'MODEL_UNAVAILABLE',
    ],
    [
      'text with half a character',
      async () =>
        served.infer('text', '{"inputs":[{"name":"x","datatype":"BYTES","shape":[1],"data":["\\ud800"]}]}'),
      400,
      'INVALID_REQUEST',
    ],
    [
      'a lack of time',
      async () => served.infer('slow', { parameters: { timeout: 1 }, ...float([1], [1, 1]) }),
      504,
      'DEADLINE_EXCEEDED',
    ],
  ];
  it.each(failing)('has its status, and an error that is a string: %s', async (_, call, status, code) => {
    const answer = await call();
    expect(answer.status).toBe(status);
    expect(answer.json).toMatchObject({ error: expect.any(String), code });
  });

  it('is a value that the model rejects', async () => {
    const { status, json } = await served.infer('rejects', {
      inputs: [
        { name: 'index', datatype: 'INT64', shape: [1], data: [99] },
        { name: 'tag', datatype: 'FP64', shape: [1, 2], data: [0, 0] },
      ],
    });
    expect(json['code']).toBe('MODEL_FAILED');
    expect(status).toBe(422);
  });

  const flood = 100_000;
  const floods: [string, () => object, string][] = [
    ['inputs', () => ({ inputs: new Array(flood).fill(0) }), 'inputs has 100000 tensors'],
    [
      'outputs',
      () => ({ ...float([1, 2]), outputs: new Array(flood).fill(0) }),
      'outputs has 100000 tensors',
    ],
    [
      'fields',
      () => Object.fromEntries(Array.from({ length: flood / 2 }, (_, i) => [`f${i}`, 0])),
      'has a field "f0"',
    ],
    [
      'inputs, and just few enough to be read',
      () => ({
        inputs: new Array(21).fill({
          name: 'z'.repeat(10_000),
          datatype: 'FP32',
          shape: [1, 2],
          data: [1, 2],
        }),
      }),
      'which is no input',
    ],
    [
      'outputs, and just few enough to be read',
      () => ({ ...float([1, 2]), outputs: new Array(21).fill({ name: 'z'.repeat(10_000) }) }),
      'which is no output',
    ],
    [
      'dimensions',
      () => ({ inputs: [{ name: 'x', datatype: 'FP32', shape: new Array(flood).fill(1), data: [1, 2] }] }),
      'elements, and the shape',
    ],
  ];
  it.each(floods)('is answered in short, where it is too many %s', async (_, make, sentence) => {
    const { status, bytes, json } = await served.infer('float', make());
    expect(status).toBe(400);
    expect(json['error']).toContain(sentence);
    expect(bytes.length).toBeLessThan(20_000);
  });

  it('is a compressed body', async () => {
    const response = await fetch(`${served.server.url}/v2/models/float/infer`, {
      method: 'POST',
      headers: { 'content-encoding': 'gzip' },
      body: 'x',
    });
    expect(response.status).toBe(415);
  });
});
