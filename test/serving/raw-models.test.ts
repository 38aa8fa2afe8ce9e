import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { MillraceError } from '../../src/errors.ts';
import type { RawInference, RawTensor } from '../../src/serving/raw-inference.ts';
import type { Serving } from '../../src/serving/serving.ts';
import { identityModel, onnxModel } from '../inference/onnx-model.ts';
import { rawProject } from './raw-project.ts';
import type { RawProject } from './raw-project.ts';

const twoOutputs = onnxModel({
  nodes: [
    { op: 'Identity', inputs: ['x'], outputs: ['same'] },
    { op: 'Neg', inputs: ['x'], outputs: ['negative'] },
    { op: 'NonZero', inputs: ['x'], outputs: ['positions_by_axis'] },
    { op: 'Transpose', inputs: ['positions_by_axis'], outputs: ['positions'] },
  ],
  inputs: [{ name: 'x', type: 'float32', shape: ['n', 2] }],
  outputs: [
    { name: 'same', type: 'float32', shape: ['n', 2] },
    { name: 'negative', type: 'float32', shape: ['n', 2] },
    { name: 'positions', type: 'int64', shape: ['k', 2] },
  ],
});

/** Of rows of zeros it has as many as there are rows, and then not any more. */
const positionsOfFalse = onnxModel({
  nodes: [
    { op: 'Not', inputs: ['x'], outputs: ['is_false'] },
    { op: 'NonZero', inputs: ['is_false'], outputs: ['by_axis'] },
    { op: 'Transpose', inputs: ['by_axis'], outputs: ['positions'] },
    { op: 'Identity', inputs: ['x'], outputs: ['same'] },
  ],
  inputs: [{ name: 'x', type: 'bool', shape: ['n', 1] }],
  outputs: [
    { name: 'positions', type: 'int64', shape: ['k', 2] },
    { name: 'same', type: 'bool', shape: ['n', 1] },
  ],
});

let raw: RawProject;
beforeAll(async () => {
  raw = await rawProject({
    described: {},
    models: {
      'two/1/model.onnx': twoOutputs,
      'two/2/model.onnx': twoOutputs,
      'typed.onnx': identityModel([
        { name: 'x', type: 'uint64', shape: ['n'] },
        { name: 'text', type: 'string', shape: ['n', 1] },
      ]),
      'falses.onnx': positionsOfFalse,
      'open.onnx': 'symbolic_width',
      'fixed.onnx': 'fixed_batch_4',
      'scalar.onnx': 'scalar_input',
      'zipmap.onnx': 'zipmap',
      'broken.onnx': 'corrupt',
      'half/1/model.onnx': 'corrupt',
      'half/2/model.onnx': 'input_float16',
      'fails/1/model.onnx': 'mlp',
      'fails/2/model.onnx': 'corrupt',
    },
    limits: { rows_max: 64 },
  });
});
afterAll(async () => raw.close());

const float32 = (name: string, values: readonly number[], ...shape: number[]): RawTensor => ({
  name,
  elementType: 'float32',
  shape,
  data: Float32Array.from(values),
});

async function failureOf(model: string, inference: RawInference): Promise<MillraceError> {
  return raw
    .model(model)
    .infer(inference)
    .then(
      () => Promise.reject(new Error('it was answered')),
      (error: unknown) => error as MillraceError,
    );
}

describe('the models of a project', () => {
  it('are all there, each version with whether it answers', () => {
    const listed = raw.serving.models.list().map(({ name, version, state }) => `${name}@${version} ${state}`);
    expect(listed.toSorted()).toEqual([
      'broken@1 unavailable',
      'fails@1 ready',
      'fails@2 unavailable',
      'falses@1 ready',
      'fixed@1 ready',
      'half@1 unavailable',
      'half@2 ready',
      'm@1 ready',
      'open@1 ready',
      'scalar@1 ready',
      'two@1 unavailable',
      'two@2 ready',
      'typed@1 ready',
      'zipmap@1 ready',
    ]);
  });

  it('answer by the newest version that does, where none is named', () => {
    expect(raw.serving.models.get('two')).toMatchObject({ state: 'ready', version: '2' });
    expect(raw.serving.models.get('two', '1')).toMatchObject({
      state: 'unavailable',
      reason: 'The version is not loaded: a newer one is served, and no endpoint uses this one.',
    });
    expect(raw.serving.models.get('fails')).toMatchObject({ state: 'ready', version: '1' });
    expect(raw.serving.models.get('two', '3')).toBeUndefined();
    expect(raw.serving.models.get('three')).toBeUndefined();
  });

  it('do not keep a server from starting that could not be loaded, and are logged', () => {
    const broken = raw.serving.models.get('broken');
    expect(broken).toMatchObject({ reason: expect.stringContaining('is not a whole ONNX model') });
    expect(raw.warnings.filter((warning) => warning.includes('is not served'))).toHaveLength(2);
  });

  it('leave out outputs that cannot be served', async () => {
    const model = raw.model('zipmap');
    expect(model.outputs.map(({ name }) => name)).toEqual(['label', 'probabilities']);
    const error = await failureOf('zipmap', {
      inputs: [float32('x', [1, 2], 1, 2)],
      outputs: ['zipped'],
    });
    expect(error.details?.[0]).toMatchObject({
      path: 'outputs[0].name',
      message: expect.stringContaining('is a sequence or a map'),
    });
  });
});

describe('an inference', () => {
  it('answers the outputs that are wanted, in that order', async () => {
    const x = float32('x', [1, 0, 0, 2], 2, 2);
    const { outputs } = await raw.model('two').infer({ inputs: [x], outputs: ['negative', 'same'] });
    expect(outputs).toEqual([
      float32('negative', [-1, -0, -0, -2], 2, 2),
      float32('same', [1, 0, 0, 2], 2, 2),
    ]);
    const all = await raw.model('two').infer({ inputs: [x] });
    expect(all.outputs.map(({ name }) => name)).toEqual(['same', 'negative', 'positions']);
  });

  it('takes its inputs in any order, and 64 bits and text as they are', async () => {
    const { outputs } = await raw.model('typed').infer({
      inputs: [
        { name: 'text', elementType: 'string', shape: [2, 1], data: ['ä', ''] },
        { name: 'x', elementType: 'uint64', shape: [2], data: BigUint64Array.of(2n ** 64n - 1n, 7n) },
      ],
    });
    expect(outputs.map(({ data }) => data)).toEqual([BigUint64Array.of(2n ** 64n - 1n, 7n), ['ä', '']]);
  });

  it('of no rows has an answer of no rows', async () => {
    const { outputs } = await raw.model('two').infer({ inputs: [float32('x', [], 0, 2)], outputs: ['same'] });
    expect(outputs).toEqual([float32('same', [], 0, 2)]);
  });

  it('runs models with a fixed batch, without a batch, and with an open width', async () => {
    const fixed = await raw.model('fixed').infer({ inputs: [float32('x', [1, 2, 3, 4, 5, 6, 7, 8], 4, 2)] });
    expect(fixed.outputs[0]?.data).toHaveLength(8);
    const scale = float32('scale', [3]);
    const scalar = await raw.model('scalar').infer({ inputs: [float32('x', [1, 2], 1, 2), scale] });
    expect(scalar.outputs[0]?.data).toEqual(Float32Array.of(4, 5));
    for (const width of [1, 5]) {
      const x = float32(
        'x',
        Array.from({ length: width }, () => 2),
        1,
        width,
      );
      const { outputs } = await raw.model('open').infer({ inputs: [x], outputs: ['double'] });
      expect(outputs[0]?.shape).toEqual([1, width]);
    }
  });

  it('that asks for an output which does not tell rows apart runs alone, and gets it whole', async () => {
    const model = raw.model('two');
    const infer = async (values: readonly number[]): Promise<unknown> =>
      (await model.infer({ inputs: [float32('x', values, 2, 2)], outputs: ['positions'] })).outputs[0]?.data;
    const answers = await Promise.all([infer([1, 1, 0, 0]), infer([0, 0, 0, 5]), infer([0, 0, 0, 0])]);
    expect(answers).toEqual([
      BigInt64Array.of(0n, 0n, 0n, 1n),
      BigInt64Array.of(1n, 1n),
      new BigInt64Array(0),
    ]);
  });
});

describe('an inference that does not fit its model', () => {
  const x = float32('x', [1, 2], 1, 2);
  const cases: [string, string, RawInference, string, RegExp][] = [
    [
      'an unknown input',
      'two',
      { inputs: [x, { ...x, name: 'z' }] },
      'inputs[1].name',
      /names "z", which is no input/,
    ],
    ['a missing input', 'typed', { inputs: [] }, 'inputs', /^lacks "x" \(UINT64 \[-1\]\)$/],
    ['an input twice', 'two', { inputs: [x, x] }, 'inputs[1].name', /names "x", which is there already/],
    [
      'another datatype',
      'two',
      { inputs: [{ ...x, elementType: 'float64', data: new Float64Array(2) }] },
      'inputs[0].datatype',
      /^is FP64, and the model takes FP32$/,
    ],
    [
      'another rank',
      'two',
      { inputs: [float32('x', [1, 2], 2)] },
      'inputs[0].shape',
      /^is \[2\], and .* \[-1, 2\]$/,
    ],
    [
      'another fixed dimension',
      'two',
      { inputs: [float32('x', [1], 1, 1)] },
      'inputs[0].shape',
      /^is \[1, 1\]/,
    ],
    [
      'a negative dimension',
      'two',
      { inputs: [float32('x', [], -1, 2)] },
      'inputs[0].shape',
      /^is \[-1, 2\]/,
    ],
    [
      'too few elements',
      'two',
      { inputs: [float32('x', [1], 1, 2)] },
      'inputs[0].data',
      /has 1 elements, and .* has 2/,
    ],
    ['an unknown output', 'two', { inputs: [x], outputs: ['sam'] }, 'outputs[0].name', /did you mean "same"/],
    [
      'an output twice',
      'two',
      { inputs: [x], outputs: ['same', 'same'] },
      'outputs[1].name',
      /there already/,
    ],
  ];
  it.each(cases)('is refused with its place: %s', async (_, model, inference, path, message) => {
    const error = await failureOf(model, inference);
    expect(error.code).toBe('INVALID_REQUEST');
    expect(error.details?.[0]).toEqual({ path, message: expect.stringMatching(message) });
    expect(error.message.startsWith(path)).toBe(true);
  });

  it('is refused for more rows than `limits.rows_max`', async () => {
    const error = await failureOf('two', { inputs: [float32('x', new Array<number>(130).fill(0), 65, 2)] });
    expect(error.code).toBe('TOO_MANY_ROWS');
    expect(error.message).toContain('65 rows; limits.rows_max is 64');
  });

  it('counts as failed, and others as successes, with the runs of the model', async () => {
    const { stats } = raw.model('typed');
    const before = { success: stats.success.count, fail: stats.fail.count, ...stats.runs };
    await failureOf('typed', { inputs: [] });
    await raw.model('typed').infer({
      inputs: [
        { name: 'text', elementType: 'string', shape: [3, 1], data: ['a', 'b', 'c'] },
        { name: 'x', elementType: 'uint64', shape: [3], data: new BigUint64Array(3) },
      ],
    });
    expect(stats.success.count).toBe(before.success + 1);
    expect(stats.fail.count).toBe(before.fail + 1);
    expect(stats.runs).toMatchObject({ runs: before.runs + 1, rows: before.rows + 3 });
    expect(stats.lastMs).toBeGreaterThan(0);
  });
});

describe('many inferences at once', () => {
  const ask = fc.record({
    rows: fc.integer({ min: 1, max: 40 }),
    outputs: fc.uniqueArray(fc.constantFrom('same', 'negative', 'positions'), { minLength: 1 }),
  });

  it('get each its own rows, whatever they have, want, and share', async () => {
    const model = raw.model('two');
    await fc.assert(
      fc.asyncProperty(fc.array(ask, { minLength: 2, maxLength: 60 }), async (asks) => {
        const answers = await Promise.all(
          asks.map(async ({ rows, outputs }, n) =>
            model.infer({ inputs: [float32('x', valuesOf(n, rows), rows, 2)], outputs }),
          ),
        );
        asks.forEach(({ rows, outputs }, n) => {
          const values = valuesOf(n, rows);
          const expected = outputs.map((name) => {
            if (name === 'same') return float32(name, values, rows, 2);
            if (name === 'negative')
              return float32(
                name,
                values.map((value) => -value),
                rows,
                2,
              );
            const positions = values.flatMap((value, i) =>
              value === 0 ? [] : [BigInt(i >> 1), BigInt(i & 1)],
            );
            return {
              name,
              elementType: 'int64',
              shape: [positions.length / 2, 2],
              data: BigInt64Array.from(positions),
            };
          });
          expect(answers[n]?.outputs).toEqual(expected);
        });
      }),
      { numRuns: 20 },
    );
  });

  it('get their own rows also of an output that tells rows apart only sometimes', async () => {
    const model = raw.model('falses');
    const infer = async (...values: number[]): Promise<unknown> => {
      const x = {
        name: 'x',
        elementType: 'bool',
        shape: [values.length, 1],
        data: Uint8Array.from(values),
      } as const;
      const { outputs } = await model.infer({ inputs: [x] });
      return outputs.map(({ data }) => data);
    };
    for (let round = 0; round < 2; round++) {
      const answers = await Promise.all([infer(0), infer(1), infer(0, 1)]);
      expect(answers).toEqual([
        [BigInt64Array.of(0n, 0n), Uint8Array.of(0)],
        [new BigInt64Array(0), Uint8Array.of(1)],
        [BigInt64Array.of(0n, 0n), Uint8Array.of(0, 1)],
      ]);
    }
  });

  /** Caller n has values that no other has, and some zeros. */
  function valuesOf(n: number, rows: number): number[] {
    return Array.from({ length: 2 * rows }, (_, i) => (i % 3 === 0 ? 0 : n * 1000 + i));
  }

  it('share their runs with each other and with predictions', async () => {
    const model = raw.model('m');
    const before = { ...model.stats.runs };
    const [first, predicted, second] = await Promise.all([
      model.infer({ inputs: [float32('x', [1, 2], 1, 2)] }),
      predict(raw.serving, [
        { a: 3, b: 4 },
        { a: 5, b: 6 },
      ]),
      model.infer({ inputs: [float32('x', [7, 8, 9, 10], 2, 2)] }),
    ]);
    expect(first.outputs[0]?.data).toEqual(Float32Array.of(1, 2));
    expect(predicted).toEqual([{ y: [3, 4] }, { y: [5, 6] }]);
    expect(second.outputs[0]?.data).toEqual(Float32Array.of(7, 8, 9, 10));
    expect(model.stats.runs).toMatchObject({ runs: before.runs + 1, rows: before.rows + 5 });
  });
});

async function predict(serving: Serving, rows: readonly object[]): Promise<unknown> {
  const endpoint = serving.endpoints.get('m');
  return new Promise((resolve, reject) => {
    endpoint?.predict(endpoint.decode({ rows }), {
      requestId: 'r',
      isDone: false,
      answer: (answer) => {
        const text = answer.plan.jsonAnswer(answer, 'r', '');
        resolve((JSON.parse(text) as { predictions: unknown }).predictions);
      },
      fail: reject,
    });
  });
}
