import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { MillraceError } from '../../src/errors.ts';
import { rawProject } from './raw-project.ts';
import type { RawProject } from './raw-project.ts';

describe('a slow model', () => {
  let slow: RawProject;
  beforeAll(async () => {
    const description = { inputs: { x: '1' }, queue_rows_max: 3, batching: { rows_max: 1 } };
    const file = Buffer.from(JSON.stringify(description));
    slow = await rawProject({ models: { 's/1/model.onnx': 'slow', 's/model.json': file } });
  });
  afterAll(async () => slow.close());
  const one = {
    inputs: [{ name: 'x', elementType: 'float32', shape: [1, 1], data: Float32Array.of(1) }],
  } as const;

  it('refuses what would wait beyond its queue', async () => {
    const model = slow.model('s');
    const outcomes = await Promise.allSettled(Array.from({ length: 12 }, async () => model.infer(one)));
    const codes = outcomes.map((each) =>
      each.status === 'fulfilled' ? 'OK' : (each.reason as MillraceError).code,
    );
    expect(new Set(codes)).toEqual(new Set(['OK', 'OVERLOADED']));
  });

  it('has a caller wait no longer than it wants to', async () => {
    const model = slow.model('s');
    const [late, patient] = await Promise.allSettled([
      model.infer({ ...one, timeoutMs: 0 }),
      model.infer({ ...one, timeoutMs: 60_000 }),
    ]);
    expect(late).toMatchObject({ reason: { code: 'DEADLINE_EXCEEDED' } });
    expect(patient.status).toBe('fulfilled');
  });
});
