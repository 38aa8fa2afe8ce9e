import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { MillraceError } from '../../src/errors.ts';
import { createExitGuard } from '../../src/inference/exit-guard.ts';
import { openSession } from '../../src/inference/session.ts';
import type { ModelSession, TensorValue } from '../../src/inference/session.ts';
import { openWorkerSession } from '../../src/inference/worker-session.ts';
import type { WorkerSessionOptions } from '../../src/inference/worker-session.ts';
import { caseTensors, modelCases, modelPath } from './model-case.ts';

const exitGuard = createExitGuard();
const opened: ModelSession[] = [];

async function open(path: string, options: Partial<WorkerSessionOptions> = {}): Promise<ModelSession> {
  const session = await openWorkerSession(path, { threads: 1, exitGuard, ...options });
  opened.push(session);
  return session;
}

afterEach(() => Promise.all(opened.splice(0).map((session) => session.release())));

const pair = (n: number): TensorValue => ({ data: Float32Array.of(n, -n), dims: [1, 2] });
const one = (n: number): TensorValue => ({ data: Float32Array.of(n), dims: [1, 1] });
/** More strings than a thread with a small heap can take. */
const tooMany = (): TensorValue => ({
  data: Array.from({ length: 1_000_000 }, (_, i) => `string ${i}`),
  dims: [500_000, 2],
});
const HEAP_MB = 24;
const threadsOfProcess = (): number =>
  process.getActiveResourcesInfo().filter((name) => name === 'MessagePort').length;

async function failureOf(promise: Promise<unknown>): Promise<MillraceError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof MillraceError)) throw new Error('expected a MillraceError', { cause: error });
  return error;
}

describe('a run in a worker thread', () => {
  it.each(modelCases)('gives what a run on the event loop gives: $model', async ({ model, inputs }) => {
    const session = await open(modelPath(model));
    const found = await session.run(caseTensors(session.inputs, inputs));
    const inline = await openSession(modelPath(model));
    const expected = await inline.run(caseTensors(inline.inputs, inputs));
    expect(found).toEqual(expected.map(({ data, dims }) => ({ data, dims })));
    await inline.release();
  });

  it('leaves the tensors with the caller, also parts of larger ones', async () => {
    const session = await open(modelPath('identity_float32.onnx'));
    const buffer = Float32Array.of(1, 2, 3, 4, 5, 6);
    for (const [from, to] of [
      [2, 6],
      [0, 2],
      [0, 6],
    ] as const) {
      const part = buffer.subarray(from, to);
      const [found] = await session.run([{ data: part, dims: [part.length / 2, 2] }]);
      expect(found?.data).toEqual(part);
    }
    expect(buffer).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6));
  });

  it('waits for a thread when all are busy, and keeps its own tensors', async () => {
    const session = await open(modelPath('identity_float32.onnx'), { threads: 2 });
    const found = await Promise.all(Array.from({ length: 50 }, async (_, i) => session.run([pair(i)])));
    expect(found.map(([output]) => output?.data)).toEqual(
      Array.from({ length: 50 }, (_, i) => Float32Array.of(i, -i)),
    );
  });

  it('leaves the event loop free', async () => {
    const session = await open(modelPath('heavy.onnx'));
    let longestGapMs = 0;
    let lastMs = performance.now();
    const timer = setInterval(() => {
      longestGapMs = Math.max(longestGapMs, performance.now() - lastMs);
      lastMs = performance.now();
    }, 1);
    const startedMs = performance.now();
    for (let i = 0; i < 10; i++) await session.run([one(i)]);
    clearInterval(timer);
    expect(longestGapMs).toBeLessThan((performance.now() - startedMs) / 10);
  });

  it('that the model rejects fails with MODEL_FAILED and keeps the reason', async () => {
    const session = await open(modelPath('gather.onnx'));
    const tag = { data: new Float64Array(2), dims: [1, 2] };
    const error = await failureOf(session.run([{ data: BigInt64Array.of(99n), dims: [1] }, tag]));
    expect(error.code).toBe('MODEL_FAILED');
    expect(String(error.cause)).toContain('idx=99');
    const [value] = await session.run([{ data: BigInt64Array.of(3n), dims: [1] }, tag]);
    expect(value?.data).toEqual(Float32Array.of(30));
  });
});

describe('a thread for runs that nobody waits for', () => {
  const taskDir = '/proc/self/task';

  function niceness(): number[] {
    return readdirSync(taskDir).map((task) => {
      // The second field is the name in brackets, which may hold spaces. The niceness is field 19.
      const fields = readFileSync(`${taskDir}/${task}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
      return Number(fields[16]);
    });
  }

  it('gives way to all others, and no other thread does', async ({ skip }) => {
    skip(!existsSync(taskDir), 'this system does not tell priorities of threads under /proc');
    const before = niceness();
    const session = await open(modelPath('heavy.onnx'), { isBackground: true });
    const running = session.run([one(1)]);
    expect(niceness().filter((nice) => nice === 19)).toHaveLength(
      before.filter((nice) => nice === 19).length + 1,
    );
    await running;
    await open(modelPath('heavy.onnx'));
    expect(niceness().filter((nice) => nice === 19)).toHaveLength(
      before.filter((nice) => nice === 19).length + 1,
    );
  });
});

describe('a model that cannot be served', () => {
  it('is refused as on the event loop, and no thread stays', async () => {
    const before = threadsOfProcess();
    const error = await failureOf(openWorkerSession(modelPath('corrupt.onnx'), { threads: 2, exitGuard }));
    expect(error.code).toBe('INVALID_MODEL');
    expect(error.message).toBe(
      `${modelPath('corrupt.onnx')} is not a whole ONNX model: copy or export it again.`,
    );
    // A thread of the test before may have been ending still.
    expect(threadsOfProcess()).toBeLessThanOrEqual(before);
  });
});

describe('a thread that ends by itself', () => {
  const folders: string[] = [];
  afterAll(() => Promise.all(folders.map(async (folder) => rm(folder, { recursive: true }))));

  it('fails its run, spares the others, and is replaced', async () => {
    const restarts: [string, number][] = [];
    const session = await open(modelPath('identity_string.onnx'), {
      threads: 2,
      heapMbMax: HEAP_MB,
      onRestart: (reason, delayMs) => restarts.push([reason, delayMs]),
    });
    const text = (n: number): TensorValue => ({ data: [`a${n}`, `b${n}`], dims: [1, 2] });
    const lost = failureOf(session.run([tooMany()]));
    const others = await Promise.all(Array.from({ length: 20 }, async (_, n) => session.run([text(n)])));
    expect(others.map(([output]) => output?.data)).toEqual(others.map((_, n) => [`a${n}`, `b${n}`]));
    const error = await lost;
    expect(error.code).toBe('WORKER_LOST');
    expect(error.message).toMatch(/^A worker thread of .*identity_string\.onnx ended: .*memory limit/);
    expect(restarts).toEqual([[expect.stringContaining('memory limit'), 0]]);
    // Both at once: the new thread is there.
    await Promise.all([session.run([text(1)]), session.run([text(2)])]);
  });

  it('is replaced later each time, until a run succeeds', async () => {
    const delaysMs: number[] = [];
    const session = await open(modelPath('identity_string.onnx'), {
      heapMbMax: HEAP_MB,
      onRestart: (_, delayMs) => delaysMs.push(delayMs),
    });
    for (let i = 0; i < 3; i++) await failureOf(session.run([tooMany()]));
    await session.run([{ data: ['a', 'b'], dims: [1, 2] }]);
    await failureOf(session.run([tooMany()]));
    expect(delaysMs).toEqual([0, 100, 200, 0]);
  });

  it('fails what waits when no other can be started', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-thread-'));
    folders.push(folder);
    const path = join(folder, 'model.onnx');
    await copyFile(modelPath('identity_string.onnx'), path);
    const session = await open(path, { heapMbMax: HEAP_MB });
    await rm(path);
    const [lost, waiting] = [session.run([tooMany()]), session.run([{ data: ['a', 'b'], dims: [1, 2] }])];
    expect((await failureOf(lost)).code).toBe('WORKER_LOST');
    const error = await failureOf(waiting);
    expect([error.code, error.message]).toEqual([
      'WORKER_LOST',
      `${path} has no worker thread that could run it.`,
    ]);
  });
});

describe('release', () => {
  it('waits for the runs in flight, then refuses new ones, and ends the threads', async () => {
    const before = threadsOfProcess();
    const session = await open(modelPath('slow.onnx'), { threads: 2 });
    expect(threadsOfProcess()).toBeGreaterThan(before);
    const order: string[] = [];
    const runs = Array.from({ length: 5 }, async (_, n) => {
      await session.run([one(n)]);
      order.push('run');
    });
    const release = async (): Promise<void> => {
      await session.release();
      order.push('released');
    };
    const released = release();
    const refused = await failureOf(session.run([one(1)]));
    await Promise.all([...runs, released]);
    expect(refused.code).toBe('NOT_READY');
    expect(order).toEqual([...runs.map(() => 'run'), 'released']);
    // A thread of the test before may have been ending still.
    expect(threadsOfProcess()).toBeLessThanOrEqual(before);
  });

  it('also ends a thread that opens after it was asked for and before the last run has ended', async () => {
    const before = threadsOfProcess();
    let noteRestart = (): void => undefined;
    const restarted = new Promise<void>((resolve) => (noteRestart = resolve));
    const session = await open(modelPath('identity_string.onnx'), {
      threads: 2,
      heapMbMax: HEAP_MB,
      onRestart: () => noteRestart(),
    });
    const lost = failureOf(session.run([tooMany()]));
    const some = { data: Array.from({ length: 20_000 }, (_, i) => `${i}`), dims: [10_000, 2] };
    const runs = Array.from({ length: 80 }, async () => session.run([some]));
    await restarted;
    await pause(3);
    await session.release();
    await Promise.all([lost, ...runs]);
    // A thread of the test before may have been ending still.
    expect(threadsOfProcess()).toBeLessThanOrEqual(before);
  });
});
