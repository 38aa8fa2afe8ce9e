import { expect, it } from 'vitest';
import { leastRunMs } from '../../src/inference/least-run-time.ts';
import { openSession } from '../../src/inference/session.ts';
import { modelPath } from './model-case.ts';

const TURN_MS = 10;

it('does not count what else the event loop does', async () => {
  const session = await openSession(modelPath('fixed_batch_1.onnx'));
  const stop = keepBusy();
  const found = await leastRunMs(session, [{ data: new Float32Array(2), dims: [1, 2] }]);
  stop();
  await session.release();
  expect(found).toBeGreaterThan(0);
  expect(found).toBeLessThan(TURN_MS);
});

it('takes the fastest of five runs, and runs what is slow by itself no longer than it must', async () => {
  const session = await openSession(modelPath('fixed_batch_1.onnx'));
  const slowed = async (turnsMs: number[]): Promise<{ found: number; runs: number }> => {
    let runs = 0;
    const run: typeof session.run = async (...args) => {
      setImmediate(() => holdFor(turnsMs[runs++] ?? 0));
      return session.run(...args);
    };
    const found = await leastRunMs({ ...session, threads: 0, run }, [
      { data: new Float32Array(2), dims: [1, 2] },
    ]);
    return { found, runs };
  };
  const interrupted = await slowed([TURN_MS, TURN_MS]);
  expect(interrupted.runs).toBe(5);
  expect(interrupted.found).toBeLessThan(TURN_MS);
  const slow = await slowed([30, 30, 30, 30, 30]);
  await session.release();
  expect(slow.runs).toBe(1);
  expect(slow.found).toBeGreaterThanOrEqual(30);
});

/** Something that takes its turn in every round of the loop. */
function keepBusy(): () => void {
  let isOver = false;
  const turn = (): void => {
    if (isOver) return;
    holdFor(TURN_MS);
    setImmediate(turn);
  };
  setImmediate(turn);
  return () => (isOver = true);
}

function holdFor(durationMs: number): void {
  const endMs = performance.now() + durationMs;
  while (performance.now() < endMs);
}
