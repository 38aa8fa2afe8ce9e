import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MillraceError } from '../../src/errors.ts';
import { elementTypes, openSession } from '../../src/inference/session.ts';
import type { ElementType, ModelSession, TensorData, TensorValue } from '../../src/inference/session.ts';
import { caseTensors, modelCases, modelPath } from './model-case.ts';
import { identityModel, onnxModel } from './onnx-model.ts';

async function failureOf(promise: Promise<unknown>): Promise<MillraceError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof MillraceError)) throw new Error('expected a MillraceError', { cause: error });
  return error;
}

const float32 = (values: readonly number[], dims: readonly number[]): TensorValue => ({
  data: Float32Array.from(values),
  dims,
});

describe('a run', () => {
  it.each(modelCases)('answers as Python does: $model', async ({ model, inputs, outputs }) => {
    const session = await openSession(modelPath(model));
    const found = await session.run(caseTensors(session.inputs, inputs));
    const expected = caseTensors(session.outputs, outputs);
    expect(found.map(({ dims }) => dims)).toEqual(expected.map(({ dims }) => dims));
    found.forEach(({ data }, i) => {
      expect(data).toHaveLength((expected[i] as TensorValue).data.length);
      expect(mismatches(data, (expected[i] as TensorValue).data)).toEqual([]);
    });
    await session.release();
  });

  // Kernels may differ between builds in the last bits of a float32 sum; everything else is equal bit for bit.
  function mismatches(found: TensorData, expected: TensorData): unknown[] {
    return Array.from<unknown>(expected).filter((wanted, i) => {
      const value = found[i];
      if (Object.is(value, wanted)) return false;
      const near = found instanceof Float32Array && value !== wanted;
      return !(near && Math.abs(Number(value) - Number(wanted)) <= 1e-6);
    });
  }

  it('reads a part of a buffer in place', async () => {
    const session = await openSession(modelPath('identity_float32.onnx'));
    const buffer = Float32Array.from([1, 2, 3, 4, 5, 6]);
    const [found] = await session.run([{ data: buffer.subarray(2, 6), dims: [2, 2] }]);
    expect(found?.data).toEqual(Float32Array.from([3, 4, 5, 6]));
    buffer.fill(0);
    expect(found?.data).toEqual(Float32Array.from([3, 4, 5, 6]));
    await session.release();
  });

  it('keeps the tensors of overlapping runs apart, and answers them in order', async () => {
    const session = await openSession(modelPath('identity_float32.onnx'));
    const settled: number[] = [];
    const runs = Array.from({ length: 20 }, async (_, i) => {
      const [found] = await session.run([float32([i, -i], [1, 2])]);
      settled.push(i);
      return found?.data;
    });
    expect(await Promise.all(runs)).toEqual(runs.map((_, i) => Float32Array.from([i, -i])));
    expect(settled).toEqual(runs.map((_, i) => i));
    await session.release();
  });

  it('that the model rejects fails with MODEL_FAILED and keeps the reason', async () => {
    const session = await openSession(modelPath('gather.onnx'));
    const bad = [
      { data: BigInt64Array.of(99n), dims: [1] },
      { data: new Float64Array(2), dims: [1, 2] },
    ];
    const error = await failureOf(session.run(bad));
    expect(error.code).toBe('MODEL_FAILED');
    expect(error.message).toBe('The model rejected the values of this request.');
    expect(String(error.cause)).toContain('idx=99');
    await session.release();
  });

  it('fails for a string with a NUL character, which would reach the model cut short', async () => {
    const session = await openSession(modelPath('identity_string.onnx'));
    const error = await failureOf(session.run([{ data: ['a', 'a\0b'], dims: [1, 2] }]));
    expect(error.code).toBe('MODEL_FAILED');
    expect(error.message).toContain('input "x" holds a NUL character');
    await session.release();
  });
});

describe('tensors of every type', () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-types-'));
  const path = join(folder, 'all.onnx');
  afterAll(() => rmSync(folder, { recursive: true }));
  const values: Readonly<Record<ElementType, TensorData>> = {
    float32: Float32Array.of(-0, 1.5, Infinity, 3.4028234663852886e38),
    float64: Float64Array.of(-0, Number.MIN_VALUE, -Infinity, Number.MAX_VALUE),
    // -0, the smallest subnormal, infinity, 65504
    float16: Uint16Array.of(0x8000, 0x0001, 0x7c00, 0x7bff),
    int8: Int8Array.of(-128, -1, 0, 127),
    int16: Int16Array.of(-32768, -1, 0, 32767),
    int32: Int32Array.of(-(2 ** 31), -1, 0, 2 ** 31 - 1),
    int64: BigInt64Array.of(-(2n ** 63n), -1n, 0n, 2n ** 63n - 1n),
    uint8: Uint8Array.of(0, 1, 128, 255),
    uint16: Uint16Array.of(0, 1, 0x8000, 0xffff),
    uint32: Uint32Array.of(0, 1, 2 ** 31, 2 ** 32 - 1),
    uint64: BigUint64Array.of(0n, 1n, 2n ** 63n, 2n ** 64n - 1n),
    bool: Uint8Array.of(0, 1, 1, 0),
    string: ['', 'a', 'ä€😀', 'line\nline'],
  };

  it('go in and come out bit for bit', async () => {
    const inputs = elementTypes.map((type) => ({ name: type, type, shape: ['rows', 2] }));
    writeFileSync(path, identityModel(inputs));
    const session = await openSession(path);
    expect(session.inputs.map(({ elementType }) => elementType)).toEqual(elementTypes);
    const found = await session.run(elementTypes.map((type) => ({ data: values[type], dims: [2, 2] })));
    expect(found.map(({ data }) => data)).toEqual(elementTypes.map((type) => values[type]));
    await session.release();
  });
});

describe('release', () => {
  let session: ModelSession;
  const inputs = [float32([1], [1, 1])];
  beforeAll(async () => {
    session = await openSession(modelPath('slow.onnx'));
  });

  it('waits for the runs in flight, then refuses new ones', async () => {
    const order: string[] = [];
    const runs = [1, 2, 3].map((run) => session.run(inputs).then(() => order.push(`run ${run}`)));
    const released = session.release().then(() => order.push('released'));
    const refused = await failureOf(session.run(inputs));
    await Promise.all([...runs, released]);
    expect(refused.code).toBe('NOT_READY');
    expect(order).toEqual(['run 1', 'run 2', 'run 3', 'released']);
  });

  it('may be called again', async () => {
    await expect(session.release()).resolves.toBeUndefined();
  });
});

describe('the specs of a session', () => {
  it('are the inputs and outputs that the model declares, open dimensions undefined', async () => {
    const session = await openSession(modelPath('mixed.onnx'));
    expect(session.inputs).toEqual([
      { name: 'numbers', elementType: 'float32', shape: [undefined, 3] },
      { name: 'id', elementType: 'int64', shape: [undefined] },
      { name: 'label', elementType: 'string', shape: [undefined, 1] },
      { name: 'flag', elementType: 'bool', shape: [undefined, 1] },
      { name: 'pair', elementType: 'float64', shape: [undefined, 2] },
    ]);
    const outputs = session.outputs.map(({ name }) => name);
    expect(outputs).toEqual(['total', 'next_id', 'same_label', 'not_flag', 'double_pair']);
    await session.release();
  });

  it('leave out outputs that cannot be served, and say why', async () => {
    const session = await openSession(modelPath('zipmap.onnx'));
    expect(session.outputs.map(({ name }) => name)).toEqual(['label', 'probabilities']);
    expect(session.refusedOutputs).toEqual([
      {
        name: 'zipped',
        message:
          'The output "zipped" is a sequence or a map, not a tensor. Export a scikit-learn or LightGBM classifier ' +
          'without ZipMap (options={"zipmap": False} in skl2onnx, zipmap=False in onnxmltools), or name only other ' +
          'outputs under `outputs` in model.yaml.',
      },
    ]);
    const [label, probabilities] = await session.run([float32([1, 2, -1, -2], [2, 2])]);
    expect(label?.data).toEqual(BigInt64Array.of(1n, 0n));
    expect(probabilities?.dims).toEqual([2, 2]);
    expect(probabilities?.data[1]).toBeCloseTo(1 / (1 + Math.exp(-11)), 6);
    await session.release();
  });
});

it('a run fetches the outputs that are asked for, in that order', async () => {
  const session = await openSession(modelPath('symbolic_width.onnx'));
  const found = await session.run([float32([1, 2, 3], [1, 3])], [1]);
  expect(found).toHaveLength(1);
  expect(found[0]?.data).toEqual(Float32Array.from([2, 4, 6]));
  const both = await session.run([float32([1, 2, 3], [1, 3])], [1, 0]);
  expect(both.map(({ dims }) => dims)).toEqual([
    [1, 3],
    [1, 1],
  ]);
  await session.release();
});

describe('a model that cannot be served', () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-session-'));
  const noise = join(folder, 'noise.onnx');
  writeFileSync(noise, 'this is not a model');
  const sequences = join(folder, 'sequences.onnx');
  const length = { op: 'SequenceLength', inputs: ['x'], outputs: ['y'] };
  writeFileSync(
    sequences,
    onnxModel({
      nodes: [length],
      inputs: [{ name: 'x', type: 'sequence', shape: ['n'] }],
      outputs: [{ name: 'y', type: 'int64', shape: [] }],
    }),
  );
  afterAll(() => rmSync(folder, { recursive: true }));

  const rows: [path: string, sentence: string][] = [
    [
      join(folder, 'none.onnx'),
      'There is no file PATH. Put the exported model there, or remove the version that needs it.',
    ],
    [
      join(noise, 'model.onnx'),
      'There is no file PATH. Put the exported model there, or remove the version that needs it.',
    ],
    [folder, 'PATH is a folder; the model must be a file.'],
    [modelPath('empty.onnx'), 'PATH is empty: copy or export the model again.'],
    [modelPath('corrupt.onnx'), 'PATH is not a whole ONNX model: copy or export it again.'],
    [noise, 'PATH is not a whole ONNX model: copy or export it again.'],
    [
      modelPath('future_opset.onnx'),
      'PATH is written for opset 99, and ONNX Runtime knows up to 26: export it with an older opset.',
    ],
    [
      modelPath('unknown_operator.onnx'),
      'PATH uses the operator acme:Secret, which ONNX Runtime does not have: export it with standard operators only.',
    ],
    [
      modelPath('external_weights.onnx'),
      `PATH keeps its weights in ${modelPath('missing_weights.data')}, which does not exist: copy that file as well.`,
    ],
    [
      modelPath('output_bfloat16.onnx'),
      'PATH has an input or output of the ONNX element type number 16, which cannot be served, not even unused: ' +
        'export the model without it, or with a Cast to float32.',
    ],
    [
      sequences,
      'PATH: The input "x" is a sequence or a map, not a tensor. Export the model with tensors as inputs.',
    ],
  ];

  it.each(rows)('is refused with a sentence: %s', async (path, sentence) => {
    const error = await failureOf(openSession(path));
    expect(error.code).toBe('INVALID_MODEL');
    expect(error.message).toBe(sentence.replace('PATH', path));
  });

  it('names each input at fault in the details', async () => {
    const error = await failureOf(openSession(sequences));
    expect(error.details).toEqual([
      { path: 'inputs.x', message: expect.stringContaining('The input "x" is a sequence') },
    ]);
  });

  it('writes nothing to stderr, nor does a run that fails', () => {
    const sessionUrl = new URL('../../src/inference/session.ts', import.meta.url).href;
    const script = `
      const { openSession } = await import('${sessionUrl}');
      for (const path of ${JSON.stringify([modelPath('corrupt.onnx'), modelPath('unknown_operator.onnx')])}) {
        await openSession(path).catch(() => console.log('refused'));
      }
      const session = await openSession('${modelPath('gather.onnx')}');
      const bad = [{ data: BigInt64Array.of(99n), dims: [1] }, { data: new Float64Array(2), dims: [1, 2] }];
      await session.run(bad).catch(() => console.log('failed'));
      await session.release();`;
    const child = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', script], {
      encoding: 'utf8',
    });
    expect(child.stderr).toBe('');
    expect(child.stdout).toBe('refused\nrefused\nfailed\n');
  });
});
