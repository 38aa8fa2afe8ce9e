import { afterAll, beforeAll, expect, it } from 'vitest';
import { leastRunMs } from '../../src/inference/least-run-time.ts';
import { openSession } from '../../src/inference/session.ts';
import type { ModelSession } from '../../src/inference/session.ts';
import { modelPath } from './model-case.ts';

const inputs = [{ data: new Float32Array(2), dims: [1, 2] }];
let session: ModelSession;
let nowMs = 0;
const clock = (): number => nowMs;
beforeAll(async () => {
  session = await openSession(modelPath('fixed_batch_1.onnx'));
});
afterAll(async () => session.release());

it('does not count what else the event loop does', async () => {
  let isOver = false;
  const turn = (): void => {
    nowMs += 10;
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  const found = await leastRunMs(session, inputs, undefined, clock);
  isOver = true;
  expect(found).toBe(0);
});

it.each([
  ['the fastest of five', [3, 2, 4, 1, 2], 1, 5],
  ['the fastest of those that 25 ms have room for', [20, 6, 1], 6, 2],
  ['once more after one that may have been interrupted for long', [120, 1, 1], 1, 2],
  ['no second one of a model that is slow', [250, 1], 250, 1],
])('takes %s', async (_, durationsMs, leastMs, runs) => {
  let made = 0;
  const run: ModelSession['run'] = async (...args) => {
    const durationMs = durationsMs[made++] ?? 0;
    setImmediate(() => (nowMs += durationMs));
    return session.run(...args);
  };
  expect(await leastRunMs({ ...session, threads: 0, run }, inputs, undefined, clock)).toBe(leastMs);
  expect(made).toBe(runs);
});
