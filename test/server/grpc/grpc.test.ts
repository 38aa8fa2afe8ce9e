/** The Open Inference Protocol over gRPC, with a real client over a real connection. */
import { status } from '@grpc/grpc-js';
import type { ServiceError } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import packageJson from '../../../package.json' with { type: 'json' };
import { tensorServer } from '../open-inference/tensor-server.ts';
import type { TensorServer } from '../open-inference/tensor-server.ts';
import { protocolClient } from './protocol.ts';
import type { ProtocolClient } from './protocol.ts';

let served: TensorServer;
let client: ProtocolClient;
beforeAll(async () => {
  served = await tensorServer({ grpc: { port: 0 } });
  client = protocolClient(served.dir, served.server.grpcPort ?? 0);
});
afterAll(async () => {
  client.close();
  await served.close();
});

interface Tensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly string[];
  readonly contents?: Readonly<Record<string, unknown>>;
}

interface Inferred {
  readonly model_name: string;
  readonly model_version: string;
  readonly id: string;
  readonly parameters: object;
  readonly outputs: readonly Tensor[];
  readonly raw_output_contents?: readonly Buffer[];
}

async function infer(model: string, request: object): Promise<Inferred> {
  return client.call<Inferred>('ModelInfer', { model_name: model, ...request });
}

async function failureOf(promise: Promise<unknown>): Promise<ServiceError> {
  return promise.then(
    () => Promise.reject(new Error('it was answered')),
    (error: unknown) => error as ServiceError,
  );
}

/** Per datatype: the field, and the values of it. FP16 has none. */
const typed: [name: string, datatype: string, field: string, values: readonly unknown[]][] = [
  ['float32', 'FP32', 'fp32_contents', [0.5, Number.NEGATIVE_INFINITY]],
  ['float64', 'FP64', 'fp64_contents', [5e-324, Number.NaN]],
  ['int8', 'INT8', 'int_contents', [-128, 127]],
  ['int16', 'INT16', 'int_contents', [-32768, 32767]],
  ['int32', 'INT32', 'int_contents', [-2147483648, 2147483647]],
  ['int64', 'INT64', 'int64_contents', ['-9223372036854775808', '9223372036854775807']],
  ['uint8', 'UINT8', 'uint_contents', [0, 255]],
  ['uint16', 'UINT16', 'uint_contents', [0, 65535]],
  ['uint32', 'UINT32', 'uint_contents', [0, 4294967295]],
  ['uint64', 'UINT64', 'uint64_contents', ['0', '18446744073709551615']],
  ['bool', 'BOOL', 'bool_contents', [true, false]],
  ['string', 'BYTES', 'bytes_contents', [Buffer.from(''), Buffer.from('ä😀')]],
];

const raw: readonly [name: string, datatype: string, hex: string][] = [
  ['float16', 'FP16', '003e00c0'],
  ['float32', 'FP32', '0000c03f0100c07f'],
  ['float64', 'FP64', '000000000000f83f00000000000000c0'],
  ['int8', 'INT8', '807f'],
  ['int16', 'INT16', '0080ff7f'],
  ['int32', 'INT32', '00000080ffffff7f'],
  ['int64', 'INT64', '0000000000000080ffffffffffffff7f'],
  ['uint8', 'UINT8', '00ff'],
  ['uint16', 'UINT16', '0000ffff'],
  ['uint32', 'UINT32', '00000000ffffffff'],
  ['uint64', 'UINT64', '0000000000000000ffffffffffffffff'],
  ['bool', 'BOOL', '0100'],
  ['string', 'BYTES', '0000000003000000e282ac'],
];

describe('an inference over gRPC', () => {
  it('takes raw tensors of every datatype, and answers raw', async () => {
    const { outputs, raw_output_contents } = await infer('every', {
      inputs: raw.map(([name, datatype]) => ({ name, datatype, shape: [1, 2] })),
      raw_input_contents: raw.map(([, , hex]) => Buffer.from(hex, 'hex')),
      outputs: raw.map(([name]) => ({ name: `y_${name}` })),
    });
    expect(outputs).toEqual(
      raw.map(([name, datatype]) =>
        expect.objectContaining({ name: `y_${name}`, datatype, shape: ['1', '2'] }),
      ),
    );
    expect(raw_output_contents?.map((bytes) => bytes.toString('hex'))).toEqual(raw.map(([, , hex]) => hex));
  });

  it('takes typed tensors of every datatype that has a field, and answers in the same', async () => {
    const { outputs, raw_output_contents = [] } = await infer('typed', {
      inputs: typed.map(([name, datatype, field, values]) => ({
        name,
        datatype,
        shape: [1, 2],
        contents: { [field]: values },
      })),
      outputs: typed.map(([name]) => ({ name: `y_${name}` })),
    });
    expect(raw_output_contents).toEqual([]);
    expect(outputs.map(({ contents = {} }, i) => contents[typed[i]?.[2] ?? ''])).toEqual(
      typed.map(([, , , values]) => values),
    );
  });

  it('takes FP16 raw only, as it has no field', async () => {
    const inputs = [
      { name: 'float16', datatype: 'FP16', shape: [1, 2], contents: { fp32_contents: [1, 2] } },
    ];
    const failure = await failureOf(infer('every', { inputs }));
    expect(failure.details).toContain('inputs[0].contents has no field for FP16; send raw_input_contents');
  });

  it('takes no classes for the tensor itself, and refuses any', async () => {
    const askClasses = async (classes: number): Promise<Inferred> =>
      infer('float', {
        inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], contents: { fp32_contents: [1, 2] } }],
        outputs: [{ name: 'y', parameters: { classification: { int64_param: classes } } }],
      });
    const [output] = (await askClasses(0)).outputs;
    expect(output).toMatchObject({ name: 'y', contents: { fp32_contents: [1, 2] } });
    expect(output).not.toMatchObject({ parameters: { classification: expect.anything() } });
    const failure = await failureOf(askClasses(1));
    expect(failure.code).toBe(status.INVALID_ARGUMENT);
    expect(failure.details).toContain('outputs[0].parameters.classification is not known here');
  });

  it('gives the id and the parameters back', async () => {
    const answer = await infer('float', {
      id: 'mine',
      model_version: '3',
      parameters: { mark: { string_param: 'a' }, timeout: { int64_param: 60_000_000 } },
      inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], contents: { fp32_contents: [1, 2] } }],
    });
    expect(answer).toMatchObject({ model_name: 'float', model_version: '3', id: 'mine' });
    expect(answer.parameters).toEqual({ mark: { string_param: 'a' } });
  });

  it('answers each of many callers with its own rows, beside callers over HTTP', async () => {
    const asks = Array.from({ length: 60 }, (_, n) => ({
      n,
      values: Array.from({ length: 2 * (1 + (n % 4)) }, (__, i) => n * 100 + i),
    }));
    await Promise.all(
      asks.map(async ({ n, values }) => {
        const shape = [values.length / 2, 2];
        const isOverHttp = n % 2 === 0;
        const found = isOverHttp ? await askOverHttp(shape, values) : await ask(shape, values);
        expect(found).toEqual(values);
      }),
    );
  });
});

async function ask(shape: readonly number[], values: readonly number[]): Promise<unknown> {
  const input = { name: 'x', datatype: 'FP32', shape, contents: { fp32_contents: values } };
  return (await infer('float', { inputs: [input] })).outputs[0]?.contents?.['fp32_contents'];
}

async function askOverHttp(shape: readonly number[], values: readonly number[]): Promise<unknown> {
  const input = { name: 'x', datatype: 'FP32', shape, data: values };
  const { json } = await served.infer('float', { inputs: [input] });
  return (json['outputs'] as { data: unknown }[])[0]?.data;
}

describe('what is wrong with an inference over gRPC', () => {
  const x = { name: 'x', datatype: 'FP32', shape: [1, 2] };
  const good = { ...x, contents: { fp32_contents: [1, 2] } };
  const cases: [string, string, object, status, string][] = [
    ['an unknown model', 'none', {}, status.NOT_FOUND, 'There is no model "none"'],
    ['a model that is not loaded', 'broken', {}, status.UNAVAILABLE, 'does not answer'],
    [
      'a version that is no number',
      'float',
      { model_version: 'v1' },
      status.INVALID_ARGUMENT,
      'versions are numbers',
    ],
    ['no input', 'float', {}, status.INVALID_ARGUMENT, 'inputs lacks "x" (FP32 [-1, 2])'],
    [
      'an unknown datatype',
      'float',
      { inputs: [{ ...x, datatype: 'BF16' }] },
      status.INVALID_ARGUMENT,
      'inputs[0].datatype is "BF16"',
    ],
    [
      'no contents',
      'float',
      { inputs: [x] },
      status.INVALID_ARGUMENT,
      'inputs[0].contents has 0 elements in fp32_contents',
    ],
    [
      'contents of another datatype',
      'float',
      { inputs: [{ ...x, contents: { fp64_contents: [1, 2] } }] },
      status.INVALID_ARGUMENT,
      'has 0 elements in fp32_contents',
    ],
    [
      'contents beside raw ones',
      'float',
      { inputs: [good], raw_input_contents: [Buffer.alloc(8)] },
      status.INVALID_ARGUMENT,
      'is there beside raw_input_contents',
    ],
    [
      'raw tensors too many',
      'float',
      { inputs: [x], raw_input_contents: [Buffer.alloc(8), Buffer.alloc(8)] },
      status.INVALID_ARGUMENT,
      'has 2 tensors, and there are 1 inputs',
    ],
    [
      'raw bytes too few',
      'float',
      { inputs: [x], raw_input_contents: [Buffer.alloc(4)] },
      status.INVALID_ARGUMENT,
      'has 4 bytes, and 2 elements take 8',
    ],
    [
      'a number out of range',
      'every',
      { inputs: [{ name: 'int8', datatype: 'INT8', shape: [1, 2], contents: { int_contents: [128, 0] } }] },
      status.INVALID_ARGUMENT,
      '[0] is 128, which is no INT8',
    ],
    [
      'bytes that are no UTF-8',
      'text',
      {
        inputs: [
          { name: 'x', datatype: 'BYTES', shape: [1], contents: { bytes_contents: [Buffer.from([255])] } },
        ],
      },
      status.INVALID_ARGUMENT,
      'which is no BYTES',
    ],
    [
      'a lack of time',
      'slow',
      {
        parameters: { timeout: { int64_param: 1 } },
        inputs: [{ ...x, shape: [1, 1], contents: { fp32_contents: [1] } }],
      },
      status.DEADLINE_EXCEEDED,
      'took longer',
    ],
    [
      'a timeout that is none',
      'float',
      { parameters: { timeout: { string_param: 'soon' } }, inputs: [good] },
      status.INVALID_ARGUMENT,
      'parameters.timeout must be',
    ],
  ];

  it.each(cases)('has a status, and a sentence: %s', async (_, model, request, code, sentence) => {
    const failure = await failureOf(infer(model, request));
    expect(failure.details).toContain(sentence);
    expect(failure.code).toBe(code);
    expect(failure.metadata.get('millrace-code')).toHaveLength(1);
  });

  it('is a deadline of the caller that passes', async () => {
    const request = {
      model_name: 'slow',
      inputs: [{ ...x, shape: [1, 1], contents: { fp32_contents: [1] } }],
    };
    const failure = await failureOf(client.call('ModelInfer', request, { deadlineMs: 1 }));
    expect(failure.code).toBe(status.DEADLINE_EXCEEDED);
  });
});

describe('the other calls', () => {
  it('tell that the server lives, is ready, and which it is', async () => {
    expect(await client.call('ServerLive')).toEqual({ live: true });
    expect(await client.call('ServerReady')).toEqual({ ready: true });
    expect(await client.call('ServerMetadata')).toEqual({
      name: 'millrace',
      version: packageJson.version,
      extensions: ['model_repository'],
    });
  });

  it('tell of models', async () => {
    expect(await client.call('ModelReady', { name: 'float' })).toEqual({ ready: true });
    expect(await client.call('ModelReady', { name: 'float', version: '1' })).not.toMatchObject({
      ready: true,
    });
    expect(await client.call('ModelMetadata', { name: 'float' })).toEqual({
      name: 'float',
      versions: ['3'],
      platform: 'onnx_onnxv1',
      inputs: [{ name: 'x', datatype: 'FP32', shape: ['-1', '2'] }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: ['-1', '2'] }],
    });
    expect((await failureOf(client.call('ModelMetadata', { name: 'none' }))).code).toBe(status.NOT_FOUND);
  });

  it('list, unload and load models', async () => {
    const index = async (ready: boolean): Promise<readonly { name: string; state: string }[]> =>
      (await client.call<{ models: { name: string; state: string }[] }>('RepositoryIndex', { ready })).models;
    expect((await index(false)).map(({ name }) => name)).toContain('broken');
    expect((await index(true)).map(({ name }) => name)).not.toContain('broken');
    await client.call('RepositoryModelUnload', { model_name: 'text' });
    expect((await index(true)).map(({ name }) => name)).not.toContain('text');
    await client.call('RepositoryModelLoad', { model_name: 'text' });
    expect((await index(true)).map(({ name }) => name)).toContain('text');
  });

  it('count in the metrics of the server', async () => {
    await client.call('ServerLive');
    const page = await (await fetch(`${served.server.url}/metrics`)).text();
    expect(page).toMatch(/millrace_requests_total\{route="grpc-live",endpoint="",status="200"\} \d/);
  });
});
