/** What happens to rows while a model in worker threads is busy. */
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MillraceError } from '../../src/errors.ts';
import { Batch } from '../../src/inference/batch.ts';
import { createBatcher } from '../../src/inference/batcher.ts';
import type { Batcher, BatcherOptions } from '../../src/inference/batcher.ts';
import { createExitGuard } from '../../src/inference/exit-guard.ts';
import type { ModelSession } from '../../src/inference/session.ts';
import { openWorkerSession } from '../../src/inference/worker-session.ts';
import { modelPath } from './model-case.ts';
import { RecordingCaller } from './recording-caller.ts';

let oneThread: ModelSession;
let twoThreads: ModelSession;
beforeAll(async () => {
  const exitGuard = createExitGuard();
  oneThread = await openWorkerSession(modelPath('heavy.onnx'), { threads: 1, exitGuard });
  twoThreads = await openWorkerSession(modelPath('heavy.onnx'), { threads: 2, exitGuard });
});
afterAll(() => Promise.all([oneThread.release(), twoThreads.release()]));

interface Queue {
  readonly batcher: Batcher;
  /** Rows of each run. */
  readonly runs: number[];
  readonly submit: (...rows: number[]) => RecordingCaller;
}

function queueOf(session: ModelSession, options: Partial<BatcherOptions> = {}): Queue {
  const runs: number[] = [];
  const batcher = createBatcher(session, {
    rowsMax: 8,
    delayMsMax: 0,
    widths: [1],
    onRun: (rows) => runs.push(rows),
    ...options,
  });
  const submit = (...rows: number[]): RecordingCaller => {
    const caller = new RecordingCaller(rows.map((value) => [[value]]));
    batcher.submit(caller, rows.length);
    return caller;
  };
  return { batcher, runs, submit };
}

function refusalOf(submit: () => unknown): MillraceError {
  try {
    submit();
  } catch (error) {
    if (error instanceof MillraceError) return error;
    throw error;
  }
  throw new Error('it was taken');
}

const codesOf = (caller: RecordingCaller): unknown[] =>
  caller.settled.map((outcome) => (outcome instanceof MillraceError ? outcome.code : outcome));

describe('rows that come while the model is busy', () => {
  it('wait and share the next run', async () => {
    const { batcher, runs, submit } = queueOf(oneThread);
    const first = submit(1);
    await turn();
    const later: RecordingCaller[] = [];
    for (let n = 2; n <= 6; n++) {
      later.push(submit(n));
      await turn();
    }
    expect(batcher.queueRows).toBe(5);
    await batcher.drain();
    expect(runs).toEqual([1, 5]);
    expect(batcher.queueRows).toBe(0);
    for (const caller of [first, ...later]) expect(caller.settled).toEqual(caller.rows);
  });

  it('run in as many threads as there are', async () => {
    const { batcher, submit } = queueOf(twoThreads, { rowsMax: 1 });
    const callers = [1, 2, 3, 4].map((n) => submit(n));
    await turn();
    expect(batcher.queueRows).toBe(2);
    await batcher.drain();
    for (const caller of callers) expect(caller.settled).toEqual(caller.rows);
  });

  it('are left out of the run when nobody waits for them any more', async () => {
    const { batcher, runs, submit } = queueOf(oneThread);
    submit(1);
    await turn();
    const callers = [submit(2, 3), submit(4), submit(5, 6, 7), submit(8)];
    for (const gone of [0, 2]) (callers[gone] as RecordingCaller).gone = true;
    await batcher.drain();
    expect(runs).toEqual([1, 2]);
    expect(callers.map(codesOf)).toEqual([
      [undefined, undefined],
      [[[4]]],
      [undefined, undefined, undefined],
      [[[8]]],
    ]);
  });
});

describe('a full queue', () => {
  it('refuses rows with the time after which to retry, and takes some again later', async () => {
    const reasons: string[] = [];
    const { batcher, submit } = queueOf(oneThread, {
      queueRowsMax: 10,
      onRefuse: (reason) => reasons.push(reason),
    });
    await submit(1).done;
    submit(2);
    await turn();
    submit(...Array<number>(9).fill(3));
    const refusal = refusalOf(() => submit(4, 5));
    expect(refusal.code).toBe('OVERLOADED');
    expect(refusal.retryAfterMs).toBeGreaterThan(20);
    expect(reasons).toEqual(['queue_full']);
    submit(6);
    await batcher.drain();
    expect(codesOf(await submit(7).done)).toEqual([[[7]]]);
  });

  it('takes more rows than it may hold when it is empty', async () => {
    const { submit } = queueOf(oneThread, { queueRowsMax: 2 });
    const large = submit(1, 2, 3, 4, 5);
    await large.done;
    expect(large.settled).toEqual(large.rows);
  });
});

describe('rows that would be answered too late', () => {
  it('are refused at once', async () => {
    const reasons: string[] = [];
    const { batcher, submit } = queueOf(oneThread, {
      rowsMax: 1,
      answerMsMax: 300,
      onRefuse: (reason) => reasons.push(reason),
    });
    await submit(1).done;
    const taken: RecordingCaller[] = [];
    const fill = (): void => {
      for (let n = 0; n < 100; n++) taken.push(submit(n));
    };
    expect(refusalOf(fill).code).toBe('OVERLOADED');
    expect(reasons).toEqual(['too_late']);
    // A run takes some 25 ms, and half of the time may be waited.
    expect(taken.length).toBeGreaterThan(1);
    expect(taken.length).toBeLessThan(12);
    await batcher.drain();
    for (const caller of taken) expect(caller.settled).toEqual(caller.rows);
  });

  it('are taken by an idle model, however long its runs are', async () => {
    const { submit } = queueOf(oneThread, { answerMsMax: 5 });
    for (const n of [1, 2]) expect(codesOf(await submit(n).done)).toEqual([[[n]]]);
  });
});

describe('a deadline', () => {
  it('fails rows that wait, and they are not run', async () => {
    const { batcher, runs, submit } = queueOf(oneThread, { timeoutMs: 1, rowsMax: 2 });
    const callers = [submit(1, 2), submit(3, 4), submit(5)];
    await Promise.all(callers.map((caller) => caller.done));
    expect(callers.flatMap(codesOf)).toEqual(Array(5).fill('DEADLINE_EXCEEDED'));
    expect(String(callers[0]?.settled[0])).toContain('The model took longer than 1 ms.');
    await batcher.drain();
    expect(runs).toEqual([2]);
  });

  it('counts from when the rows came, not from when the batch was opened', () => {
    const batch = new Batch([new Float32Array(8)], [{ width: 1, tail: [1] }]);
    const [first, second] = [new RecordingCaller([[[1]]]), new RecordingCaller([[[2]]])];
    batch.add(first, 0, 1, 10);
    batch.add(second, 0, 1, 20);
    const late = (): MillraceError => new MillraceError('DEADLINE_EXCEEDED', 'too late');
    expect(batch.failLate(15, late)).toBe(20);
    expect([...codesOf(first), ...codesOf(second)]).toEqual(['DEADLINE_EXCEEDED', undefined]);
    expect(batch.failLate(20, late)).toBeUndefined();
    expect(codesOf(second)).toEqual(['DEADLINE_EXCEEDED']);
  });

  it('leaves no timer behind when the answers come in time', async () => {
    const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const { batcher, submit } = queueOf(oneThread, { timeoutMs: 60_000 });
    await turn();
    const before = timers();
    submit(1, 2);
    expect(timers()).toBe(before + 1);
    await batcher.drain();
    expect(timers()).toBeLessThanOrEqual(before);
  });
});
