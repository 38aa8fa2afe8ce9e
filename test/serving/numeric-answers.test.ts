/** Answers of endpoints from tensors of every numeric type, in both encodings. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Unpackr } from 'msgpackr';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { openLmdbStoreAlone } from '../../src/features/lmdb-store.ts';
import type { OnlineStore } from '../../src/features/online-store.ts';
import { elementTypes } from '../../src/inference/session.ts';
import { loadProject } from '../../src/project/read-project.ts';
import type { Answer } from '../../src/serving/answer.ts';
import { checkProject } from '../../src/serving/check-project.ts';
import { MessagePackWriter } from '../../src/serving/message-pack-writer.ts';
import { openServing } from '../../src/serving/serving.ts';
import type { Serving } from '../../src/serving/serving.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { identityModel, onnxModel } from '../inference/onnx-model.ts';

const types = elementTypes.filter((type) => type !== 'string');
const casts = onnxModel({
  nodes: types.map((to) => ({ op: 'Cast', inputs: ['x'], outputs: [to], to })),
  inputs: [{ name: 'x', type: 'float64', shape: ['n', 1] }],
  outputs: types.map((type) => ({ name: type, type, shape: ['n', 1] })),
});

const plain = { useRecords: false, mapsAsObjects: true };
const metrics = createMetrics();
let dir: string;
let store: OnlineStore;
let serving: Serving;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-numeric-'));
  await mkdir(join(dir, 'm/1'), { recursive: true });
  await writeFile(join(dir, 'm/1/model.onnx'), casts);
  await writeFile(join(dir, 'm/model.json'), JSON.stringify({ inputs: { x: 'request.x' } }));
  const endpoints = { m: { request: { x: 'float64' }, variants: { only: { model: 'm@1' } } } };
  await writeFile(join(dir, 'millrace.json'), JSON.stringify({ project: 'numeric', endpoints }));
  store = await openLmdbStoreAlone({ path: join(dir, 'data'), views: [] });
  const project = await loadProject(dir);
  serving = await openServing({ project, store, metrics, clock: systemClock, log: createLog('silent') });
});
afterAll(async () => {
  await serving.close();
  await store.close();
  metrics.close();
  await rm(dir, { recursive: true });
});

async function answerTo(x: number): Promise<Answer> {
  const endpoint = serving.endpoints.get('m');
  return new Promise((resolve, reject) => {
    const request = endpoint?.decode({ rows: [{ x }] });
    if (request === undefined) throw new Error('there is no endpoint m');
    endpoint?.predict(request, { requestId: 'r', isDone: false, answer: resolve, fail: reject });
  });
}

describe('a value of every numeric type', () => {
  it('is a number in JSON, with all its digits', async () => {
    const answer = await answerTo(100);
    const { predictions } = JSON.parse(answer.plan.jsonAnswer(answer, 'r', '')) as { predictions: unknown[] };
    const expected = types.map((type) => [type, type === 'bool' ? true : 100]);
    expect(predictions).toEqual([Object.fromEntries(expected)]);
  });

  it('keeps its 64 bits, and is read from the bits of a half', async () => {
    const large = await answerTo(2 ** 63 + 2 ** 20);
    expect(large.plan.jsonAnswer(large, 'r', '')).toContain(`"uint64":${2n ** 63n + 2n ** 20n}`);
    const tenth = await answerTo(0.1);
    expect(tenth.plan.jsonAnswer(tenth, 'r', '')).toContain('"float16":0.0999755859375');
    const huge = await answerTo(1e9);
    expect(huge.plan.jsonAnswer(huge, 'r', '')).toContain('"float16":null');
  });

  it('is the same in MessagePack', async () => {
    const writer = new MessagePackWriter();
    const answer = await answerTo(2 ** 63 + 2 ** 20);
    answer.plan.messagePackAnswer(writer, answer, 'r', 1);
    const half = await answerTo(0.1);
    const large = new Unpackr({ ...plain, int64AsType: 'bigint' }).unpack(
      writer.bytes.subarray(0, writer.length),
    ) as {
      predictions: Record<string, unknown>[];
    };
    expect(large.predictions[0]?.['uint64']).toBe(2n ** 63n + 2n ** 20n);
    writer.clear();
    half.plan.messagePackAnswer(writer, half, 'r', 1);
    const small = new Unpackr(plain).unpack(writer.bytes.subarray(0, writer.length)) as typeof large;
    expect(small.predictions[0]?.['float16']).toBe(0.0999755859375);
  });
});

it('expressions cannot fill an input of another type, and the mistake says which they fill', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-int32-'));
  await mkdir(join(folder, 'm/1'), { recursive: true });
  const model = identityModel([{ name: 'x', type: 'int32', shape: ['n', 1] }]);
  await writeFile(join(folder, 'm/1/model.onnx'), model);
  await writeFile(join(folder, 'm/model.json'), JSON.stringify({ inputs: { x: '1' } }));
  const endpoints = { m: { request: {}, variants: { only: { model: 'm@1' } } } };
  await writeFile(join(folder, 'millrace.json'), JSON.stringify({ project: 'p', endpoints }));
  const { mistakes } = await checkProject(folder);
  await rm(folder, { recursive: true });
  expect(mistakes).toEqual([
    expect.objectContaining({
      path: 'inputs.x',
      message:
        `${join(folder, 'm/1/model.onnx')}: The input "x" holds int32; expressions fill float32, float64, int64, ` +
        'bool, string. Export the model with one of these, or add a Cast after it.',
    }),
  ]);
});
