/** Callers whose rows are not to be spread over runs. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createBatcher } from '../../src/inference/batcher.ts';
import { openSession } from '../../src/inference/session.ts';
import type { ModelSession } from '../../src/inference/session.ts';
import { modelPath } from './model-case.ts';
import { RecordingCaller } from './recording-caller.ts';

let session: ModelSession;
beforeAll(async () => {
  session = await openSession(modelPath('identity_float32.onnx'));
});
afterAll(async () => session.release());

it('rows of a caller that is whole go into one run, in turn with those of others', async () => {
  const runs: number[] = [];
  const batcher = createBatcher(session, {
    rowsMax: 4,
    delayMsMax: 0,
    widths: [2],
    onRun: (rows) => runs.push(rows),
  });
  const callers = [3, 2, 1, 4].map((count) => {
    const caller = new RecordingCaller(Array.from({ length: count }, (_, i) => [[i, count]]));
    return Object.assign(caller, { isWhole: true });
  });
  for (const caller of callers) batcher.submit(caller, caller.rows.length);
  await Promise.all(callers.map(({ done }) => done));
  expect(callers.map(({ slices }) => slices.length)).toEqual([1, 1, 1, 1]);
  expect(callers.map(({ settled }) => settled)).toEqual(callers.map(({ rows }) => rows));
  expect(runs).toEqual([3, 3, 4]);
});
